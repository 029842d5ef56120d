"""Random mixed networks against enumeration in many digits, degenerate ones among them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from tests.inference.gaussian.mixed_networks import (
    as_evidence,
    random_mixed,
    referee,
    rows_with_gaps,
)


def assert_equals_referee(net, cells, rows, method="auto"):
    evidence = as_evidence(net, cells)
    truths = [referee(net, cells, row) for row in range(rows)]
    states = [v for v in net.variables.values() if v.is_discrete]
    reals = [v for v in net.variables.values() if not v.is_discrete]
    assert all(truth is not None for truth in truths)  # the rows were drawn from the network
    posterior = mm.query(net, evidence, method=method)
    moments = mm.joint_moments(net, [v.name for v in reals], evidence)
    for row, truth in enumerate(truths):
        if truth.repeats and truth.ties > 1:
            continue  # how infinite densities compare is a matter of units
        if not truth.repeats:
            assert abs(float(posterior.log_evidence[row]) - truth.log_evidence) < 1e-8 * (
                1 + abs(truth.log_evidence)
            )
        for i, v in enumerate(states):
            marginal = np.zeros(v.cardinality)
            for configuration, share in truth.shares.items():
                marginal[configuration[i]] += share
            np.testing.assert_allclose(posterior.marginal(v.name)[row], marginal, atol=1e-8)
        scale = 1 + np.abs(truth.mean).max(initial=0.0)
        np.testing.assert_allclose(moments.mean[row], truth.mean, atol=1e-8 * scale)
        np.testing.assert_allclose(moments.covariance[row], truth.covariance, atol=1e-8 * scale**2)
        at = 0
        for v in reals:
            part = slice(at, at + v.size)
            mean, variance = posterior.mean(v.name)[row], posterior.variance(v.name)[row]
            np.testing.assert_allclose(mean.reshape(-1), truth.mean[part], atol=1e-8 * scale)
            expected = truth.covariance.diagonal()[part]
            np.testing.assert_allclose(variance.reshape(-1), expected, atol=1e-8 * scale**2)
            assert bool((variance >= 0).all())
            at += v.size


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    discrete=st.integers(0, 3),
    continuous=st.integers(1, 5),
    missing=st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    degenerate=st.sampled_from([0.0, 0.3, 0.6]),
)
def test_networks_equal_enumeration(seed, discrete, continuous, missing, degenerate):
    rng = np.random.default_rng(seed)
    net, roots = random_mixed(rng, discrete, continuous, degenerate)
    assert_equals_referee(net, rows_with_gaps(net, roots, rng, 2, missing), 2)
