"""Posteriors of continuous variables: mixtures of normal densities, one a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from mmgraph.inference.numerics.mixture_quantiles import mixture_quantiles

NUMBERS_AT_ONCE = 1 << 24
"""Means that are computed together with those asked for, since their cost is shared."""

Belief = Callable[[Sequence[str], Int64[np.ndarray, " rows"]], Float[Tensor, "rows *states"]]
"""The joint posterior of some discrete variables, in some rows of the evidence."""


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


class Block(NamedTuple):
    """The mixtures of the wanted elements of a cluster, as those of one variable.

    ``place`` is where each element of the model stands.
    """

    rows: Int64[np.ndarray, " rows"]
    weights: Float[Tensor, "rows components"]
    means: Float[Tensor, "rows components elements"]
    variances: Float[Tensor, "rows components elements"]
    place: dict[int, int]


@dataclass(eq=False)
class MixtureMarginals:
    """Exact marginals of continuous variables, computed when they are first asked for.

    Attributes
    ----------
    graph : FactorGraph
    evidence : Evidence
    names : mapping of str to None
        The variables that may be asked for.
    belief : callable
    device : torch.device or None
    memory_budget : int or None
        See :func:`~mmgraph.inference.gaussian.tensors.answered`.
    patterns : dict of int to Patterns
        The rows by what they lack, for each model that was asked, by its identity.
    blocks : dict of str to list of Block
        What has been computed, by variable.
    log_density : Tensor of shape (batch,) or None
        That of the linear Gaussian variables, where nothing is discrete and it has been computed.
    """

    graph: FactorGraph
    evidence: Evidence
    names: Mapping[str, None]
    belief: Belief
    device: torch.device | None = None
    memory_budget: int | None = None
    patterns: dict[int, Patterns] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    log_density: Float[Tensor, " batch"] | None = None

    def mean(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the expected value."""
        return self._of_rows(name, _mean)

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
        return self._of_rows(name, lambda m: _quantile(m, levels), (len(levels),))

    def _of_rows(
        self, name: str, answer: Callable[[Mixture], Tensor], tail: tuple[int, ...] = ()
    ) -> Tensor:
        """Answers of all rows in the order of the evidence."""
        shape = self.graph.variable(name).shape
        parts = self.mixture(name)
        if len(parts) == 1:  # whose rows stand in order
            return answer(parts[0]).reshape(self.evidence.batch, *shape, *tail)
        order = torch.from_numpy(np.concatenate([m.rows for m in parts]))
        answers = torch.cat([answer(m) for m in parts])
        whole = answers[order.argsort().to(answers.device)]
        return whole.reshape(self.evidence.batch, *shape, *tail)

    def compute(self, names: Iterable[str]) -> None:
        """Compute what is known of some variables now."""
        for name in names:
            if name not in self.blocks:
                self._compute(name)

    def mixture(self, name: str) -> list[Mixture]:
        """Return the mixtures of a variable, for groups of rows that make up the evidence."""
        if name not in self.blocks:
            self._compute(name)
        elements = model_of(self.graph, name).elements_of(name)
        parts = []
        for block in self.blocks[name]:
            first = block.place[elements.start]
            part = slice(first, first + len(elements))
            parts.append(
                Mixture(
                    block.rows, block.weights, block.means[..., part], block.variances[..., part]
                )
            )
        return parts

    def _compute(self, name: str) -> None:
        """Compute the mixtures of a variable, and of others in its clusters at the same cost.

        Where there are discrete parents, others are not asked for together with it: they might join
        more of these.
        """
        model = model_of(self.graph, name)
        if id(model) not in self.patterns:
            self.patterns[id(model)] = patterns_of(values_of(self.evidence, model.variables))
        blocks: dict[str, list[Block]] = {}
        together = [n for n in self.names if n in model.place]
        wanted = model.elements_among(together if model.is_purely_continuous else [name])
        patterns = self.patterns[id(model)]
        for rows, clusters in row_clusters(
            model, patterns, self.evidence, wanted, self.memory_budget
        ):
            for cluster in clusters:
                children = [form.child.name for form in cluster.forms]
                if name not in children:
                    continue
                names = [n for n in children if n in self.names]
                size = sum(len(model.elements_of(n)) for n in names)
                if size * len(cluster.configurations) * len(rows.order) > NUMBERS_AT_ONCE:
                    names = [name]
                block = self._block(cluster, rows, names)
                for n in names:
                    blocks.setdefault(n, []).append(block)
        for n, parts in blocks.items():
            if sum(len(block.rows) for block in parts) == self.evidence.batch:
                self.blocks[n] = parts

    def _block(self, cluster: Cluster, patterns: Patterns, names: Sequence[str]) -> Block:
        elements = [e for n in names for e in cluster.model.elements_of(n)]
        answers = answered(
            cluster,
            patterns,
            self.evidence,
            self.device,
            elements,
            memory_budget=self.memory_budget,
        )
        order = np.argsort(patterns.order)
        back = torch.from_numpy(order).to(answers.means.device)
        if cluster.model is gaussian_model(self.graph) and cluster.model.is_purely_continuous:
            self.log_density = answers.log_weights[0][back]
        weights = component_weights(cluster, answers.log_weights, patterns, self.belief)
        pattern = torch.from_numpy(patterns.pattern_of[order]).to(back.device)
        return Block(
            patterns.order[order],
            weights[back],
            answers.means.permute(2, 0, 1)[back],
            answers.variances.permute(2, 0, 1)[pattern],
            {e: i for i, e in enumerate(elements)},
        )


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
    model: GaussianModel,
    evidence: Evidence,
    names: Sequence[str],
    memory_budget: int | None = None,
) -> list[RowClusters]:
    """Return the clusters of what is observed and of some variables, for groups of rows."""
    patterns = patterns_of(values_of(evidence, model.variables))
    return row_clusters(model, patterns, evidence, model.elements_among(names), memory_budget)


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
        states = belief([v.name for v in cluster.scope], patterns.order).flatten(1)
    if len(cluster.sizes) == len(cluster.scope):
        return states.to(log_weights.device)
    by_component = log_weights.T.reshape(len(states), math.prod(cluster.states), -1)
    shares = by_component.softmax(-1).nan_to_num()  # a state that is impossible has none
    return (states.to(shares.device).unsqueeze(-1) * shares).flatten(1)


def _mean(mixture: Mixture) -> Float[Tensor, "rows elements"]:
    if mixture.weights.shape[1] == 1:
        return mixture.means[:, 0]
    return mean_of_components(mixture.weights, mixture.means)


def mean_of_components(
    weights: Float[Tensor, "rows components"], means: Float[Tensor, "rows components elements"]
) -> Float[Tensor, "rows elements"]:
    """Return the means of mixtures: of components that agree, as observed values do, exactly."""
    heaviest = weights.argmax(1)[:, None, None].expand(-1, 1, means.shape[2])
    base = means.gather(1, heaviest)
    return base.squeeze(1) + (weights.unsqueeze(-1) * (means - base)).sum(1)


def _variance(mixture: Mixture) -> Float[Tensor, "rows elements"]:
    if mixture.weights.shape[1] == 1:
        return mixture.variances[:, 0]
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
    return mixture_quantiles(mixture.weights, mixture.means, mixture.variances, levels)
