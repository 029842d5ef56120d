"""Cuts that keep what columns tell of each other: Hartemink's pairwise mutual information.

Each column begins with many bins of equally many numbers. Then all columns in turn lose one level
after the other, that whose union with the next one costs the least mutual information with all
other columns, as these are by then.

References
----------
Hartemink (2001), *Principled computational methods for the validation and discovery of genetic
regulatory networks*, PhD thesis, MIT; the order of the unions is that of the R package bnlearn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from mmgraph.data.discretisation.cut_points import Numbers, present_numbers, quantiles
from mmgraph.graph.errors import LearningError
from mmgraph.graph.memory_budget import check_required, default_memory_budget

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def hartemink_cuts(
    columns: Mapping[str, Numbers], bins: Mapping[str, int], initial_bins: int = 60
) -> dict[str, list[float]]:
    """Return the cuts of columns into so many bins each that tell most of one another.

    Cells that are NaN are left out of the pairs that they are in. A column of many equal numbers
    may begin with fewer than ``initial_bins``, and end with fewer bins.

    Raises
    ------
    LearningError
        If there is one column only, or fewer initial bins than bins; or a column is constant.
    MemoryBudgetError
        If the joint counts of all pairs would take more than half of the memory.
    """
    if len(columns) < 2:
        raise LearningError(
            "Hartemink's method keeps what columns tell of each other: it takes two at least"
        )
    for name, count in bins.items():
        if count > initial_bins:
            raise LearningError(f"{count} bins of '{name}' cannot come of {initial_bins} initial")
    cuts = {n: quantiles(present_numbers(n, c, bins[n]), initial_bins) for n, c in columns.items()}
    levels = np.array([len(cuts[name]) + 1 for name in columns], np.int64)
    starts = np.concatenate([[0], np.cumsum(levels)])
    budget = default_memory_budget()
    what = f"the joint counts of {len(columns)} columns with {initial_bins} bins each"
    check_required(what, 8 * int(starts[-1]) ** 2, budget, "Give fewer columns or initial bins")
    codes = np.stack(
        [
            np.where(np.isnan(c), -1, np.searchsorted(cuts[n], c, side="right"))
            for n, c in columns.items()
        ]
    )
    counts = _pair_counts(codes, starts)
    sizes = np.arange(codes.shape[1] + 1, dtype=np.float64)
    entropies = sizes * np.log(np.maximum(sizes, 1))
    wanted = np.array([bins[name] for name in columns], np.int64)
    remaining = _merged(counts, starts, levels, wanted, entropies)
    merged = {}
    for name, start in zip(columns, starts, strict=False):
        begins = remaining[start + 1 : start + 1 + len(cuts[name])]
        merged[name] = np.array(cuts[name])[begins].tolist()
    return merged


@_compiled
def _pair_counts(codes, starts):
    """How often a level of one column meets one of another, for all pairs in one square table."""
    counts = np.zeros((starts[-1], starts[-1]), np.int64)
    for i in range(len(codes)):
        for j in range(i):
            for row in range(codes.shape[1]):
                if codes[i, row] >= 0 and codes[j, row] >= 0:
                    counts[starts[i] + codes[i, row], starts[j] + codes[j, row]] += 1
            a, b = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            counts[b, a] = counts[a, b].T
    return counts


@_compiled
def _merged(counts, starts, levels, wanted, entropies):
    """Which levels still begin an interval; the counts of the others are added to those below."""
    begins = np.ones(len(counts), np.bool_)
    left = levels.copy()
    pair_rows = np.ones((len(levels), len(levels)), np.int64)
    for i in range(len(levels)):
        for j in range(len(levels)):
            table = counts[starts[i] : starts[i + 1], starts[j] : starts[j + 1]]
            pair_rows[i, j] = max(1, table.sum())
    for level in range(levels.max(), wanted.min(), -1):
        for i in range(len(levels)):
            if left[i] < level or left[i] <= wanted[i]:
                continue
            low, high, least = -1, -1, np.inf
            before = starts[i]
            for place in range(starts[i] + 1, starts[i + 1]):
                if not begins[place]:
                    continue
                loss = _loss(counts, pair_rows, starts, begins, i, before, place, entropies)
                if loss < least:
                    low, high, least = before, place, loss
                before = place
            counts[low] += counts[high]
            counts[:, low] += counts[:, high]
            begins[high] = False
            left[i] -= 1
    return begins


@_compiled
def _loss(counts, pair_rows, starts, begins, column, low, high, entropies):
    """The mutual information with all other columns, in nats, that the union of two levels costs.

    Of a pair with n rows it is f(a) + f(b) - f(a + b), summed over the other's levels, less the
    same of the sums; f(a) = a log(a) / n. Rows that have both are counted in ``pair_rows``.
    """
    total = 0.0
    for j in range(len(starts) - 1):
        if j == column:
            continue
        first, second, inner = 0, 0, 0.0
        for place in range(starts[j], starts[j + 1]):
            if begins[place]:
                a, b = counts[low, place], counts[high, place]
                first += a
                second += b
                inner += entropies[a] + entropies[b] - entropies[a + b]
        outer = entropies[first] + entropies[second] - entropies[first + second]
        total += (inner - outer) / pair_rows[column, j]
    return total
