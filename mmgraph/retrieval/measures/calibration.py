"""How probable it is that an item with a score is what a query asks for.

Scores of held-out queries, of which it is known what is right, say how much more often a score
belongs to a right item than to a wrong one; how many items there are says how rare right ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.learning.prediction.metrics import SMALLEST_PROBABILITY, confidence_bins
from mmgraph.retrieval.measures.ranking import Matches, Scores, check_pairs

_PRIOR_DEVIATION = 10.0
"""Of slope and intercept, in standard deviations of scores: so scores that part right from wrong
without exception have a finite slope, and others are hardly changed."""
_QUANTILES = 128
"""How many scores of wrong items are stored."""


@dataclass(frozen=True)
class MatchCalibration:
    """Probabilities of matches from scores.

    The odds of one item, were there no others, are ``exp(slope * score + intercept) / items``:
    a logistic regression (Platt 1999) whose prior odds fall with the number of items, as a query
    has as many right ones in a large index as in a small one. Where ``competing``, a query has at
    most one right item, and odds compete: each is divided by one plus the sum of all, one being
    "none of these" (a softmax whose temperature is one over the slope). ``wrong_scores`` are rising
    quantiles of the scores of wrong items: of such are those behind the first hits, which compete.
    """

    slope: float
    intercept: float
    competing: bool
    wrong_scores: tuple[float, ...]

    @classmethod
    def fitted(cls, scores: Scores, matches: Matches, absent: float = 0.05) -> MatchCalibration:
        """Return the calibration of most likelihood, of the form of less log-loss of all pairs.

        Parameters
        ----------
        scores : ndarray, shape (queries, items)
            Similarities of queries and items that the space was not fitted to.
        matches : ndarray of bool, shape (queries, items)
            Which pairs belong together. A query may have no right item.
        absent : float
            How often what a query asks for will not be there, though it is here: each query counts
            a second time without its right items, by so much. At least 0, below 1.

        Raises
        ------
        MmgraphError
            If shapes differ, a score is no finite number, all pairs or none belong together, or the
            share is none.
        """
        check_pairs(scores, matches)
        if not 0 <= absent < 1:
            raise MmgraphError(f"'absent' is a share from 0 to below 1, not {absent!r}")
        if np.isinf(scores).any():
            query = int(np.isinf(scores).any(1).argmax())
            raise MmgraphError(f"a score of query {query} is infinite")
        if not matches.any() or matches.all():
            count = "all" if matches.any() else "none"
            raise MmgraphError(f"probabilities need right and wrong items: {count} are right")
        places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        wrong = tuple(map(float, np.quantile(scores[~matches], places)))
        kinds = (False, True) if (matches.sum(1) <= 1).all() else (False,)
        forms = [cls(*_fitted(scores, matches, absent, kind), kind, wrong) for kind in kinds]
        tables = (form.probabilities(scores, scores.shape[1]) for form in forms)
        return forms[int(np.argmin([pair_log_loss(table, matches) for table in tables]))]

    def probabilities(self, scores: Scores, items: int) -> Float64[np.ndarray, "queries items"]:
        """Return the probability that each item is right; a higher score has the higher one.

        Parameters
        ----------
        scores : ndarray, shape (queries, hits)
            Of all items, or of the best ones of each query.
        items : int
            How many items there are in all; MmgraphError if fewer than scores of a query.
        """
        behind = items - scores.shape[1]
        if behind < 0:
            raise MmgraphError(f"{scores.shape[1]} scores of {items} items")
        log_odds = self.slope * scores.astype(np.float64) + self.intercept - np.log(max(items, 1))
        if not self.competing or not scores.size:
            return np.asarray(expit(log_odds))
        everything = [np.zeros(len(scores)), log_odds]
        if behind:
            known = np.array(self.wrong_scores)
            lowest = scores.min(1)
            count = np.maximum(np.searchsorted(known, lowest, side="right"), 1)
            mean = np.logaddexp.accumulate(self.slope * known)[count - 1] - np.log(count)
            mean = np.minimum(mean, self.slope * lowest) + self.intercept - np.log(items)
            everything.append(mean + np.log(behind))
        total = logsumexp(np.column_stack(everything), axis=1, keepdims=True)
        return np.asarray(np.exp(log_odds - total))

    @property
    def settings(self) -> dict[str, Any]:
        """What files hold of it."""
        return asdict(self) | {"wrong_scores": list(self.wrong_scores)}

    @classmethod
    def restored(cls, settings: Mapping[str, Any]) -> MatchCalibration:
        """Return what :attr:`settings` describe; raise FormatError if they are no calibration."""
        try:
            numbers = [float(settings[name]) for name in ("slope", "intercept")]
            known = tuple(float(score) for score in settings["wrong_scores"])
            competing = settings["competing"]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"the calibration of matches is damaged: {error}") from None
        good = np.isfinite([*numbers, *known]).all() and isinstance(competing, bool) and known
        if not good or numbers[0] < 0 or list(known) != sorted(known):
            raise FormatError("the calibration of matches is damaged: its numbers make no sense")
        return cls(numbers[0], numbers[1], competing, known)


def pair_log_loss(probabilities: Float[np.ndarray, "queries items"], matches: Matches) -> float:
    """Return minus the log-probability of which items are right, in nats a query."""
    right = np.where(matches, probabilities, 1 - probabilities)
    return -float(np.log(np.maximum(right, SMALLEST_PROBABILITY)).sum() / len(matches))


def match_figures(
    probabilities: Float[np.ndarray, "queries items"], matches: Matches, hits: int = 10
) -> dict[str, float]:
    """Return how good probabilities of matches are.

    ``log_loss`` is :func:`pair_log_loss`; ``prior_log_loss`` that of the share of right pairs, for
    comparison. The calibration errors, plain and debiased, are of the first ``hits`` of each query
    all together: items further behind are improbable and right in probability, and would hide what
    is wrong with the first.
    """
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :hits]
    confidence = np.take_along_axis(probabilities, first, 1).ravel()
    right = np.take_along_axis(matches, first, 1).ravel()
    bins = confidence_bins(confidence, right)
    return {
        "log_loss": pair_log_loss(probabilities, matches),
        "prior_log_loss": pair_log_loss(np.full(matches.shape, matches.mean()), matches),
        "expected_calibration_error": bins.expected_calibration_error,
        "debiased_calibration_error": bins.debiased_calibration_error,
    }


def _fitted(
    scores: Scores, matches: Matches, absent: float, competing: bool
) -> tuple[float, float]:
    """Slope and intercept of most likelihood, with a weak normal prior."""
    centre, deviation = float(scores.mean()), float(scores.std()) or 1.0
    standard = (scores.astype(np.float64) - centre) / deviation
    log_items = np.log(scores.shape[1])
    # how much a query counts without its right items
    again = np.asarray(matches.any(1) * absent / (1 - absent))
    weights = np.where(matches, 1.0, 1 + again[:, None])

    def loss(numbers: Float64[np.ndarray, " 2"]) -> float:
        log_odds = numbers[0] * standard + numbers[1] - log_items
        penalty = (numbers**2).sum() / (2 * _PRIOR_DEVIATION**2)
        if not competing:
            signed = np.where(matches, log_odds, -log_odds)
            return float(penalty - (weights * log_expit(signed)).sum())
        none = np.zeros(len(scores))
        everything = logsumexp(np.column_stack([none, log_odds]), axis=1)
        without = np.column_stack([none, np.where(matches, -np.inf, log_odds)])
        missed = again @ logsumexp(without, axis=1)
        return float(penalty + everything.sum() - log_odds[matches].sum() + missed)

    best = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0, None), (None, None)])
    slope = best.x[0] / deviation
    return float(slope), float(best.x[1] - slope * centre)
