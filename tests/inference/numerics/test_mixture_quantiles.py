"""Quantiles of mixtures: their probabilities, atoms, and how many evaluations they take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.inference.numerics import mixture_quantiles as module
from mmgraph.inference.numerics.mixture_quantiles import mixture_quantiles


def _mixtures(seed, rows, components, atoms=0.0, spread=3.0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(components), rows)
    means = spread * rng.standard_normal((rows, components, 1))
    variances = np.exp(rng.normal(0.0, 1.5, means.shape)) * (rng.random(means.shape) >= atoms)
    return [torch.from_numpy(t) for t in (weights, means, variances)]


def _probability(mixture, at, side=0.0):
    weights, means, variances = (t.unsqueeze(-1) for t in mixture)
    away = at.unsqueeze(1) - means
    atom = variances == 0
    below = torch.special.ndtr(away / torch.where(atom, 1.0, variances).sqrt())
    step = (away >= 0 if side == 0 else away > 0).to(away)
    return (weights.unsqueeze(-1) * torch.where(atom, step, below)).sum(1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    components=st.integers(2, 6),
    atoms=st.sampled_from([0.0, 0.3, 1.0]),
    spread=st.sampled_from([0.0, 1.0, 1e3, 1e8]),
)
def test_the_probability_below_a_quantile_is_its_level(seed, components, atoms, spread):
    mixture = _mixtures(seed, 3, components, atoms, spread)
    levels = torch.tensor([1e-12, 0.01, 0.3, 0.5, 0.8, 0.999], dtype=torch.float64)
    at = mixture_quantiles(*mixture, levels)
    least = mixture[2].masked_fill(mixture[2] == 0, 1.0).sqrt().min()
    rounding = 1e-10 + 1e-14 * spread / least
    assert (_probability(mixture, at) >= levels - rounding).all()
    assert (_probability(mixture, at, side=-1.0) <= levels + rounding).all()


def test_few_evaluations_reach_the_precision(monkeypatch):
    """Newton steps: bisection takes a hundred evaluations of each component."""
    mixture = _mixtures(0, 200, 5)
    levels = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    evaluated, ndtr = [], torch.special.ndtr
    monkeypatch.setattr(torch.special, "ndtr", lambda t: (evaluated.append(t.numel()), ndtr(t))[1])
    at = mixture_quantiles(*mixture, levels)
    assert sum(evaluated) <= 12 * at.numel() * 5
    monkeypatch.undo()
    assert (_probability(mixture, at) - levels).abs().max() < 1e-12


def test_blocks_of_quantiles_change_nothing(monkeypatch):
    mixture = _mixtures(1, 4, 3)
    levels = torch.tensor([0.2, 0.6], dtype=torch.float64)
    whole = mixture_quantiles(*mixture, levels)
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 5)
    torch.testing.assert_close(mixture_quantiles(*mixture, levels), whole, rtol=1e-14, atol=0)


def test_an_atom_moves_with_its_mean():
    weights = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    means = torch.tensor([[[1.0], [5.0]]], dtype=torch.float64, requires_grad=True)
    variances = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64, requires_grad=True)
    levels = torch.tensor([0.25], dtype=torch.float64)
    at = mixture_quantiles(weights, means, variances, levels)
    assert at.item() == pytest.approx(1.0, rel=1e-15)
    by_mean, by_variance = torch.autograd.grad(at.sum(), (means, variances))
    assert by_mean.flatten().tolist() == [1.0, 0.0]
    assert by_variance.flatten().tolist() == [0.0, 0.0]
