"""Expected moments of continuous variables and their parents: the E-step of EM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.clusters import Cluster
from mmgraph.inference.gaussian.mixtures import Belief, clusters_with, component_weights
from mmgraph.inference.gaussian.model import gaussian_model
from mmgraph.inference.gaussian.patterns import Patterns
from mmgraph.inference.gaussian.tensors import ClusterAnswers, answered

_NUMBERS_AT_ONCE = 1 << 25
"""Covariances of a whole cluster that are computed together, since their cost is shared."""


class FamilyMoments(NamedTuple):
    """What some rows say of a variable and its continuous parents.

    Columns are the elements of the parents in their order, then those of the variable. Where other
    discrete variables have a part in them, a configuration of the variable's own discrete parents
    stands for several ``mixtures``.

    Attributes
    ----------
    child : str
    rows : array of shape (rows,)
    weights : Tensor, shape (mixtures, rows, configurations)
        Their probabilities.
    means : Tensor, shape (mixtures, rows, configurations, columns)
    patterns : Tensor, shape (rows,)
    covariances : Tensor, shape (mixtures, patterns, configurations, columns, columns)
        Those of the pattern of each row.
    """

    child: str
    rows: Int64[np.ndarray, " rows"]
    weights: Float[Tensor, "mixtures rows configurations"]
    means: Float[Tensor, "mixtures rows configurations columns"]
    patterns: Int64[Tensor, " rows"]
    covariances: Float[Tensor, "mixtures patterns configurations columns columns"]


def family_moments(
    graph: FactorGraph, evidence: Evidence, belief: Belief, memory_budget: int | None = None
) -> Iterator[FamilyMoments]:
    """Yield the moments of all linear Gaussian distributions, for groups of rows.

    Parameters
    ----------
    belief : callable
        The joint posterior of some discrete variables in some rows, ``(rows, *states)``.
    memory_budget : int, optional
        Of each cluster, in bytes.

    Raises
    ------
    TreewidthError
        If a cluster does not fit it.
    """
    model = gaussian_model(graph)
    if model is None:
        return
    for patterns, clusters in clusters_with(model, evidence, list(model.place), memory_budget):
        for cluster in clusters:
            yield from _of_cluster(cluster, patterns, evidence, belief, memory_budget)


def _of_cluster(
    cluster: Cluster,
    patterns: Patterns,
    evidence: Evidence,
    belief: Belief,
    memory_budget: int | None,
) -> Iterator[FamilyMoments]:
    model = cluster.model
    families = {
        form.child.name: [
            e for v in (*form.continuous, form.child) for e in model.elements_of(v.name)
        ]
        for form in cluster.forms
    }
    whole = sorted({e for elements in families.values() for e in elements})
    numbers = len(cluster.configurations) * len(patterns.observed) * len(whole) ** 2
    together = numbers <= _NUMBERS_AT_ONCE
    wanted = whole if together else ()
    shared = answered(cluster, patterns, evidence, None, wanted, True, memory_budget)
    weights = component_weights(cluster, shared.log_weights, patterns, belief)
    for form, elements in zip(cluster.forms, families.values(), strict=True):
        if together:
            at = torch.from_numpy(np.searchsorted(whole, elements))
            answers = shared._replace(
                means=shared.means[:, at], covariances=shared.covariances[:, :, at][..., at]
            )
        else:
            answers = answered(cluster, patterns, evidence, None, elements, True, memory_budget)
        own = cluster.configurations[:, model.number[form.child.name]]
        yield _by_own_configuration(form.child.name, patterns, weights, answers, own)


def _by_own_configuration(
    child: str,
    patterns: Patterns,
    weights: Float[Tensor, "rows joint"],
    answers: ClusterAnswers,
    own: Int64[np.ndarray, " joint"],
) -> FamilyMoments:
    """Sort joint configurations by the one that each is for the family itself."""
    count = int(own.max()) + 1
    order = torch.from_numpy(np.argsort(own, kind="stable").reshape(count, -1).T.copy())
    return FamilyMoments(
        child,
        patterns.order,
        weights.T[order].movedim(2, 1),
        answers.means[order].permute(0, 3, 1, 2),
        torch.from_numpy(patterns.pattern_of),
        answers.covariances[order].movedim(1, 2),
    )
