"""What draws of real variables say of all variables: marginals, moments, densities, mixing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.numerics.diagnostics import LEAST_DRAWS, value_diagnostics
from mmgraph.inference.posterior import Moments
from mmgraph.interop.pyro.density import RealDensity

_POINTS_AT_ONCE = 1 << 14
"""Rows times draws whose values are held at once."""


class DrawnMarginals:
    """What draws say of real variables, see :class:`~mmgraph.inference.real_marginals`.

    Densities are kernel estimates with Scott's bandwidth.

    Attributes
    ----------
    draws : dict of str to Tensor, shape (batch, draws, *shape)
    """

    def __init__(self, draws: dict[str, Float[Tensor, "batch draws *shape"]]) -> None:
        self.draws = draws
        self.names = tuple(draws)

    def mean(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the mean of the draws."""
        return self.draws[name].mean(1)

    def variance(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the variance of the draws."""
        return self.draws[name].var(1, correction=0)

    def density(
        self, name: str, points: Float[Tensor, " points"]
    ) -> Float[Tensor, "batch *shape points"]:
        """Return a kernel estimate of the density, infinite at a value that is fixed."""
        draws = self.draws[name].movedim(1, -1)
        width = draws.std(-1, keepdim=True) * draws.shape[-1] ** -0.2
        fixed = (draws == draws[..., :1]).all(-1)
        kernel = torch.distributions.Normal(draws, torch.where(fixed.unsqueeze(-1), 1.0, width))
        parts = []
        for point in points:
            smooth = kernel.log_prob(point).exp().mean(-1)
            at = torch.where(draws[..., 0] == point, torch.inf, 0.0)
            parts.append(torch.where(fixed, at, smooth))
        return torch.stack(parts, -1)

    def quantile(
        self, name: str, levels: Float[Tensor, " levels"]
    ) -> Float[Tensor, "batch *shape levels"]:
        """Return quantiles of the draws."""
        ordered = self.draws[name].sort(1).values.movedim(1, -1)
        place = levels * (ordered.shape[-1] - 1)
        low = place.floor().long()
        high = place.ceil().long()
        return torch.lerp(ordered[..., low], ordered[..., high], place - low)


class DrawnAnswer(NamedTuple):
    """What draws say: moments, real marginals, and R-hat and sample size by variable."""

    moments: Moments
    real: DrawnMarginals
    r_hat: dict[str, Float[Tensor, "batch *shape"]]
    sample_size: dict[str, Float[Tensor, "batch *shape"]]


def asked_names(graph: FactorGraph, names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the discrete and the real variables asked for, by default all."""
    if names is None:
        names = list(graph.variables)
    real = [n for n in names if n in graph.variables and not graph.variables[n].is_discrete]
    return [n for n in names if n not in real], real


def answer_of_draws(
    density: RealDensity,
    points: Float[Tensor, "draws chains size"],
    discrete: list[str],
    real: list[str],
) -> DrawnAnswer:
    """Return what chains of draws say; marginals are means over those given each draw."""
    draws, chains = points.shape[:2]
    flat = points.reshape(draws * chains, -1)
    probabilities, values = _at_all_draws(density, flat, discrete, real)
    r_hat, size = {}, {}
    for name, table in probabilities.items():
        trace = table.expand(-1, draws * chains, *table.shape[2:])
        trace = trace.reshape(len(table), draws, chains, *table.shape[2:])
        r_hat[name], size[name] = _worst_state(*_mixing(trace, draws, chains))
    for name, drawn in values.items():
        trace = drawn.reshape(len(drawn), draws, chains, *drawn.shape[2:])
        r_hat[name], size[name] = _mixing(trace, draws, chains)
    marginals = {name: table.mean(1) for name, table in probabilities.items()}
    real_marginals = DrawnMarginals(values)
    means = {name: real_marginals.mean(name) for name in values}
    variances = {name: real_marginals.variance(name) for name in values}
    return DrawnAnswer(Moments(marginals, means, variances), real_marginals, r_hat, size)


def _at_all_draws(
    density: RealDensity, points: Float[Tensor, "draws size"], discrete: list[str], real: list[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Marginals and values at each draw ``(batch, draws, …)``, some draws at a time.

    Where no draw changes marginals they have one draw.
    """
    tables_of: list[dict[str, Tensor]] = []
    values_of: list[dict[str, Tensor]] = []
    step = max(1, _POINTS_AT_ONCE // density.rows)
    names = density.form.names(discrete) or []
    for part in points.split(step):
        values, tables = density.at_draws(part)
        if names and (density.moves_states or not tables_of):
            repeats = len(part) if density.moves_states else 1
            moving = tables if density.moves_states else density.at_draws(part[:1])[1]
            elements = density.sum.marginals(moving, repeats, names)
            whole = density.form.gathered(elements, discrete)
            tables_of.append({n: t.unflatten(0, (density.rows, repeats)) for n, t in whole.items()})
        values = density.completed(values, tables, len(part), real)
        by_row = {n: values[n] if n in values else density.observed_values(n, part) for n in real}
        values_of.append({n: t.unflatten(0, (density.rows, len(part))) for n, t in by_row.items()})
    return _joined(tables_of), _joined(values_of)


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    if not parts:
        return {}
    return {name: torch.cat([part[name] for part in parts], 1) for name in parts[0]}


def _mixing(
    trace: Float[Tensor, "batch draws chains *shape"], draws: int, chains: int
) -> tuple[Float[Tensor, "batch *shape"], Float[Tensor, "batch *shape"]]:
    """R-hat and effective sample size of each element; what never changes has mixed."""
    shape = (len(trace), *trace.shape[3:])
    width = trace.flatten(1, 2).amax(1) - trace.flatten(1, 2).amin(1)
    still = width <= 1e-9 * trace[:, 0, 0].abs()
    total = float(draws * chains)
    if draws < LEAST_DRAWS:
        return torch.ones(shape).double(), torch.full(shape, total).double()
    scaled = trace / torch.where(still, 1.0, width).unsqueeze(1).unsqueeze(1)
    numbers = scaled.movedim(0, 2).reshape(draws, chains, -1).numpy()
    both = value_diagnostics(np.ascontiguousarray(numbers))
    r_hat, size = (torch.from_numpy(part).reshape(shape) for part in both)
    return torch.where(still, 1.0, r_hat), torch.where(still, total, size)


def _worst_state(
    r_hat: Float[Tensor, "batch *shape states"], size: Float[Tensor, "batch *shape states"]
) -> tuple[Float[Tensor, "batch *shape"], Float[Tensor, "batch *shape"]]:
    return r_hat.amax(-1), size.amin(-1)
