"""R-hat and effective sample size against chains whose autocorrelation is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.numerics.diagnostics import split_r_hat, state_diagnostics, value_diagnostics


def switching(correlation: float, chains: int, draws: int, seed: int = 0) -> np.ndarray:
    """Stationary two-state chains whose autocorrelation at lag k is ``correlation ** k``.

    Their effective sample size is draws (1 - r) / (1 + r), as of an autoregressive chain.
    """
    generator = np.random.default_rng(seed)
    flips = generator.random((draws, chains, 1)) < (1 - correlation) / 2
    flips[0] = generator.random((chains, 1)) < 0.5
    return (np.cumsum(flips, 0) % 2).astype(np.uint8)


def rank_normalised_r_hat(trace: np.ndarray) -> float:
    """Split R-hat of one element's states, by equations 3, 4 and 14 of Vehtari et al. (2021)."""
    half = len(trace) // 2
    halves = np.concatenate([trace[:half], trace[len(trace) - half :]], 1).astype(float)
    ranks = stats.rankdata(halves).reshape(halves.shape)
    z = stats.norm.ppf((ranks - 0.375) / (ranks.size + 0.25))
    within = z.var(0, ddof=1).mean()
    between = z.mean(0).var(ddof=1)
    return float(np.sqrt(((half - 1) / half * within + between) / within))


@pytest.mark.parametrize("correlation", [-0.4, 0.0, 0.5, 0.9])
def test_the_sample_size_of_chains_of_known_autocorrelation(correlation):
    """One estimate scatters by some six per cent where the correlation is 0.9; ten by two."""
    runs = [switching(correlation, 4, 10_000, seed) for seed in range(10)]
    expected = 40_000 * (1 - correlation) / (1 + correlation)
    found = [state_diagnostics(trace, np.full(1, 2)) for trace in runs]
    assert np.mean([size[0] for _, size in found]) == pytest.approx(expected, rel=0.08)
    assert found[0][0][0] == pytest.approx(1.0, abs=0.005)


def test_r_hat_is_that_of_normalised_ranks():
    trace = switching(0.8, 4, 401)
    found, _ = state_diagnostics(trace, np.full(1, 2))
    assert float(found[0]) == pytest.approx(rank_normalised_r_hat(trace[:, :, 0]), rel=1e-9)


def test_r_hat_of_known_means():
    """Chains in state one with the chances 0.2 and 0.8: the variances are 0.16 and 0.09 * 8/7."""
    chances = np.array([0.2, 0.2, 0.8, 0.8])[:, None]
    trace = (np.random.default_rng(0).random((20_000, 4, 1)) < chances).astype(np.uint8)
    r_hat, _ = state_diagnostics(trace, np.full(1, 2))
    assert r_hat[0] == pytest.approx(np.sqrt(1 + 0.09 * 8 / 7 / 0.16), rel=0.01)


def test_r_hat_sees_a_drift_within_each_chain():
    chances = np.linspace(0.1, 0.9, 1000)[:, None, None]
    trace = (np.random.default_rng(0).random((1000, 4, 1)) < chances).astype(np.uint8)
    r_hat, _ = state_diagnostics(trace, np.full(1, 2))
    assert r_hat[0] > 1.1


def test_of_constants_r_hat_is_undefined_and_stuck_chains_disagree():
    trace = np.zeros((100, 4, 2), np.uint8)
    trace[:, :2, 1] = 1
    r_hat, size = state_diagnostics(trace, np.full(2, 2))
    assert r_hat.tolist() == [np.inf, np.inf]
    assert size.tolist() == [1, 1]
    r_hat, size = value_diagnostics(np.ones((100, 4, 1)))
    assert (r_hat.tolist(), size.tolist()) == ([np.inf], [1])


def test_a_state_that_nobody_visits_changes_nothing():
    trace = np.random.default_rng(0).integers(0, 2, (500, 4, 1)).astype(np.uint8)
    two, three = (state_diagnostics(trace, np.full(1, states)) for states in (2, 3))
    np.testing.assert_allclose(two, three, rtol=1e-9)


def test_sample_sizes_are_no_larger_than_r_hat_allows():
    """Chains of independent draws around four means that differ: the draws say little."""
    chances = np.array([0.3, 0.4, 0.5, 0.6])
    trace = (np.random.default_rng(0).random((4000, 4, 1)) < chances[:, None]).astype(np.uint8)
    r_hat, size = state_diagnostics(trace, np.full(1, 2))
    assert r_hat[0] > 1.01
    assert size[0] <= 8 / (r_hat[0] ** 2 - 1) + 1e-9


def test_the_worst_state_counts_on_any_number_of_threads():
    generator = np.random.default_rng(1)
    trace = generator.integers(0, 2, (200, 4, 9)).astype(np.uint8)
    trace[:, 0, 4] = 2  # one chain never leaves the third state of one element
    one = state_diagnostics(trace, np.full(9, 3))
    two = state_diagnostics(trace, np.full(9, 3), threads=2)
    np.testing.assert_array_equal(one, two)
    assert one[0].argmax() == 4
    assert one[0][4] > 1.5


def test_too_few_draws():
    with pytest.raises(MmgraphError, match="3 draws a chain are too few"):
        state_diagnostics(np.zeros((3, 4, 1), np.uint8), np.full(1, 2))


def test_split_r_hat_is_that_of_the_diagnostics_and_one_of_constants():
    trace = np.random.default_rng(0).normal(size=(101, 5))
    assert split_r_hat(trace) == pytest.approx(value_diagnostics(trace[..., None])[0][0])
    assert split_r_hat(np.ones((8, 3))) == 1.0
    assert split_r_hat(np.arange(3.0) * np.ones((8, 3))) == np.inf
