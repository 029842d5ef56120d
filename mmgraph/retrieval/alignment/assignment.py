"""An alignment in which every item goes with at most one of the other side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment, minimize_scalar

from mmgraph.graph.errors import ConvergenceWarning, MmgraphError, warn_caller
from mmgraph.inference.options import check_count
from mmgraph.retrieval.alignment.alignment import Alignment
from mmgraph.retrieval.alignment.matchings import MatchingMarginals, matching_marginals
from mmgraph.retrieval.alignment.scores import (
    Scores,
    checked_pair,
    checked_rows,
    directions,
    less_hubs,
    standardisation,
)

_TEMPERATURES = (0.05, 2.0)
"""Where a temperature is searched, in standard deviations of the scores."""
_SEARCHED = 100
"""Iterations for each temperature that is tried; more change the likelihood little."""

Places = Int64[np.ndarray, "pairs 2"]


def assignment(
    a: Any,
    b: Any = None,
    *,
    threshold: float | None = None,
    temperature: float | None = None,
    known_pairs: Any = None,
    standardise: bool = True,
    widths: Sequence[int] | None = None,
    csls: int = 0,
    max_iterations: int = 1000,
) -> Alignment:
    """Return the best assignment of a to b, and how probable each pair is.

    An assignment has a probability in proportion to the product of exp(score / temperature -
    threshold) over its pairs. The best one is exact (scipy's ``linear_sum_assignment``). The
    probabilities of pairs are exact where one side has at most ten items, and approximate beyond:
    see :func:`~mmgraph.retrieval.alignment.matchings.matching_marginals`.

    Parameters
    ----------
    a, b : array-like of float, shape (rows, features) and (columns, features)
        Their scores are cosines. Or ``a`` alone: scores, -inf where a pair is impossible.
    threshold : float, optional
        In log-odds: a pair is made only where score / temperature is above it, so that items may
        have no partner. Without it each item of the smaller side has one.
    temperature : float, optional
        By default 1 for a matrix of scores and 0.05 for cosines, unless pairs are known.
    known_pairs : array-like of int, shape (pairs, 2), optional
        Rows and columns that belong together. The temperature becomes the one that makes them most
        likely; nothing else is learned from them.
    standardise : bool
        Whether the features of a and those of b are each standardised first.
    widths : sequence of int, optional
        Of kinds of features side by side, which then count equally (``ImageFeatures.widths``).
    csls : int
        Of how many neighbours the mean score is taken from each score, so that items that are near
        to everything attract less; 0 for none.
    max_iterations : int
        After which probabilities are given as they are, with a ConvergenceWarning.

    Raises
    ------
    MmgraphError
        If a side or an option is not what it must be, or an item of the smaller side can have no
        partner (names one whose scores are all -inf) and there is no threshold.
    """
    if b is None:
        scores = checked_rows(a, "the matrix of scores", -np.inf)
    else:
        sides = []
        for rows in checked_pair(a, b):
            shift, scale = standardisation(rows, widths) if standardise else (0.0, 1.0)
            sides.append(directions((rows - shift) * scale))
        scores = sides[0] @ sides[1].T
    if csls:
        check_count(csls, "csls")
        scores = less_hubs(scores, csls)
    partial, offset = threshold is not None, 0.0 if threshold is None else threshold
    heat = (1.0 if b is None else 0.05) if temperature is None else temperature
    if not (0 < heat < np.inf and np.isfinite(offset)):
        raise MmgraphError(
            "the temperature is above zero, the threshold is log-odds, and both are finite: "
            f"{temperature}, {threshold}"
        )
    if not partial:
        _best_pairs(scores, partial)  # for its error, before anything takes time

    def soft(heat: float, iterations: int = max_iterations) -> MatchingMarginals:
        return matching_marginals(scores / heat - offset, partial, iterations)

    if known_pairs is not None and temperature is None:
        heat = _likeliest_temperature(scores, soft, _checked_places(known_pairs, scores))
    plan = soft(heat)
    if not plan.converged:
        warn_caller(
            f"probabilities of pairs have not converged in {plan.iterations} iterations; raise "
            "the temperature or max_iterations",
            ConvergenceWarning,
        )
    pairs = _best_pairs(scores - offset * heat, partial)
    left = [np.clip(1 - plan.pairs.sum(axis), 0, 1) for axis in (1, 0)]
    rows, columns = scores.shape
    return Alignment(
        "assignment",
        plan.pairs,
        pairs,
        float(scores[pairs[:, 0], pairs[:, 1]].sum()),
        left[0] if partial or rows > columns else None,
        left[1] if partial or columns > rows else None,
        plan.converged,
        plan.iterations,
        heat,
    )


def _best_pairs(gains: Scores, partial: bool) -> Places:
    """Return the pairs of largest total gain; of a partial assignment only those that gain."""
    try:
        places = linear_sum_assignment(np.maximum(gains, 0.0) if partial else gains, maximize=True)
    except ValueError:
        smaller = int(gains.shape[1] < gains.shape[0])
        alone = np.isneginf(gains).all(1 - smaller)
        name = ("row", "column")[smaller]
        one = f"{name} {int(alone.argmax())}" if alone.any() else f"some {name}"
        raise MmgraphError(
            f"{one} has no partner: too many scores are -inf; with a threshold it may have none"
        ) from None
    pairs = np.column_stack(places)
    return pairs[gains[places] > 0] if partial else pairs


def _checked_places(known_pairs: Any, scores: Scores) -> Places:
    places = np.asarray(known_pairs)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places) or places.dtype.kind not in "iu":
        raise MmgraphError("known_pairs are rows and columns: whole numbers, of shape (pairs, 2)")
    for row, column in places.tolist():
        inside = 0 <= row < scores.shape[0] and 0 <= column < scores.shape[1]
        if not inside or scores[row, column] == -np.inf:
            raise MmgraphError(f"the known pair ({row}, {column}) has no score above -inf")
    return places


def _likeliest_temperature(
    scores: Scores, soft: Callable[..., MatchingMarginals], known: Places
) -> float:
    """Return the temperature under whose probabilities the known pairs are most likely."""
    unit = float(scores[np.isfinite(scores)].std()) or 1.0

    def loss(logarithm: float) -> float:
        likely = soft(unit * np.exp(logarithm), _SEARCHED).pairs[known[:, 0], known[:, 1]]
        return -float(np.log(np.maximum(likely, 1e-300)).mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), options={"xatol": 0.03})
    return unit * float(np.exp(found.x))
