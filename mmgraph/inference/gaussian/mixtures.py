"""Posteriors of continuous variables: mixtures of normal densities, one a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import UnknownVariableError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.clusters import Cluster
from mmgraph.inference.gaussian.model import GaussianModel, gaussian_model, leaf_model
from mmgraph.inference.gaussian.patterns import Patterns, patterns_of, values_of
from mmgraph.inference.gaussian.tables import RowClusters, row_clusters
from mmgraph.inference.gaussian.tensors import answered

NUMBERS_AT_ONCE = 1 << 24
"""Means that are computed together with those asked for, since their cost is shared."""

_BISECTIONS = 100
"""Halvings after which an interval is as short as doubles tell."""

Belief = Callable[[Sequence[str]], Float[Tensor, "batch *states"]]
"""The joint posterior of some discrete variables, in all rows of the evidence."""


class Mixture(NamedTuple):
    """The mixtures of one variable in some rows of the evidence.

    Attributes
    ----------
    rows : array of int
    weights : Tensor, shape (rows, components)
    means, variances : Tensor, shape (rows, components, elements)
    """

    rows: Int64[np.ndarray, " rows"]
    weights: Float[Tensor, "rows components"]
    means: Float[Tensor, "rows components elements"]
    variances: Float[Tensor, "rows components elements"]


@dataclass(eq=False)
class MixtureMarginals:
    """Exact marginals of continuous variables, computed when they are first asked for.

    Attributes
    ----------
    graph : FactorGraph
    evidence : Evidence
    names : tuple of str
        The variables that may be asked for.
    belief : callable
    device : torch.device or None
        See :func:`~mmgraph.inference.gaussian.tensors.answered`.
    """

    graph: FactorGraph
    evidence: Evidence
    names: tuple[str, ...]
    belief: Belief
    device: torch.device | None = None
    mixtures: dict[str, list[Mixture]] = field(default_factory=dict)

    def mean(self, name: str) -> Float[Tensor, "batch *shape"]:
        """See :class:`~mmgraph.inference.real_marginals.RealMarginals`; so below."""
        return self._of_rows(name, lambda m: _mean(m))

    def variance(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the variance."""
        return self._of_rows(name, _variance)

    def density(
        self, name: str, points: Float[Tensor, " points"]
    ) -> Float[Tensor, "batch *shape points"]:
        """Return the density at some points."""
        return self._of_rows(name, lambda mixture: _density(mixture, points), (len(points),))

    def quantile(
        self, name: str, levels: Float[Tensor, " levels"]
    ) -> Float[Tensor, "batch *shape levels"]:
        """Return quantiles."""
        return self._of_rows(name, lambda mixture: _quantile(mixture, levels), (len(levels),))

    def _of_rows(
        self, name: str, answer: Callable[[Mixture], Tensor], tail: tuple[int, ...] = ()
    ) -> Tensor:
        """Answers of all rows in the order of the evidence."""
        shape = self.graph.variable(name).shape
        parts = self.mixture(name)
        order = torch.from_numpy(np.concatenate([m.rows for m in parts]))
        answers = torch.cat([answer(m) for m in parts])
        return answers[order.argsort().to(answers.device)].reshape(-1, *shape, *tail)

    def compute(self, names: Sequence[str]) -> None:
        """Compute what is known of some variables now."""
        for name in names:
            self.mixture(name)

    def mixture(self, name: str) -> list[Mixture]:
        """Return the mixtures of a variable, for groups of rows that make up the evidence."""
        if name not in self.mixtures:
            self._compute(name)
        return self.mixtures[name]

    def _compute(self, name: str) -> None:
        """Compute the mixtures of a variable, and of others in its clusters at the same cost.

        Where there are discrete parents, others are not asked for together with it: they might join
        more of these.
        """
        model = model_of(self.graph, name)
        asked = [n for n in self.names if n in model.place]
        computed: dict[str, list[Mixture]] = {}
        together = asked if model.is_purely_continuous else [name]
        for rows, clusters in clusters_with(model, self.evidence, together):
            for cluster in clusters:
                inside = set(cluster.ranked.tolist())
                names = [n for n in asked if model.place[n] in inside]
                if name not in names:
                    continue
                size = sum(len(model.elements_of(n)) for n in names)
                if size * len(cluster.configurations) * len(rows.order) > NUMBERS_AT_ONCE:
                    names = [name]
                for n, mixture in self._of_cluster(cluster, rows, names).items():
                    computed.setdefault(n, []).append(mixture)
        whole = {n: parts for n, parts in computed.items() if _count(parts) == self.evidence.batch}
        self.mixtures.update(whole)

    def _of_cluster(
        self, cluster: Cluster, patterns: Patterns, names: Sequence[str]
    ) -> dict[str, Mixture]:
        elements = [e for n in names for e in cluster.model.elements_of(n)]
        answers = answered(cluster, patterns, self.evidence, self.device, elements)
        weights = component_weights(cluster, answers.log_weights, patterns, self.belief)
        means = answers.means.permute(2, 0, 1)
        pattern = torch.from_numpy(patterns.pattern_of).to(means.device)
        variances = answers.variances.permute(2, 0, 1)[pattern]
        made, at = {}, 0
        for n in names:
            size = len(cluster.model.elements_of(n))
            part = slice(at, at + size)
            made[n] = Mixture(patterns.order, weights, means[..., part], variances[..., part])
            at += size
        return made


def model_of(graph: FactorGraph, name: str) -> GaussianModel:
    """Return the equations that a continuous variable has a part in.

    Raises
    ------
    UnknownVariableError
        If the variable is discrete, or has no normal density.
    """
    if graph.variable(name).is_discrete:
        raise UnknownVariableError(f"'{name}' is discrete: it has a marginal, and no density")
    model = gaussian_model(graph)
    return model if model is not None and name in model.place else leaf_model(graph, name)


def clusters_with(
    model: GaussianModel, evidence: Evidence, names: Sequence[str]
) -> list[RowClusters]:
    """Return the clusters of what is observed and of some variables, for groups of rows."""
    wanted = np.zeros(model.elements, np.bool_)
    for n in names:
        wanted[list(model.elements_of(n))] = True
    return row_clusters(model, patterns_of(values_of(evidence, model.variables)), wanted)


def component_weights(
    cluster: Cluster,
    log_weights: Float[Tensor, "configurations rows"],
    patterns: Patterns,
    belief: Belief,
) -> Float[Tensor, "rows configurations"]:
    """Return the posterior of a cluster's configurations, those of mixtures' components too."""
    if not cluster.scope:
        states = log_weights.new_ones(log_weights.shape[1], 1)
    else:
        joint = belief([v.name for v in cluster.scope])
        states = joint[torch.from_numpy(patterns.order).to(joint.device)].flatten(1)
    if len(cluster.sizes) == len(cluster.scope):
        return states.to(log_weights.device)
    by_component = log_weights.T.reshape(len(states), math.prod(cluster.states), -1)
    shares = by_component.softmax(-1).nan_to_num()  # a state that is impossible has none
    return (states.to(shares.device).unsqueeze(-1) * shares).flatten(1)


def _count(parts: Sequence[Mixture]) -> int:
    return sum(len(m.rows) for m in parts)


def _mean(mixture: Mixture) -> Float[Tensor, "rows elements"]:
    return (mixture.weights.unsqueeze(-1) * mixture.means).sum(1)


def _variance(mixture: Mixture) -> Float[Tensor, "rows elements"]:
    away = mixture.means - _mean(mixture).unsqueeze(1)
    return (mixture.weights.unsqueeze(-1) * (mixture.variances + away.square())).sum(1)


def _density(
    mixture: Mixture, points: Float[Tensor, " points"]
) -> Float[Tensor, "rows elements points"]:
    points = points.to(mixture.means)
    total = mixture.means.new_zeros(len(mixture.rows), mixture.means.shape[2], len(points))
    for c in range(mixture.weights.shape[1]):
        away = points - mixture.means[:, c].unsqueeze(-1)
        variance = mixture.variances[:, c].unsqueeze(-1)
        spread = torch.where(variance > 0, variance, 1.0)
        normal = (-0.5 * away.square() / spread).exp() / (2 * math.pi * spread).sqrt()
        fixed = torch.where(away == 0, torch.inf, 0.0)
        part = torch.where(variance > 0, normal, fixed)
        weight = mixture.weights[:, c, None, None]
        total = total + torch.where(weight > 0, weight * part, 0.0)
    return total


def _quantile(
    mixture: Mixture, levels: Float[Tensor, " levels"]
) -> Float[Tensor, "rows elements levels"]:
    levels = levels.to(mixture.means)
    deviations = mixture.variances.sqrt().unsqueeze(-1)
    means = mixture.means.unsqueeze(-1)
    each = means + deviations * torch.special.ndtri(levels)
    if mixture.weights.shape[1] == 1:
        return each.squeeze(1)
    weights = mixture.weights[..., None, None]
    low = each.masked_fill(weights == 0, torch.inf).amin(1)
    high = each.masked_fill(weights == 0, -torch.inf).amax(1)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        away = middle.unsqueeze(1) - means
        below = torch.special.ndtr(away / deviations)
        below = torch.where(deviations > 0, below, (away >= 0).to(below))
        reached = (weights * below).sum(1) >= levels
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    return high
