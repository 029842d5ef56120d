"""Real units that lie far from zero, asked about by their distance from where they lie.

The log-weight of a unit around 1e8 is of the order of 1e16, of which a double keeps no decimals. So
a model whose Gaussian units lie far off is asked in coordinates whose zero is in their midst, and
its answers are moved back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.posterior import Moments, Posterior, with_constant

FAR = 1e3
"""Standard deviations from zero beyond which single precision errs by a ten-thousandth of one."""

_STARTS = ("base", "initial")
"""Options of methods that are values or means by variable."""


@dataclass(frozen=True)
class Centred:
    """A graph and evidence whose real units are spoken of by their distance from a shift.

    Shifts are constants: the sum over all values is what it is wherever they are counted from, so
    that the gradients of answers are those through the graph and the constant.
    """

    graph: FactorGraph
    evidence: Evidence
    shifts: Mapping[str, Float64[Tensor, "*shape"]]
    constant: Float64[Tensor, ""]  # by how much log-weights are less than they were

    @classmethod
    def of(cls, graph: FactorGraph, evidence: Evidence) -> Centred | None:
        """Return the two with units around zero; None where they are near enough as they are."""
        lone = _lone_units(graph.factors)
        if not any(bool((b.abs() > FAR * p.sqrt()).any()) for b, p in lone.values()):
            return None
        shifts = {name: bias / precision for name, (bias, precision) in lone.items()}
        ones = {n: torch.ones_like(s) for n, s in shifts.items()}
        factors = reexpressed(graph.factors, shifts, ones)
        values = {
            n: t.double() - shifts[n].to(t.device) if n in shifts else t
            for n, t in evidence.values.items()
        }
        moved = FactorGraph(graph.variables.values(), factors)
        constant = _log_weight(graph.factors, shifts)
        return cls(moved, replace(evidence, values=values), shifts, constant)

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options of a method with the values that ``base`` and ``initial`` start from."""
        starts = {n: o for n, o in options.items() if n in _STARTS and isinstance(o, Mapping)}
        return {**options, **{n: self.start(option) for n, option in starts.items()}}

    def start(self, means: Mapping[str, Any]) -> dict[str, Any]:
        """Return means ``(..., *shape)`` as they are measured from the shifts."""
        moved = dict(means)
        for name in moved.keys() & self.shifts.keys():
            wide = torch.as_tensor(moved[name]).double()
            moved[name] = wide - self.shifts[name].to(wide.device)
        return moved

    def values(self, near: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values (means, samples), ``(..., *shape)``, as they were measured."""
        return {
            n: t.double() + self.shifts[n].to(t.device) if n in self.shifts else t
            for n, t in near.items()
        }

    def log_weights(self, near: Float64[Tensor, " batch"]) -> Float64[Tensor, " batch"]:
        """Return log-weights of values as they were measured."""
        return with_constant(near, self.constant)

    def moved_back(self, answer: Any) -> Any:
        """Return an answer (moments, an assignment, samples, log-weights) as it was measured."""
        if isinstance(answer, Posterior):
            return self.posterior(answer)
        if isinstance(answer, Assignment):
            return self.assignment(answer)
        return self.values(answer) if isinstance(answer, dict) else self.log_weights(answer)

    def posterior(self, near: Posterior) -> Posterior:
        """Return a posterior as it was measured."""
        return replace(
            near,
            moments=Moments(
                near.marginals, self.values(near.moments.means), near.moments.variances
            ),
            constant=self.constant,
            bound=None if near.bound is None else self.log_weights(near.bound),
        )

    def assignment(self, near: Assignment) -> Assignment:
        """Return an assignment as it was measured."""
        return replace(
            near,
            states=self.values(near.states),
            log_weight=self.log_weights(near.log_weight),
            bound=None if near.bound is None else self.log_weights(near.bound),
        )


@torch.no_grad()
def _lone_units(factors: Iterable[Factor]) -> dict[str, tuple[Tensor, Tensor]]:
    """The bias and the precision of Gaussian units, the sums where several factors give them."""
    lone: dict[str, tuple[Tensor, Tensor]] = {}
    for factor in factors:
        if factor.precision is None or factor.scope[0].family != "gaussian":
            continue
        bias, precision = (t.detach().double() for t in factor.tensors())
        name = factor.scope[0].name
        if name in lone:
            bias, precision = bias + lone[name][0], precision + lone[name][1]
        lone[name] = bias, precision
    return lone


def _log_weight(factors: Iterable[Factor], values: Mapping[str, Tensor]) -> Float64[Tensor, ""]:
    """What the factors of given real units alone say of their values, without axes."""
    total = torch.zeros((), dtype=torch.float64)
    for factor in factors:
        if not factor.compact or any(v.name not in values for v in factor.scope):
            continue
        row = {v.name: values[v.name].unsqueeze(0) for v in factor.scope}
        wide = factor.with_tensors(*(t.double() for t in factor.tensors()))
        total = total.to(wide.tensors()[0].device) - wide.energy(row).squeeze(0)
    return total


def reexpressed(
    factors: Iterable[Factor], shifts: Mapping[str, Tensor], scales: Mapping[str, Tensor]
) -> list[Factor]:
    """Return factors that speak of ``z`` where they spoke of ``x = shift + scale * z``.

    In double precision, and differentiable; tables are returned as they are. Units with states that
    are joined to what is shifted, and have no bias, get one: these factors stand at the end.
    """
    factors = list(factors)
    felt = _felt(factors, shifts)
    made: list[Factor] = []
    for factor in factors:
        if factor.compact and len(factor.scope) == 2:
            factor = _scaled(factor, scales)
        elif factor.compact:
            name = factor.scope[0].name
            factor = _shifted(factor, felt.pop(name, None), shifts.get(name), scales.get(name))
        made.append(factor)
    variables = {v.name: v for f in factors for v in f.scope}
    with_states = [n for n in felt if variables[n].family in ("bernoulli", "categorical")]
    return made + [BiasFactor(variables[name], felt[name]) for name in with_states]


def _felt(factors: Iterable[Factor], shifts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What shifts add to the biases of the units at the other ends, in the units of those ends."""
    felt: dict[str, Tensor] = {}
    for factor in factors:
        if not factor.compact or len(factor.scope) != 2:
            continue
        for shifted, other in (factor.scope, factor.scope[::-1]):
            if shifted.name in shifts:
                row = {shifted.name: shifts[shifted.name].unsqueeze(0)}
                wide = factor.with_tensors(*(t.double() for t in factor.tensors()))
                felt[other.name] = felt.get(other.name, 0.0) + wide.field(other, row).squeeze(0)
    return felt


def _scaled(factor: Factor, scales: Mapping[str, Tensor]) -> Factor:
    (weights,) = factor.tensors()
    wide = weights.double()
    for variable, flat in zip(factor.scope, ((-1, 1), (1, -1)), strict=True):
        if (scale := scales.get(variable.name)) is not None:
            rows = scale.numel() if flat[0] == -1 else weights.numel() // scale.numel()
            wide = wide.reshape(rows, -1) * scale.reshape(flat)
    return factor.with_tensors(wide.reshape(weights.shape))


def _shifted(
    factor: Factor, felt: Tensor | None, shift: Tensor | None, scale: Tensor | None
) -> Factor:
    wide, *precisions = (t.double() for t in factor.tensors())
    if felt is not None:
        wide = wide + felt.reshape(wide.shape)
    if shift is not None and scale is not None:
        (precision,) = precisions
        wide = scale * (wide - precision * shift)
        precisions = [precision * scale.square()]
    return factor.with_tensors(wide, *precisions)


@torch.no_grad()
def reexpress(
    factors: Iterable[Factor], shifts: Mapping[str, Tensor], scales: Mapping[str, Tensor]
) -> None:
    """Write :func:`reexpressed` numbers into the factors, whose units all have biases."""
    factors = list(factors)
    for factor, changed in zip(factors, reexpressed(factors, shifts, scales), strict=True):
        if factor.compact:
            for tensor, numbers in zip(factor.tensors(), changed.tensors(), strict=True):
                tensor.copy_(numbers)
