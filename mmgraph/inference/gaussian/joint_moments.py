"""Joint moments of a few continuous variables given evidence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.clusters import Cluster
from mmgraph.inference.gaussian.mixtures import (
    Belief,
    clusters_with,
    component_weights,
    mean_of_components,
    model_of,
)
from mmgraph.inference.gaussian.patterns import Patterns
from mmgraph.inference.gaussian.tensors import ClusterAnswers, answered


class JointMoments(NamedTuple):
    """Means and covariances of variables, their elements side by side.

    Attributes
    ----------
    mean : Tensor, shape (batch, elements)
    covariance : Tensor, shape (batch, elements, elements)
    """

    mean: Float[Tensor, "batch elements"]
    covariance: Float[Tensor, "batch elements elements"]


class _Block(NamedTuple):
    """Elements in one cluster, of some rows: their means around the whole mean, by state.

    ``group`` numbers the model that the cluster is of, and the missing patterns of its rows.
    """

    group: tuple[int, int]
    rows: Int64[np.ndarray, " rows"]
    scope: tuple[str, ...]
    columns: list[int]
    deviations: Float[Tensor, "rows *states elements"]


def moments_of(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    belief: Belief,
    device: torch.device | None = None,
    memory_budget: int | None = None,
) -> JointMoments:
    """Return the exact joint moments of variables that are mixtures of normals.

    Within a cluster covariances are those of its mixture. Elements of different clusters depend on
    each other through the discrete variables alone.
    """
    columns: dict[str, list[int]] = {}
    for name in names:
        first = sum(map(len, columns.values()))
        columns[name] = list(range(first, first + graph.variable(name).size))
    size = sum(map(len, columns.values()))
    mean = torch.zeros(evidence.batch, size, dtype=torch.float64, device=device)
    covariance = mean.new_zeros(evidence.batch, size, size)
    blocks: list[_Block] = []
    models = {id(m): m for m in (model_of(graph, name) for name in names)}
    for number, model in enumerate(models.values()):
        inside = [n for n in names if model_of(graph, n) is model]
        groups = clusters_with(model, evidence, inside, memory_budget)
        for group, (patterns, clusters) in enumerate(groups):
            for cluster in clusters:
                children = {form.child.name for form in cluster.forms}
                here = [n for n in inside if n in children]
                if here:
                    elements = [e for n in here for e in model.elements_of(n)]
                    at = [c for n in here for c in columns[n]]
                    answers = answered(
                        cluster, patterns, evidence, device, elements, True, memory_budget
                    )
                    part = _within(cluster, patterns, answers, belief)
                    rows = torch.from_numpy(patterns.order).to(mean.device)
                    mean[rows[:, None], torch.tensor(at)] = part.mean
                    index = (rows[:, None, None], torch.tensor(at)[:, None], torch.tensor(at))
                    covariance[index] = part.covariance
                    scope = tuple(v.name for v in cluster.scope)
                    place = (number, group)
                    blocks.append(_Block(place, patterns.order, scope, at, part.deviations))
    for one, other in itertools.combinations(blocks, 2):
        apart = one.group[0] == other.group[0] and one.group[1] != other.group[1]
        if one.scope and other.scope and not apart:
            _add_between(covariance, one, other, belief)
    return JointMoments(mean, covariance)


class _Within(NamedTuple):
    mean: Float[Tensor, "rows elements"]
    covariance: Float[Tensor, "rows elements elements"]
    deviations: Float[Tensor, "rows *states elements"]


def _within(
    cluster: Cluster, patterns: Patterns, answers: ClusterAnswers, belief: Belief
) -> _Within:
    """The moments of elements of one cluster."""
    weights = component_weights(cluster, answers.log_weights, patterns, belief)
    means = answers.means.permute(2, 0, 1)
    mean = mean_of_components(weights, means)
    away = means - mean.unsqueeze(1)
    weighted = weights.unsqueeze(-1) * away
    # Pattern by pattern: spread out over the rows, covariances of all components are too many.
    counts = np.diff(patterns.first).tolist()
    within = torch.cat(
        [
            torch.einsum("rc,cvw->rvw", part, answers.covariances[:, i])
            for i, part in enumerate(weights.split(counts))
        ]
    )
    states = weights.reshape(len(weights), *cluster.states, -1)
    by_state = weighted.reshape(*states.shape, means.shape[-1]).sum(-2)
    chance = states.sum(-1, keepdim=True)
    deviations = torch.where(chance > 0, by_state / torch.where(chance > 0, chance, 1.0), 0.0)
    return _Within(mean, within + away.mT @ weighted, deviations)


def _add_between(covariance: Tensor, one: _Block, other: _Block, belief: Belief) -> None:
    """Add covariances of elements of two clusters, through the discrete parents of both."""
    rows, first, second = np.intersect1d(one.rows, other.rows, return_indices=True)
    if not len(rows):
        return
    names = list(dict.fromkeys((*one.scope, *other.scope)))
    axis = {name: i + 1 for i, name in enumerate(names)}
    chances = belief(names, rows).to(covariance.device)
    row, left, right = 0, len(names) + 1, len(names) + 2
    between = torch.einsum(
        one.deviations[torch.from_numpy(first)],
        [row, *(axis[n] for n in one.scope), left],
        chances,
        [row, *axis.values()],
        other.deviations[torch.from_numpy(second)],
        [row, *(axis[n] for n in other.scope), right],
        [row, left, right],
    )
    at = torch.from_numpy(rows)[:, None, None]
    covariance[at, torch.tensor(one.columns)[:, None], torch.tensor(other.columns)] = between
    covariance[at, torch.tensor(other.columns)[:, None], torch.tensor(one.columns)] = between.mT
