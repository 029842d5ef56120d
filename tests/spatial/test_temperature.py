"""Marginals that are too sure of themselves are flattened, and others are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.spatial.temperature import fitted_temperature, log_loss, tempered


def drawn(overconfidence: float, pixels: int = 4000):
    """Classes drawn from marginals, and those marginals to a power."""
    random = np.random.default_rng(0)
    marginals = random.dirichlet(np.ones(3), pixels)
    codes = (random.random((pixels, 1)) > marginals.cumsum(1)).sum(1).clip(max=2)
    return marginals, tempered(marginals, 1 / overconfidence), codes


def test_the_temperature_undoes_overconfidence():
    right, sure, codes = drawn(4.0)
    temperature = fitted_temperature(sure, codes)
    assert temperature == pytest.approx(4.0, rel=0.1)
    assert log_loss(tempered(sure, temperature), codes) < log_loss(sure, codes) - 0.5
    np.testing.assert_allclose(tempered(sure, 4.0), right)


def test_marginals_that_are_not_sure_enough_stay():
    _, unsure, codes = drawn(0.5)
    assert fitted_temperature(unsure, codes) == 1.0
    assert tempered(unsure, 1.0) is unsure


def test_without_pixels_held_out_the_temperature_is_one():
    assert fitted_temperature(np.empty((0, 3)), np.empty(0, np.int64)) == 1.0


def test_tempering_keeps_the_order_and_what_is_certain():
    marginals = np.array([[[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]]])
    flat = tempered(marginals, 3.0)
    assert flat.sum(-1) == pytest.approx(1.0)
    np.testing.assert_array_equal(flat.argsort(-1)[0, 0], [2, 1, 0])
    assert flat[0, 0, 0] < 0.7
    np.testing.assert_array_equal(flat[0, 1], marginals[0, 1])


def test_marginals_that_are_surely_wrong_have_a_finite_loss():
    wrong, codes = np.array([[1.0, 0.0]]), np.array([1])
    assert log_loss(wrong, codes) == pytest.approx(-np.log(1e-12))
    assert fitted_temperature(wrong, codes) == 1.0  # no temperature makes it better


def test_no_temperature_is_higher_than_a_hundred():
    wrong = np.array([[0.99, 0.01]])
    assert 90 < fitted_temperature(wrong, np.array([1])) <= 100
