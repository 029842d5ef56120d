"""The parallel scan beside the joint normal density and the compiled passes."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import GraphError
from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from tests.inference.gaussian.state_space.dense_systems import dense_answer, drawn, random_system


def test_answers_on_devices(device):
    generator = np.random.default_rng(0)
    system = random_system(generator, 3, 2)
    sequences = [drawn(system, n, 0.3, generator) for n in (1, 6)]
    for rows, found in zip(sequences, system.smooth(sequences, device=device), strict=True):
        expected = dense_answer(system, rows)
        np.testing.assert_allclose(found.means, expected.means, atol=1e-9)
        np.testing.assert_allclose(found.covariances, expected.covariances, atol=1e-9)
        assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9, abs=1e-9)


def test_a_long_sequence():
    generator = np.random.default_rng(1)
    system = random_system(generator, 2, 2)
    rows = drawn(system, 1000, 0.1, generator)
    one, other = system.smooth(rows), system.smooth(rows, device="cpu")
    np.testing.assert_allclose(one.means, other.means, atol=1e-9)
    np.testing.assert_allclose(one.covariances, other.covariances, atol=1e-9)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-10)


def test_singular_covariances_are_for_compiled_passes():
    system = LinearGaussianSystem([[1.0]], [[1.0]], [[0.0]], [[1.0]], start_covariance=[[0.0]])
    with pytest.raises(GraphError, match="smooth without a device"):
        system.smooth(np.zeros((3, 1)), device="cpu")
