"""Probabilities of classes from those within pairs: against what they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mmgraph.predictors.leaves.pairwise_coupling import PairwiseCoupling, coupled


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_consistent_pairs_give_back_the_probabilities(weights):
    shares = np.array(weights) / sum(weights)
    pairs = shares[:, None] / (shares[:, None] + shares)
    np.testing.assert_allclose(coupled(pairs[None])[0], shares, atol=1e-9)


@given(st.integers(0, 1000))
def test_other_pairs_give_the_least_squares_among_distributions(seed):
    random = np.random.default_rng(seed)
    pairs = np.full((4, 4), 0.5)
    for a in range(4):
        for b in range(a):
            pairs[a, b] = random.uniform(0.05, 0.95)
            pairs[b, a] = 1 - pairs[a, b]

    def squares(shares: np.ndarray) -> float:
        errors = pairs.T * shares[:, None] - pairs * shares
        return float((errors**2).sum())

    sums_to_one = {"type": "eq", "fun": lambda shares: shares.sum() - 1}
    best = minimize(
        squares, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints=sums_to_one, tol=1e-14
    )
    np.testing.assert_allclose(coupled(pairs[None])[0], best.x, atol=1e-4)


def blobs(rows: int, states: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    codes = np.arange(rows) % states
    return random.standard_normal((rows, 2)) + 2 * np.eye(states, 2)[codes] * [1, -1], codes


def test_pairs_of_logistic_regressions_are_close_to_one_of_all_classes():
    rows, codes = blobs(400, 3)
    coupling = PairwiseCoupling(LogisticRegression()).fit(rows, codes)
    whole = LogisticRegression().fit(rows, codes)
    np.testing.assert_allclose(coupling.predict_proba(rows), whole.predict_proba(rows), atol=0.1)
    assert (coupling.predict(rows) == whole.predict(rows)).mean() > 0.95


@pytest.mark.parametrize("rare", [1, 2, 4])
def test_a_rare_class_has_fewer_folds_or_none(rare):
    rows, codes = blobs(60, 3)
    keep = (codes != 2) | (np.cumsum(codes == 2) <= rare)
    calibrated = CalibratedClassifierCV(SVC(), ensemble=False)
    coupling = PairwiseCoupling(calibrated).fit(rows[keep], codes[keep], np.ones(keep.sum()))
    table = coupling.predict_proba(rows)
    np.testing.assert_allclose(table.sum(1), 1)
    assert (table > 0).all()
