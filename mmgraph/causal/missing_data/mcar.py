"""Little's test of whether cells are missing completely at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import chdtrc

from mmgraph.data.column_codes import real_values
from mmgraph.data.encoding import coded_chunks
from mmgraph.data.inferred_states import measured_columns, states_in
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import ConvergenceWarning, LearningError, warn_caller
from mmgraph.graph.variable import Variable

MOST_ITERATIONS = 2000
Rows = Float64[np.ndarray, "rows columns"]


class McarTest(NamedTuple):
    """Little's statistic, of a χ² distribution where cells are missing completely at random.

    Attributes
    ----------
    statistic : float
    degrees_of_freedom : int
        Zero with one pattern of missing cells: nothing can be tested then.
    p_value : float
        The probability of such a statistic or a greater one; 1 with nothing to test.
    patterns : int
        How many patterns of missing cells the rows have.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    patterns: int


def mcar_test(data: object) -> McarTest:
    """Return Little's test of cells that are missing completely at random (Little 1988).

    Means of each pattern of missing cells are compared with those of all rows, by the maximum
    likelihood estimate (EM) of a normal distribution. Columns of labels enter as indicators of all
    states but the first, for which the test is approximate, as it is for few rows.

    Parameters
    ----------
    data : pandas.DataFrame, mapping of str to array, or path of a table
        Missing cells are None, NaN or empty.

    Raises
    ------
    LearningError
        If a column has fewer than two different values, or columns determine one another (which).
    """
    table = open_table(data)
    names, values = _numbers(table)
    observed = ~np.isnan(values)
    kept = observed.any(1)
    values, observed = values[kept], observed[kept]
    patterns, member, counts = np.unique(observed, axis=0, return_inverse=True, return_counts=True)
    spread = np.nanstd(values, axis=0)
    if (spread == 0).any():
        raise LearningError(f"the column '{names[int(spread.argmin())]}' is constant")
    values = (values - np.nanmean(values, axis=0)) / spread
    groups = [values[member == i][:, p] for i, p in enumerate(patterns)]
    mean, covariance = _normal(names, groups, patterns)
    covariance = covariance * len(values) / (len(values) - 1)
    statistic = 0.0
    for rows, pattern, count in zip(groups, patterns, counts, strict=True):
        offset = rows.mean(0) - mean[pattern]
        inner = covariance[np.ix_(pattern, pattern)]
        statistic += int(count) * float(offset @ np.linalg.solve(inner, offset))
    freedom = int(patterns.sum() - values.shape[1])
    p_value = float(chdtrc(freedom, statistic)) if freedom else 1.0
    return McarTest(statistic if freedom else 0.0, freedom, p_value, len(patterns))


def _numbers(table: Table) -> tuple[list[str], Rows]:
    """Return a column of numbers for each measurement and each state of a label but the first."""
    (whole,) = list(table.chunks(1 << 62)) or [{}]
    kinds = {n: getattr(getattr(c, "dtype", None), "kind", "O") for n, c in whole.items()}
    labelled = [n for n in whole if kinds[n] not in "iuf"]
    labelled = [n for n in labelled if n not in measured_columns(table, labelled)]
    states = states_in(table, labelled)
    variables = {n: Variable(n, states[n]) for n in labelled}
    coded = list(coded_chunks(table.select(labelled), variables)) if labelled else []
    names, columns = [], []
    for name, column in whole.items():
        if name not in variables:
            names.append(name)
            columns.append(real_values(Variable(name, 1), [column], table, 0).numpy())
            continue
        codes = np.concatenate([c.column(name) for c in coded])
        for i, state in list(enumerate(states[name]))[1:]:
            names.append(f"{name} = {state}")
            columns.append(np.where(codes < 0, np.nan, codes == i))
    values = np.stack(columns, 1) if columns else np.zeros((0, 0))
    if not (~np.isnan(values)).any(0).all() or not values.size:
        empty = [n for n, c in zip(names, columns, strict=True) if np.isnan(c).all()]
        what = ", ".join(map(repr, empty)) or "any column"
        raise LearningError(f"{table.origin} has no values of {what}")
    return names, values


def _normal(
    names: list[str], groups: list[Rows], patterns: Bool[np.ndarray, "patterns columns"]
) -> tuple[Float64[np.ndarray, " columns"], Rows]:
    """Return mean and covariance by EM; the rows are grouped by the columns that they have."""
    size, total = patterns.shape[1], sum(map(len, groups))
    mean, covariance = np.zeros(size), np.eye(size)
    for _ in range(MOST_ITERATIONS):
        sums, products = np.zeros(size), np.zeros((size, size))
        for rows, pattern in zip(groups, patterns, strict=True):
            inner = covariance[np.ix_(pattern, pattern)]
            if np.linalg.eigvalsh(inner)[0] < 1e-9:
                raise LearningError(_dependent(names, inner, pattern))
            gain = np.linalg.solve(inner, covariance[pattern])
            filled = mean + (rows - mean[pattern]) @ gain
            sums += filled.sum(0)
            # The gain is one where a column is observed, so that nothing is left there.
            left = covariance - covariance[:, pattern] @ gain
            products += filled.T @ filled + len(rows) * left
        new = sums / total
        further = products / total - np.outer(new, new)
        change = max(np.abs(new - mean).max(), np.abs(further - covariance).max())
        mean, covariance = new, further
        if change < 1e-9:
            break
    else:
        message = f"EM changed moments by {change:.2g} in the last of {MOST_ITERATIONS} iterations"
        warn_caller(message, ConvergenceWarning)
    return mean, covariance


def _dependent(names: list[str], covariance: Rows, pattern: Bool[np.ndarray, " columns"]) -> str:
    direction = np.abs(np.linalg.eigh(covariance)[1][:, 0])
    some = [n for n, seen in zip(names, pattern, strict=True) if seen]
    tied = [f"'{n}'" for n, d in zip(some, direction, strict=True) if d > 1e-4]
    return f"the columns {', '.join(tied)} determine one another: leave one out"
