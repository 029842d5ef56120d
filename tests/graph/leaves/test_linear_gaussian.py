"""Energies of linear Gaussian variables beside the exact engine, where noise is little or none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm

X = mm.Variable("x", family="gaussian")
PAIR = mm.Variable("pair", family="gaussian", shape=(2,))
Z = mm.Variable("z", family="gaussian")


def engine_energy(factor, values):
    """Minus the log-density of the child, by exact inference with the parent observed."""
    root = mm.LinearGaussian(X, [], [], 0.0, 1.0)
    net = mm.BayesianNetwork([X, factor.child], [root, factor])
    logs = mm.log_partition(net, values) - mm.log_partition(net, {"x": values["x"]})
    return -logs.item()


def energy(factor, values):
    rows = {n: torch.tensor(v, dtype=torch.float64) for n, v in values.items()}
    return factor.energy(rows).item()


def test_independent_variances_are_compared_each_by_itself():
    factor = mm.LinearGaussian(PAIR, [X], [[1.0], [2.0]], [0.0, 0.0], [1.0, 1e-16])
    values = {"x": [1.0], "pair": [[1.5, 2.0 + 1e-8]]}
    expected = 0.5 * (0.25 + 1 + np.log(1e-16)) + np.log(2 * np.pi)
    assert energy(factor, values) == pytest.approx(expected, rel=1e-6)
    assert engine_energy(factor, values) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "z", "expected"),
    [(5e-12, 1e-12, np.inf), (5e-12, 5e-12, 0.0), (1e9, 1e9 + 1e-3, 0.0), (1.0, 1.001, np.inf)],
)
def test_functions_of_parents_are_compared_beside_their_terms(x, z, expected):
    factor = mm.LinearGaussian(Z, [X], [1.0], 0.0, 0.0)
    assert energy(factor, {"x": [x], "z": [z]}) == expected


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rank=st.integers(0, 2))
def test_energies_of_covariances_of_any_rank_equal_the_engine(seed, rank):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, rank))
    factor = mm.LinearGaussian(
        PAIR, [X], rng.standard_normal((2, 1)), rng.standard_normal(2), root @ root.T
    )
    x = torch.tensor([rng.standard_normal()])
    drawn = factor.sample({"x": x}, torch.Generator().manual_seed(seed))
    values = {"x": x.tolist(), "pair": drawn.tolist()}
    if rank == 2:
        assert energy(factor, values) == pytest.approx(engine_energy(factor, values), abs=1e-8)
    assert np.isfinite(energy(factor, values))
    assert rank == 2 or energy(factor, {**values, "pair": [[5.0, -7.0]]}) == np.inf


def test_energies_have_gradients():
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    slopes = torch.tensor([[1.0], [2.0]], dtype=torch.float64, requires_grad=True)
    values = {"x": torch.tensor([0.3]), "pair": torch.tensor([[1.0, -1.0]], dtype=torch.float64)}

    def total(c, s):
        return mm.LinearGaussian(PAIR, [X], s, [0.0, 1.0], 0.5 * (c + c.mT)).energy(values)

    assert torch.autograd.gradcheck(total, (covariance, slopes))
    truth = torch.distributions.MultivariateNormal(
        torch.tensor([0.3, 1.6], dtype=torch.float64), covariance
    ).log_prob(values["pair"])
    torch.testing.assert_close(total(covariance, slopes), -truth, rtol=1e-6, atol=0)
