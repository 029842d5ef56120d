"""Where right items stand among all items that a query is compared with.

Ties count against: of items of equal score, right ones stand last. So a search that finds all
items equally good is no better than one that finds the right ones worst.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from scipy.stats import hypergeom

from mmgraph.graph.errors import MmgraphError

Scores = Float[np.ndarray, "queries items"]
Matches = Bool[np.ndarray, "queries items"]


def ranks_against_ties(scores: Scores, matches: Matches) -> Int64[np.ndarray, " queries"]:
    """Return the rank of the best right item of each query, from 1.

    It is one more than how many wrong items have at least its score; that other right items have
    more does not matter.

    Parameters
    ----------
    scores : ndarray, shape (queries, items)
        The higher, the better an item suits a query.
    matches : ndarray of bool, shape (queries, items)
        Which items are right.

    Raises
    ------
    MmgraphError
        If shapes differ, a score is not a number, or a query has no right item; names which.
    """
    check_matches(scores, matches)
    best = np.where(matches, scores, -np.inf).max(1, keepdims=True)
    return 1 + ((scores >= best) & ~matches).sum(1)


def ranking_figures(
    ranks: Int64[np.ndarray, " queries"], at: Sequence[int] = (1, 10)
) -> dict[str, float]:
    """Return ``recall_at_K`` of each K in ``at``, ``median_rank`` and ``mean_reciprocal_rank``.

    With ranks of :func:`ranks_against_ties`, recall at K is the share of queries with a right item
    among the first K.
    """
    if not len(ranks):
        raise MmgraphError("there are no ranks to sum up: no query was asked")
    figures = {f"recall_at_{k}": float((ranks <= k).mean()) for k in at}
    reciprocal = float((1 / ranks).mean())
    return figures | {"median_rank": float(np.median(ranks)), "mean_reciprocal_rank": reciprocal}


def average_precisions(scores: Scores, matches: Matches) -> Float64[np.ndarray, " queries"]:
    """Return of each query the precision at its right items, averaged over them.

    Parameters and errors are those of :func:`ranks_against_ties`. Of items of equal score the right
    ones stand last, which is less than scikit-learn gives, who takes them all at once.
    """
    check_matches(scores, matches)
    averages = np.empty(len(scores))
    for query, (values, right) in enumerate(zip(scores, matches, strict=True)):
        wrong = np.sort(values[~right])
        descending = np.sort(values[right])[::-1]
        hits = np.arange(1, len(descending) + 1)
        before = len(wrong) - np.searchsorted(wrong, descending, side="left")
        averages[query] = (hits / (hits + before)).mean()
    return averages


def mean_average_precision(scores: Scores, matches: Matches) -> float:
    """Return the mean of :func:`average_precisions` over queries, say tags, with any right item."""
    occurring = matches.any(1)
    if not occurring.any():
        raise MmgraphError("no query has any right item")
    return float(average_precisions(scores[occurring], matches[occurring]).mean())


def chance_figures(matches: Matches, at: Sequence[int] = (1, 10)) -> dict[str, float]:
    """Return what items in random order give: the keys of :func:`ranking_figures`, and more.

    ``mean_average_precision`` is that of Bestgen, "Exact expected average precision of the random
    baseline for system evaluation" (2015), equation 5. Queries with no right item are left out;
    the median is the first rank that half of the queries reach.
    """
    items = matches.shape[1]
    counts, times = np.unique(matches.sum(1), return_counts=True)
    counts, times = counts[counts > 0], times[counts > 0]
    if not len(counts):
        raise MmgraphError("no query has any right item")
    share = times / times.sum()
    rank = np.arange(items + 1)
    behind = share @ hypergeom.pmf(0, items, counts[:, None], rank)  # none right up to a rank
    harmonic = (1 / rank[1:]).sum()
    precisions = ((counts - 1) * (items - harmonic) / max(items - 1, 1) + harmonic) / items
    return {f"recall_at_{k}": float(1 - behind[min(k, items)]) for k in at} | {
        "median_rank": float(np.argmax(behind <= 0.5 + 1e-9)),
        "mean_reciprocal_rank": float((-np.diff(behind) / rank[1:]).sum()),
        "mean_average_precision": float(share @ precisions),
    }


def check_matches(scores: Shaped[np.ndarray, "..."], matches: Shaped[np.ndarray, "..."]) -> None:
    """Raise MmgraphError unless each query has a score of each item, and a right item."""
    check_pairs(scores, matches)
    without = ~matches.any(1)
    if without.any():
        raise MmgraphError(f"query {int(without.argmax())} has no right item")


def check_pairs(scores: Shaped[np.ndarray, "..."], matches: Shaped[np.ndarray, "..."]) -> None:
    """Raise MmgraphError unless each query has a score and a truth value of each item."""
    if scores.shape != matches.shape or scores.ndim != 2 or matches.dtype != np.bool_:
        raise MmgraphError(
            "expected scores and truth values of the same queries and items, found arrays of shape "
            f"{scores.shape} and {matches.shape} of {matches.dtype}"
        )
    unknown = np.isnan(scores).any(1)
    if unknown.any():
        raise MmgraphError(f"a score of query {int(unknown.argmax())} is not a number")
