"""Whether models differ over data sets, each of which has one score of each model.

Source: Demsar (2006), "Statistical comparisons of classifiers over multiple data sets", JMLR 7;
Benavoli, Corani, Demsar and Zaffalon (2017), "Time for a change", JMLR 18, for posteriors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy import stats

from mmgraph.comparison.statistics.folds import Chances, check_rope
from mmgraph.graph.errors import MmgraphError, needs

FEWEST_DATA_SETS = 5
"""Below so many a rank test cannot find anything: of four signs, all alike, p is 1/8."""

Scores = Mapping[str, Float[np.ndarray, " data_sets"]]
"""The scores of each model, more being better."""


class RankTest(NamedTuple):
    """A comparison of all models over data sets by ranks.

    Attributes
    ----------
    models : tuple of str
    mean_ranks : ndarray, shape (models,)
        One is the best; equal scores share the mean of their ranks.
    statistic, p_value : float
        Of Friedman's test that all are alike.
    pairs : ndarray, shape (models, models)
        The p-value of each pair, corrected for their number.
    critical_difference : float or None
        By so much mean ranks of a pair must differ (Nemenyi); None of Wilcoxon's test.
    """

    models: tuple[str, ...]
    mean_ranks: Float64[np.ndarray, " models"]
    statistic: float
    p_value: float
    pairs: Float64[np.ndarray, "models models"]
    critical_difference: float | None


def friedman_nemenyi(scores: Scores, level: float = 0.05) -> RankTest:
    """Return Friedman's test, and Nemenyi's of all pairs, by scikit-posthocs.

    Parameters
    ----------
    scores : mapping of str to ndarray, shape (data sets,)
        Of three or more models, in the same order of data sets; more is better.
    level : float
        Of the critical difference: the chance that any of models that are alike differ by it.

    Raises
    ------
    MmgraphError
        If there are fewer than five data sets or three models, one lacks a score or it is not
        finite, or the level is not between 0 and 1.
    MissingExtraError
        If scikit-posthocs is not installed.
    """
    if not 0 < level < 1:
        raise MmgraphError(f"the level of a test lies between 0 and 1, not {level!r}")
    table = _table(scores, "Friedman's test", 3)
    with needs("comparison", "scikit-posthocs", "Nemenyi's test"):
        from scikit_posthocs import posthoc_nemenyi_friedman
    sets, models = table.shape
    # The studentised range is of means whose variance is half that of a difference: hence the root.
    quantile = stats.studentized_range.ppf(1 - level, models, np.inf) / np.sqrt(2)
    critical = float(quantile * np.sqrt(models * (models + 1) / (6 * sets)))
    return _ranked(scores, table, posthoc_nemenyi_friedman(table).to_numpy(), critical)


def friedman_wilcoxon_holm(scores: Scores) -> RankTest:
    """Return Friedman's test, and Wilcoxon's signed ranks of all pairs after Holm.

    Where scores are equal in a data set, the pair is compared in the others (Wilcoxon 1945).
    Parameters and errors are those of :func:`friedman_nemenyi`.
    """
    table = _table(scores, "Friedman's test", 3)
    with needs("comparison", "scikit-posthocs", "Wilcoxon's test of all pairs"):
        from scikit_posthocs import posthoc_wilcoxon
    with np.errstate(invalid="ignore"):  # of two models that are equal everywhere: p is one
        pairs = posthoc_wilcoxon(table.T, p_adjust="holm").to_numpy()
    return _ranked(scores, table, pairs, None)


def bayesian_signed_rank(
    first: Float[np.ndarray, " data_sets"],
    second: Float[np.ndarray, " data_sets"],
    rope: float = 0.0,
    *,
    samples: int = 50_000,
    seed: int = 0,
) -> Chances:
    """Return how probable it is that the first of two models is better, alike, or worse.

    Parameters
    ----------
    first, second : ndarray, shape (data sets,)
        Their scores in the same data sets; more is better.
    rope : float
        The half width of the region of practical equivalence.
    samples, seed : int
        Draws of the posterior, and by which seed.

    Raises
    ------
    MmgraphError
        If there are fewer than five data sets, scores are not finite or of unlike number, or the
        region is negative.
    MissingExtraError
        If baycomp is not installed.
    """
    check_rope(rope)
    table = _table({"first": first, "second": second}, "a signed-rank test", 2)
    with needs("comparison", "baycomp", "the Bayesian signed-rank test"):
        from baycomp import SignedRankTest
    better, *equivalent, worse = SignedRankTest.probs(
        table[:, 0], table[:, 1], rope, nsamples=samples, random_state=seed
    )
    return Chances(float(better), float(equivalent[0]) if equivalent else 0.0, float(worse))


def holm(p_values: Sequence[float] | Float[np.ndarray, " tests"]) -> Float64[np.ndarray, " tests"]:
    """Return p-values corrected for their number, step by step from the smallest.

    Below a level, they are of tests of which at any truth none is wrong but with that chance.

    Raises
    ------
    MmgraphError
        If one is no probability (which).

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    values = np.asarray(p_values, np.float64)
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise MmgraphError(f"p-value {place} is {values[place]:g}, which is no probability")
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def _table(
    scores: Scores, test: str, fewest_models: int
) -> Float64[np.ndarray, "data_sets models"]:
    """Scores as a table, refused where the test says nothing of them."""
    columns = {name: np.asarray(column, np.float64) for name, column in scores.items()}
    if len(columns) < fewest_models:
        raise MmgraphError(f"{test} compares at least {fewest_models} models, not {len(columns)}")
    sets = next(iter(columns.values())).size
    if sets < FEWEST_DATA_SETS:
        one = "is one: within it, resample rows or test over folds"
        raise MmgraphError(
            f"{test} compares models over at least {FEWEST_DATA_SETS} data sets, and here "
            + (one if sets == 1 else f"are {sets}")
        )
    for name, column in columns.items():
        if column.shape != (sets,):
            raise MmgraphError(f"'{name}' has scores {column.shape} for {sets} data sets")
        if not np.isfinite(column).all():
            place = int(np.argmin(np.isfinite(column)))
            raise MmgraphError(f"the score of '{name}' in data set {place} is not finite")
    return np.stack(list(columns.values()), 1)


def _ranked(
    scores: Scores,
    table: Float64[np.ndarray, "data_sets models"],
    pairs: Float64[np.ndarray, "models models"],
    critical: float | None,
) -> RankTest:
    """The test of all models with that of their pairs."""
    statistic, p_value = 0.0, 1.0
    if (np.ptp(table, axis=1) > 0).any():
        statistic, p_value = map(float, stats.friedmanchisquare(*table.T))
    ranks = stats.rankdata(-table, axis=1).mean(0)
    return RankTest(tuple(scores), ranks, statistic, p_value, pairs, critical)
