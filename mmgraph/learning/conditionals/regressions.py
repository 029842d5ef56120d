"""The linear Gaussian distributions of a graph, and what complete rows say of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.data.encoding import CodedRows
from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.continuous import continuous_leaves
from mmgraph.graph.leaves.continuous_data import rows_of, state_indices
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.conditionals.priors import LeafOptions
from mmgraph.learning.counts import IncompleteDataError, family_counts
from mmgraph.learning.regression.fit import fitted_regression
from mmgraph.learning.regression.statistics import RegressionStatistics

_LARGEST = 1e150
"""Cells beyond it have squares that doubles do not hold."""


def regressions(factors: Iterable[Factor]) -> list[LinearGaussian]:
    """Return the factors that learn from moments of a variable and its continuous parents."""
    return [f for f in factors if isinstance(f, LinearGaussian)]


def complete_regression(factor: LinearGaussian, chunk: CodedRows) -> RegressionStatistics:
    """Return the statistics of a family in rows that have all of it, times their weights.

    Raises
    ------
    IncompleteDataError
        If a column or a cell is missing: which.
    LearningError
        If a cell's square overflows.
    """
    rows = len(chunk)
    for v in (*factor.continuous_parents, factor.child):
        check_observed(v.name, chunk)
    for v in factor.discrete_parents:  # says which cell is missing
        family_counts([(v,)], chunk)
    child = rows_of(factor.child, chunk.values[factor.child.name]).double()
    parts = [rows_of(v, chunk.values[v.name]).double() for v in factor.continuous_parents]
    regressors = torch.cat([child.new_empty(rows, 0), *parts], 1)
    if bool((torch.cat([regressors, child], 1).abs() > _LARGEST).any()):
        raise LearningError(
            f"a value of '{factor.child.name}' or of its parents is beyond {_LARGEST:g}: measure "
            "it in a larger unit"
        )
    states = {
        v.name: torch.from_numpy(np.ascontiguousarray(chunk.column(v.name), np.int64))
        for v in factor.discrete_parents
    }
    configurations = state_indices(factor.discrete_parents, states, rows)
    count = math.prod(v.cardinality for v in factor.discrete_parents)
    weights = chunk.weights
    counted = None if weights is None else torch.from_numpy(np.ascontiguousarray(weights))
    return RegressionStatistics.of_rows(regressors, child, configurations, count, counted)


def initial_regression(
    factor: LinearGaussian,
    values: Mapping[str, Tensor],
    share: Float[Tensor, "rows *states"],
    options: LeafOptions,
    latent: Collection[str] = (),
    generator: torch.Generator | None = None,
) -> LinearGaussian:
    """Return a first distribution by the rows that have a family's real values, for EM to start at.

    Where none has them all, it does not depend on the continuous parents; where none has the
    child, it is the distribution that the factor is. A latent variable has the noise of a unit.
    Coefficients of latent parents are random, in units of the child's noise: at zero they would
    explain nothing, and stay there for ever.
    """
    if factor.child.name in latent:
        return _with_random_slopes(_of_unit_noise(factor), latent, generator)
    rows = len(share)
    columns = [
        rows_of(v, values[v.name]).double()
        if v.name in values and v.name not in latent
        else torch.full((rows, v.size), 0.0 if v.name in latent else math.nan, dtype=torch.float64)
        for v in (*factor.continuous_parents, factor.child)
    ]
    weights, regressors = share.reshape(rows, -1), sum(v.size for v in factor.continuous_parents)
    for first in (0, regressors):
        table = torch.cat(columns, 1)
        table[:, :first] = 0.0
        there = ~table.isnan().any(1)
        spread = table[there][:, regressors:]
        if len(spread) and bool((spread.amax(0) > spread.amin(0)).any()):
            nothing = table.new_zeros(1, 1, table.shape[1], table.shape[1])
            means = table[there].unsqueeze(1).expand(-1, weights.shape[1], -1)
            statistics = RegressionStatistics.expected(regressors, weights[there], means, nothing)
            learned = fitted_regression(factor, statistics, options.shrinkage, options.floor)
            return _with_random_slopes(learned, latent, generator)
    return factor


def _of_unit_noise(factor: LinearGaussian) -> LinearGaussian:
    """The distribution about zero whose features are independent, with variance 1."""
    noise = torch.ones_like(factor.intercept)
    if factor.variance.ndim > noise.ndim:
        noise = torch.diag_embed(noise)
    slopes, levels = torch.zeros_like(factor.coefficients), torch.zeros_like(factor.intercept)
    return LinearGaussian(factor.child, factor.scope[:-1], slopes, levels, noise)


def _with_random_slopes(
    factor: LinearGaussian, latent: Collection[str], generator: torch.Generator | None
) -> LinearGaussian:
    """Normal coefficients of latent parents, alike in all configurations of the discrete ones."""
    hidden = [v.name in latent for v in factor.continuous_parents for _ in range(v.size)]
    if not any(hidden):
        return factor
    form = factor.linear_form()
    d, q = form.coefficients.shape[1:]
    noise = form.covariance.diagonal(dim1=-2, dim2=-1).mean(0).sqrt().unsqueeze(1)
    drawn = noise * torch.randn(d, q, generator=generator, dtype=torch.float64)
    slopes = torch.where(torch.tensor(hidden), drawn, form.coefficients.double())
    slopes = slopes.reshape(factor.coefficients.shape)
    return LinearGaussian(
        factor.child, factor.scope[:-1], slopes, factor.intercept, factor.variance
    )


def check_observed(name: str, chunk: CodedRows) -> None:
    """Raise IncompleteDataError if a continuous variable, or an element of it, is missing."""
    if name not in chunk.values:
        raise IncompleteDataError(
            f"the data has no column '{name}'; learn by expectation maximisation (method='em')"
        )
    missing = chunk.values[name].reshape(len(chunk), -1).isnan().any(1)
    if bool(missing.any()):
        raise IncompleteDataError(
            f"'{name}' is missing in row {chunk.first_row + int(missing.nonzero()[0])}; complete "
            "data is needed here: learn by expectation maximisation (method='em')"
        )


def check_leaves(factors: Sequence[Factor], evidence: Evidence) -> None:
    """Refuse missing cells of leaves that have continuous children.

    Leaves fill them in by themselves, and would not look at the children.
    """
    parents = {v.name for f in regressions(factors) for v in f.continuous_parents}
    for leaf in continuous_leaves(factors):
        name = leaf.child.name
        values = evidence.values.get(name)
        if name in parents and (values is None or bool(values.isnan().any())):
            raise LearningError(
                f"'{name}' has continuous children and missing cells: EM takes it as a "
                f"LinearGaussian, and not as {leaf!r}"
            )
