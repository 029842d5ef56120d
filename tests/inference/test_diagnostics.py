"""R-hat and effective sample size against chains whose autocorrelation is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.diagnostics import (
    effective_sample_size,
    split_r_hat,
    state_diagnostics,
)


def autoregressive(correlation: float, chains: int, draws: int, seed: int = 0) -> torch.Tensor:
    """Stationary chains whose effective sample size is draws (1 - r) / (1 + r)."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0]
    for t in range(1, draws):
        values[:, t] = correlation * values[:, t - 1] + np.sqrt(1 - correlation**2) * noise[:, t]
    return torch.from_numpy(values)


@pytest.mark.parametrize("correlation", [-0.4, 0.0, 0.5, 0.9])
def test_the_sample_size_of_an_autoregressive_chain(correlation):
    """One estimate scatters by some six per cent where the correlation is 0.9; ten by two."""
    runs = [autoregressive(correlation, 4, 20_000, seed) for seed in range(10)]
    expected = 80_000 * (1 - correlation) / (1 + correlation)
    mean = np.mean([float(effective_sample_size(draws)) for draws in runs])
    assert mean == pytest.approx(expected, rel=0.08)
    assert float(split_r_hat(runs[0])) == pytest.approx(1.0, abs=0.005)


def test_r_hat_of_known_means():
    """Of normal draws with means -1 and 1: the between-chain variance is one and a third."""
    draws = autoregressive(0.0, 4, 20_000)
    shifted = draws + torch.tensor([-1.0, -1.0, 1.0, 1.0])[:, None].double()
    # Eight halves: the variance of their means is 8/7; ranks leave about that.
    assert float(split_r_hat(shifted)) == pytest.approx(np.sqrt(1 + 8 / 7), rel=0.1)


def test_r_hat_sees_a_drift_within_each_chain():
    draws = autoregressive(0.0, 4, 1000) + torch.linspace(-1, 1, 1000).double()
    assert float(split_r_hat(draws)) > 1.1


def test_r_hat_sees_different_scales():
    """Equal means and unequal spreads: only the folded values tell."""
    draws = autoregressive(0.0, 4, 2000) * torch.tensor([1.0, 1.0, 1.0, 5.0])[:, None].double()
    assert float(split_r_hat(draws)) > 1.1


def test_r_hat_does_not_depend_on_a_monotone_transformation():
    draws = autoregressive(0.5, 4, 500)
    torch.testing.assert_close(effective_sample_size(draws), effective_sample_size(draws.exp()))


def test_quantities_keep_their_shape():
    draws = torch.randn(3, 50, 2, 5, generator=torch.Generator().manual_seed(0))
    assert split_r_hat(draws).shape == effective_sample_size(draws).shape == (2, 5)


def test_constants_have_mixed_and_stuck_chains_have_not():
    same = torch.full((4, 100), 3.0)
    assert float(split_r_hat(same)) == 1.0
    assert float(effective_sample_size(same)) == 400
    stuck = torch.arange(4.0)[:, None].expand(4, 100)
    assert float(split_r_hat(stuck)) == np.inf
    assert float(effective_sample_size(stuck)) == 1


def test_states_have_the_numbers_of_their_indicators():
    generator = np.random.default_rng(0)
    flips = generator.random((400, 4, 3)) < 0.3
    trace = (np.cumsum(flips, 0) % 2).astype(np.uint8)
    r_hat, size = state_diagnostics(trace, np.full(3, 2))
    draws = torch.from_numpy(trace).double().movedim(0, 1)
    # The folded values of a binary quantity are a constant or the values again.
    np.testing.assert_allclose(size, effective_sample_size(draws), rtol=1e-9)
    np.testing.assert_allclose(r_hat, split_r_hat(draws), rtol=1e-9)


def test_the_worst_state_counts_on_any_number_of_threads():
    generator = np.random.default_rng(1)
    trace = generator.integers(0, 2, (200, 4, 9)).astype(np.uint8)
    trace[:, 0, 4] = 2  # one chain never leaves the third state of one element
    one = state_diagnostics(trace, np.full(9, 3))
    two = state_diagnostics(trace, np.full(9, 3), threads=2)
    np.testing.assert_array_equal(one, two)
    assert one[0].argmax() == 4
    assert one[0][4] > 1.5


@pytest.mark.parametrize("measure", [split_r_hat, effective_sample_size])
def test_too_few_draws(measure):
    with pytest.raises(MmgraphError, match="3 draws a chain are too few"):
        measure(torch.zeros(4, 3))
