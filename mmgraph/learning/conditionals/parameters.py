"""Parameters from complete data: maximum likelihood, and its smoothed forms."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mmgraph.data.beyond_memory.partitions import are_partitioned, reduced
from mmgraph.data.encoding import CodedRows, coded_chunks
from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.errors import LearningError, warn_caller
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.continuous_data import flat_responsibilities
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.conditionals.few_rows import (
    warn_of_few_rows,
    warn_of_few_rows_of_regression,
)
from mmgraph.learning.conditionals.priors import NO_PRIOR, LeafOptions, Prior
from mmgraph.learning.conditionals.regressions import check_observed, complete_regression
from mmgraph.learning.counts import IncompleteDataError, family_counts
from mmgraph.learning.regression.fit import fitted_regression
from mmgraph.learning.regression.statistics import RegressionStatistics

_SHOWN = 8


class UnseenConfigurationWarning(UserWarning):
    """Parent configurations that no row has; their distributions are uniform."""


@runtime_checkable
class Updatable(Protocol):
    """A conditional distribution that fits itself to expected family counts."""

    def updated(self, counts: Float[Tensor, "*states"]) -> Factor:
        """Return the distribution of the same kind that fits the counts best."""


def check_learnable(factors: Sequence[Factor], prior: Prior) -> None:
    """Refuse factors that counts or moments cannot fit, by name, and a prior of no table.

    A factor over a continuous variable that is no leaf that learns, as the scores of a trained
    encoder, is let pass: learning leaves it as it is.
    """
    for factor in factors:
        if factor.child is None:
            raise LearningError(
                f"{factor!r} is no conditional distribution: family counts do not fit it"
            )
        learns = type(factor) is TableFactor or isinstance(factor, Updatable)
        if factor.is_tabular and not learns:
            raise LearningError(f"{factor!r} does not learn: it has no method 'updated'")
    prior.check_names([f.child.name for f in factors if f.is_tabular and f.child is not None])


def fitted_table(
    factor: TableFactor,
    counts: Float[Tensor, "*states"],
    pseudo_counts: Float64[Tensor, "*states"] | float = 0.0,
    unseen: Float[Tensor, "*states"] | None = None,
) -> tuple[TableFactor, int]:
    """Return the table that fits (expected) family counts best, in double precision.

    Second is how many parent configurations have no count; for those stand the rows of ``unseen``,
    uniform ones by default.
    """
    axis = next(i for i, v in enumerate(factor.scope) if v is factor.child)
    total = counts.to("cpu", torch.float64) + pseudo_counts
    mass = total.sum(axis, keepdim=True)
    # A mass as small as this is the rounding of zero, and its ratios no distribution.
    counted = mass > 1e-200
    default = torch.full_like(total, 1.0 / total.shape[axis]) if unseen is None else unseen
    table = torch.where(counted, total / torch.where(counted, mass, 1.0), default)
    return TableFactor(factor.scope, table, child=factor.child), int((~counted).sum())


def warn_of_unseen(unseen: Mapping[str, tuple[int, int]]) -> None:
    """Warn of parent configurations without data: how many, of how many, for each variable."""
    named = [f"{few} of {all_} for '{n}'" for n, (few, all_) in unseen.items() if few]
    if named:
        more = f" and for {len(named) - _SHOWN} more variables" if len(named) > _SHOWN else ""
        warn_caller(
            "no row has some of the parent configurations, whose distributions are now uniform: "
            f"{', '.join(named[:_SHOWN])}{more}; a prior (bdeu, dirichlet) would smooth the rest",
            UnseenConfigurationWarning,
        )


def learn_parameters(
    graph: FactorGraph,
    data: object,
    prior: Prior = NO_PRIOR,
    options: LeafOptions | None = None,
    weights: object = None,
    chunk_rows: int = CHUNK_ROWS,
    device: torch.device | str | None = None,
) -> list[Factor]:
    """Return the graph's conditional distributions, fitted to complete data in one pass.

    Tables become posterior means (of greatest likelihood without a prior); noisy-OR, softmax and
    other parametric tables fit themselves to the counts, without pseudo-counts; Gaussian leaves
    have the likeliest means and covariances, linear Gaussian distributions the coefficients, both
    shrunk where rows are few; other continuous factors stay as they are.

    Parameters
    ----------
    graph : FactorGraph
        Conditional distributions only.
    data : frame of pandas or Dask, mapping of str to array, path, CodedTable, CodedRows or Evidence
        Partitions of a Dask data frame are counted where they are, by the cluster's workers.
    prior : Prior, optional
        Pseudo-counts of the tables.
    options : LeafOptions, optional
        For continuous leaves.
    weights : array-like, optional
        How often each row counts.
    chunk_rows : int
        How many rows are worked through at once.
    device : torch.device or str, optional
        Where to count.

    Returns
    -------
    list of Factor
        In the graph's order.

    Warns
    -----
    UnseenConfigurationWarning
        If parent configurations have neither rows nor pseudo-counts: which, and how many.
    FewRowsWarning
        If a covariance has no more rows than features: where, and both numbers.

    Raises
    ------
    IncompleteDataError
        If a column or a cell is missing, or a leaf is a mixture.
    LearningError, UnknownVariableError, UnknownStateError, EvidenceError, FormatError
        If the data does not fit the graph, or cannot be read.
    """
    check_learnable(graph.factors, prior)
    options = options or LeafOptions()
    chunks = coded_chunks(data, graph.variables, chunk_rows, weights)
    return complete_statistics(graph, chunks, options, device).fitted(prior, options)


@dataclass(eq=False)
class CompleteStatistics:
    """What complete rows say of the distributions of a graph.

    Attributes
    ----------
    factors : tuple of Factor
        The graph's.
    counts : dict of int to Tensor
        Family counts of tabular factors, by their places.
    leaves, moments : dict of int to ContinuousLeaf and GaussianStatistics
        Leaves that the first rows started, and their moments.
    regressions : dict of int to RegressionStatistics
        Of linear Gaussian distributions.
    """

    factors: tuple[Factor, ...]
    counts: dict[int, Tensor] = field(default_factory=dict)
    leaves: dict[int, ContinuousLeaf] = field(default_factory=dict)
    moments: dict[int, GaussianStatistics] = field(default_factory=dict)
    regressions: dict[int, RegressionStatistics] = field(default_factory=dict)

    def add(self, chunk: CodedRows, options: LeafOptions, device: Any) -> None:
        """Count some rows, too."""
        places = [i for i, f in enumerate(self.factors) if f.is_tabular]
        tables = family_counts([self.factors[i].scope for i in places], chunk, device=device)
        _add(self.counts, dict(zip(places, tables, strict=True)))
        for i, factor in enumerate(self.factors):
            if isinstance(factor, LinearGaussian):
                _add(self.regressions, {i: complete_regression(factor, chunk)})
            elif isinstance(factor, ContinuousLeaf):
                share = _known_parents(factor, chunk)
                values = chunk.values[factor.child.name]
                if i not in self.leaves:
                    bounds = (options.shrinkage, options.floor)
                    self.leaves[i] = factor.restarted(values, share, None, *bounds)
                _add(self.moments, {i: self.leaves[i].expected_statistics(values, share)})

    def fitted(self, prior: Prior, options: LeafOptions) -> list[Factor]:
        """Return the distributions that fit best, and warn of what too few rows speak of."""
        learned = dict(enumerate(self.factors))
        tabular = [self.factors[i] for i in self.counts]
        tables = fitted_factors(tabular, list(self.counts.values()), prior)
        learned.update(zip(self.counts, tables, strict=True))
        for i, leaf in self.leaves.items():
            learned[i] = leaf.updated(self.moments[i], options.shrinkage, options.floor)
        for i, statistics in self.regressions.items():
            factor = self.factors[i]
            assert isinstance(factor, LinearGaussian)
            shrinkage = options.of_regression(factor, statistics, prior)
            learned[i] = fitted_regression(factor, statistics, shrinkage, options.floor)
            warn_of_few_rows_of_regression(factor, statistics, options.shrinkage)
        warn_of_few_rows(list(self.leaves.values()), list(self.moments.values()), options.shrinkage)
        return [learned[i] for i in range(len(self.factors))]


def _add(totals: dict[int, Any], parts: Mapping[int, Any]) -> None:
    for place, part in parts.items():
        totals[place] = totals[place] + part if place in totals else part


def complete_statistics(
    graph: FactorGraph,
    chunks: Iterable[CodedRows],
    options: LeafOptions,
    device: torch.device | str | None = None,
) -> CompleteStatistics:
    """Return what complete rows say of a graph's distributions, in one pass over them.

    Raises
    ------
    IncompleteDataError
        If a column or a cell is missing, or a leaf is a mixture.
    """
    factors, leaves = tuple(graph.factors), {}
    if are_partitioned(chunks):
        if any(_starts_with_rows(factor) for factor in factors):
            leaves = _statistics(factors, {}, options, device, itertools.islice(chunks, 1)).leaves
        total = reduced(chunks, partial(_statistics, factors, leaves, options, device), _merged)
        return replace(total, factors=factors, leaves=leaves)  # over this process's variables
    return _statistics(factors, leaves, options, device, chunks)


def _starts_with_rows(factor: Factor) -> bool:
    """Whether moments of a leaf are taken about what its first rows are like."""
    return isinstance(factor, ContinuousLeaf) and not isinstance(factor, LinearGaussian)


def _statistics(
    factors: tuple[Factor, ...],
    leaves: Mapping[int, ContinuousLeaf],
    options: LeafOptions,
    device: torch.device | str | None,
    chunks: Iterable[CodedRows],
) -> CompleteStatistics:
    statistics = CompleteStatistics(factors, leaves=dict(leaves))
    for chunk in chunks:
        statistics.add(chunk, options, device)
    return statistics


def _merged(one: CompleteStatistics, other: CompleteStatistics) -> CompleteStatistics:
    """What the rows of both say; their leaves started from the same rows."""
    total = CompleteStatistics(one.factors, leaves=one.leaves)
    for part in (one, other):
        _add(total.counts, part.counts)
        _add(total.moments, part.moments)
        _add(total.regressions, part.regressions)
    return total


def fitted_factors(
    factors: Sequence[Factor], counts: Sequence[Tensor], prior: Prior = NO_PRIOR
) -> list[Factor]:
    """Return tabular distributions fitted to counts, and warn of what no row speaks of."""
    fitted: list[Factor] = []
    unseen: dict[str, tuple[int, int]] = {}
    for factor, count in zip(factors, counts, strict=True):
        if type(factor) is not TableFactor:
            fitted.append(cast(Updatable, factor).updated(count.to("cpu", torch.float64)))
            continue
        table, few = fitted_table(factor, count, prior.counts(factor))
        fitted.append(table)
        assert factor.child is not None
        unseen[factor.child.name] = few, count.numel() // factor.child.cardinality
    warn_of_unseen(unseen)
    return fitted


def _known_parents(leaf: ContinuousLeaf, chunk: CodedRows) -> Float64[Tensor, "rows *parents"]:
    """One-hot responsibilities, times the weights of the rows."""
    if leaf.components > 1:
        raise IncompleteDataError(
            f"which component of '{leaf.child.name}' a row belongs to is never observed; learn by "
            "expectation maximisation (method='em')"
        )
    check_observed(leaf.child.name, chunk)
    for parent in leaf.parents:  # says which cell is missing
        family_counts([(parent,)], chunk)
    states = {v.name: torch.from_numpy(chunk.column(v.name)) for v in leaf.parents}
    share = flat_responsibilities(leaf.child, leaf.parents, states, len(chunk))
    if chunk.weights is not None:
        share = share * torch.from_numpy(np.ascontiguousarray(chunk.weights)).unsqueeze(1)
    return share.reshape(len(chunk), *leaf.parent_shape)
