"""The E-step: expected family counts and moments of incomplete rows, by exact inference."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.data.encoding import CodedRows, CodedTable
from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.leaves.continuous import ContinuousLeaf, continuous_leaves
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.exact.exact import joint, row_belief
from mmgraph.inference.exact.junction_tree import factor_beliefs
from mmgraph.inference.exact.torch_contraction import factor_beliefs as torch_factor_beliefs
from mmgraph.inference.gaussian.family_moments import family_moments
from mmgraph.inference.options import is_elsewhere
from mmgraph.learning.conditionals.regressions import check_leaves, regressions
from mmgraph.learning.regression.statistics import RegressionStatistics

_WORTH_COLLAPSING = 0.75
"""Equal rows are put together where less than this share of them differ."""


class RowGroup(NamedTuple):
    """Distinct rows as evidence, how often each counts, and where it first stands in the table."""

    evidence: Evidence
    weights: Float64[np.ndarray, " batch"]
    places: Int64[np.ndarray, " batch"]


class Rows:
    """All rows, chunk by chunk; what is in memory is prepared once.

    Their ``total`` is their number, or the sum of their weights; known after the first pass.
    """

    def __init__(self, chunks: Iterable[CodedRows]) -> None:
        self._chunks = chunks
        self._keeps = not isinstance(chunks, CodedTable) or chunks.table.in_memory
        self._groups: list[RowGroup] | None = None
        self.total = 0.0

    def __iter__(self) -> Iterator[RowGroup]:
        if self._groups is not None:
            yield from self._groups
            return
        groups, total = [], 0.0
        for chunk in self._chunks:
            group = _collapsed(chunk)
            total += float(group.weights.sum())
            if self._keeps:
                groups.append(group)
            yield group
        self.total = total
        self._groups = groups if self._keeps else None

    def first(self) -> RowGroup:
        """Return the first chunk."""
        if self._keeps and self._groups is None:
            for _ in self:  # all of it will be kept, so that nothing is prepared twice
                pass
        return next(iter(self))


def _collapsed(chunk: CodedRows) -> RowGroup:
    weights = np.ones(len(chunk)) if chunk.weights is None else chunk.weights
    places = chunk.first_row + np.arange(len(chunk))
    if chunk.values or chunk.soft or not chunk.columns:
        return RowGroup(chunk.evidence(), weights, places)
    lines = np.ascontiguousarray(chunk.codes)
    keys = lines.view(np.dtype((np.void, lines.dtype.itemsize * lines.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) > _WORTH_COLLAPSING * len(chunk):
        return RowGroup(chunk.evidence(), weights, places)
    together = np.bincount(inverse, weights, minlength=len(first))
    return RowGroup(chunk.evidence().rows(first), together, places[first])


@dataclass(frozen=True, eq=False)
class Expectation:
    """Expected statistics of the factors that learn, in the graph's order, kind by kind.

    Attributes
    ----------
    counts : list of Tensor
        Family counts of tabular factors.
    moments : list of GaussianStatistics or None
        Of continuous leaves; None where no row observes one.
    regressions : list of RegressionStatistics or None
        Of linear Gaussian distributions; None where nothing was expected of them.
    log_likelihood : float
    """

    counts: list[Tensor]
    moments: list[GaussianStatistics | None]
    log_likelihood: float
    regressions: list[RegressionStatistics | None]

    def by_factor(self, factors: Sequence[Factor]) -> list[Any]:
        """Return what is expected of each factor; None of one that does not learn."""
        parts: dict[str, Iterator[Any]] = {
            "tabular": iter(self.counts),
            "leaf": iter(self.moments),
            "linear": iter(self.regressions),
            "fixed": itertools.repeat(None),
        }
        return [next(parts[_kind(f)]) for f in factors]


def _kind(factor: Factor) -> str:
    """By which statistics a factor learns."""
    if factor.is_tabular:
        return "tabular"
    if isinstance(factor, ContinuousLeaf):
        return "leaf"
    return "linear" if isinstance(factor, LinearGaussian) else "fixed"


def expectation(
    graph: FactorGraph,
    rows: Iterable[RowGroup],
    memory_budget: int | None = None,
    device: str | None = None,
) -> Expectation:
    """Return expected sufficient statistics, summed over all rows, on the CPU.

    Rows that are impossible are told as the whole table numbers them.
    """
    leaves = continuous_leaves(graph.factors)
    linear: list[RegressionStatistics | None] = [None for _ in regressions(graph.factors)]
    tabular = [f for f in graph.factors if f.is_tabular]
    counts = [torch.zeros([v.cardinality for v in f.scope]).double() for f in tabular]
    moments: list[GaussianStatistics | None] = [None] * len(leaves)
    log_likelihood = 0.0
    for group in rows:
        try:
            families, logs = _beliefs(graph, group, memory_budget, device)
        except ZeroProbabilityError as error:
            raise _renumbered(error, group) from None
        log_likelihood += float(group.weights @ logs)
        for total, part in zip(counts, families, strict=False):
            total += torch.from_numpy(part)
        _add_regressions(linear, graph, group, memory_budget, device)
        beliefs: dict[tuple[str, ...], Tensor] = {}
        for i, leaf in enumerate(leaves):
            if leaf.child.name not in group.evidence.values:
                continue
            names = tuple(v.name for v in leaf.parents)
            if names not in beliefs:
                beliefs[names] = weighted_beliefs(graph, group, names, memory_budget, device)
            here = leaf.expected_statistics(group.evidence.values[leaf.child.name], beliefs[names])
            before = moments[i]
            moments[i] = here if before is None else before + here
    return Expectation(counts, moments, log_likelihood, linear)


def _add_regressions(
    linear: list[RegressionStatistics | None],
    graph: FactorGraph,
    group: RowGroup,
    memory_budget: int | None,
    device: str | None,
) -> None:
    """Add what a group of rows says of each linear Gaussian distribution."""
    factors = regressions(graph.factors)
    check_leaves(graph.factors, group.evidence)
    number = {f.child.name: i for i, f in enumerate(factors)}
    method = "torch" if is_elsewhere(device) else "junction_tree"
    belief = row_belief(graph, group.evidence, method, memory_budget, device or "auto")
    for family in family_moments(graph, group.evidence, belief, memory_budget) if factors else ():
        i = number.get(family.child)
        if i is None:  # a leaf that is someone's parent: its own statistics are those of leaves
            continue
        regressors = sum(v.size for v in factors[i].continuous_parents)
        row_weights = torch.from_numpy(group.weights[family.rows]).unsqueeze(1)
        for weights, means, covariances in zip(
            family.weights, family.means, family.covariances, strict=True
        ):
            here = RegressionStatistics.expected_by_pattern(
                regressors, row_weights * weights, means, family.patterns, covariances
            )
            before = linear[i]
            linear[i] = here if before is None else before + here


def _beliefs(
    graph: FactorGraph, group: RowGroup, memory_budget: int | None, device: str | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Expected family counts, and log P of each row."""
    if not is_elsewhere(device):
        return factor_beliefs(graph, group.evidence, group.weights, memory_budget)
    families, logs = torch_factor_beliefs(
        graph, group.evidence, group.weights, device, memory_budget
    )
    return [counts.cpu().numpy() for counts in families], logs.cpu().numpy()


def weighted_beliefs(
    graph: FactorGraph,
    group: RowGroup,
    names: Sequence[str],
    memory_budget: int | None,
    device: str | None = None,
) -> Float64[Tensor, "rows *states"]:
    """Return the posterior of a few variables in every row, times the row's weight."""
    weights = torch.from_numpy(np.ascontiguousarray(group.weights, np.float64))
    if not names:
        return weights
    method = "torch" if is_elsewhere(device) else "junction_tree"
    belief = joint(graph, group.evidence, names, method, memory_budget, device or "auto").cpu()
    return belief * weights.reshape(-1, *(1,) * len(names))


def _renumbered(error: ZeroProbabilityError, group: RowGroup) -> ZeroProbabilityError:
    rows = tuple(int(group.places[r]) for r in error.rows)
    shown = f"{', '.join(map(str, rows[:8]))}{', …' if len(rows) > 8 else ''}"
    return ZeroProbabilityError(
        f"the parameters give probability zero to the data in row {shown} of the table; in the "
        f"first of them these clash: {', '.join(error.variables)}",
        rows,
        error.variables,
    )
