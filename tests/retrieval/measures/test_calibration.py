"""Probabilities of matches on simulated scores whose true probabilities are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.retrieval.measures.calibration import MatchCalibration, match_figures


def pairs(seed: int, queries: int, items: int, absent: float = 0.0, gap: float = 2.0):
    """Scores, normal of deviation 1, of wrong items around 0, of one right one around ``gap``."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(queries, items))
    matches = np.zeros((queries, items), bool)
    matches[np.arange(queries), random.integers(items, size=queries)] = True
    matches[random.random(queries) < absent] = False
    return scores + gap * matches, matches


@pytest.mark.parametrize("told", [0.0, 0.3])
def test_one_right_item_is_found_as_bayes_would(told: float):
    absent = 0.3  # seen in the pairs, or said
    calibration = MatchCalibration.fitted(*pairs(0, 1500, 40, absent - told), absent=told)
    assert calibration.competing
    for items in (40, 160):  # what was learned from 40 items serves another index
        scores, matches = pairs(1, 800, items, absent)
        found = calibration.probabilities(scores, items)
        odds = (1 - absent) / absent / items * np.exp(2 * scores - 2)
        expected = odds / (1 + odds.sum(1, keepdims=True))
        assert np.abs(found - expected).mean() < 0.15 / items
        figures = match_figures(found, matches)
        assert figures["debiased_calibration_error"] < 0.02
        assert figures["log_loss"] < 0.75 * figures["prior_log_loss"]


def test_several_right_items_do_not_compete():
    random = np.random.default_rng(2)
    scores = random.normal(size=(600, 50))
    chance = expit(3 * scores - 4)
    matches = random.random(scores.shape) < chance
    calibration = MatchCalibration.fitted(scores, matches, absent=0)
    assert not calibration.competing
    found = calibration.probabilities(scores, 50)
    assert np.abs(found - chance).mean() < 0.01
    # the same right ones among twice as many: half the odds
    fewer = calibration.probabilities(scores, 100)
    np.testing.assert_allclose(fewer / (1 - fewer), found / (1 - found) / 2)


def test_first_hits_have_about_the_probabilities_that_they_have_among_all():
    calibration = MatchCalibration.fitted(*pairs(3, 300, 200))
    scores = -np.sort(-pairs(4, 300, 200)[0], axis=1)
    whole = calibration.probabilities(scores, 200)
    for hits, nearness in ((1, 0.08), (10, 0.04), (100, 0.002)):
        first = calibration.probabilities(scores[:, :hits], 200)
        assert np.abs(first - whole[:, :hits]).mean() < nearness


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans(), st.floats(-50, 50), st.floats(0.01, 100))
def test_probabilities_rise_with_scores_and_files_hold_them(
    seed: int, several: bool, shift: float, scale: float
):
    scores, matches = pairs(seed, 6, 5, absent=0.2)
    matches[0] = np.arange(5) < (3 if several else 1)
    scores = scores * scale + shift
    calibration = MatchCalibration.fitted(scores, matches)
    found = calibration.probabilities(scores, 9)
    assert ((found >= 0) & (found <= 1)).all()
    order = np.argsort(scores, axis=1)
    assert (np.diff(np.take_along_axis(found, order, 1), axis=1) >= 0).all()
    if calibration.competing:
        assert (found.sum(1) <= 1 + 1e-12).all()
    restored = MatchCalibration.restored(json.loads(json.dumps(calibration.settings)))
    assert restored == calibration


def test_scores_that_part_right_from_wrong_stay_below_certainty():
    scores, matches = pairs(5, 20, 4, gap=100.0)
    found = MatchCalibration.fitted(scores, matches).probabilities(scores, 4)
    assert (found[matches] > 0.5).all()
    assert (found < 1).all()


def test_figures_of_certain_and_of_wrong_probabilities():
    right = np.eye(30, dtype=bool)
    assert match_figures(right.astype(float), right)["debiased_calibration_error"] == 0
    figures = match_figures(np.full((30, 30), 0.5), right)
    assert figures["expected_calibration_error"] == pytest.approx(0.5 - 1 / 30, abs=0.03)
    assert figures["log_loss"] == pytest.approx(30 * np.log(2))


def test_pairs_that_teach_nothing_are_refused():
    scores, matches = pairs(6, 4, 3)
    infinite = np.where(np.arange(4)[:, None] == 2, np.inf, scores)
    for bad, right, message in [
        (scores[:3], matches, "of the same queries"),
        (scores, matches & False, "none are right"),
        (scores, matches | True, "all are right"),
        (infinite, matches, "query 2 is infinite"),
    ]:
        with pytest.raises(MmgraphError, match=message):
            MatchCalibration.fitted(bad, right)
    with pytest.raises(MmgraphError, match="'absent' is a share"):
        MatchCalibration.fitted(scores, matches, absent=1)


def test_impossible_sizes_and_damaged_settings_are_named():
    calibration = MatchCalibration.fitted(*pairs(6, 4, 3))
    with pytest.raises(MmgraphError, match="3 scores of 2 items"):
        calibration.probabilities(np.zeros((2, 3)), 2)
    assert calibration.probabilities(np.zeros((2, 0)), 0).shape == (2, 0)
    wrong = {"slope": [-1.0, "much", None], "intercept": [float("nan")], "competing": [1]}
    for name, values in (wrong | {"wrong_scores": [[], [2.0, 1.0], 3]}).items():
        for value in values:
            with pytest.raises(FormatError, match="calibration of matches is damaged"):
                MatchCalibration.restored(calibration.settings | {name: value})
