"""Observations that others foretell without noise: infinite densities, apart from large ones."""

from __future__ import annotations

import numpy as np
import torch

import mmgraph as mm

HALF_LOG = 0.5 * np.log(2 * np.pi)


def network(share=0.0):
    """An atom at zero where d is 0, a copy z of x, and an independent y."""
    d = mm.Variable("d", 2)
    x, y, z = (mm.Variable(n, family="gaussian") for n in "xyz")
    return mm.BayesianNetwork(
        [d, x, y, z],
        [
            mm.TableFactor([d], [share, 1 - share], child=d),
            mm.LinearGaussian(x, [d], [[], []], [0.0, 0.0], [0.0, 1.0]),
            mm.LinearGaussian(y, [], [], 0.0, 1.0),
            mm.LinearGaussian(z, [x], [1.0], 0.0, 0.0),
        ],
    )


def test_a_very_small_density_is_no_repetition():
    evidence = {"x": [0.5, 0.5, None], "z": [0.5, None, None], "y": [2000.0, 2000.0, 3000.0]}
    log_evidence = mm.query(network(), evidence).log_evidence
    normal = -HALF_LOG - 0.125
    expected = [normal - HALF_LOG - 2e6, normal - HALF_LOG - 2e6, -HALF_LOG - 4.5e6]
    np.testing.assert_allclose(log_evidence, expected, rtol=1e-14)


def test_an_atom_rules_other_states_out_however_rare_it_is():
    posterior = mm.query(network(1e-6), {"x": [0.0, 1e-3], "y": [3000.0, 1.0]})
    np.testing.assert_allclose(posterior.marginal("d"), [[1.0, 0.0], [0.0, 1.0]], atol=1e-12)
    assert float(posterior.log_evidence[0]) < -4.5e6


def test_an_impossible_atom_rules_nothing_out():
    posterior = mm.query(network(0.0), {"x": [0.0]})
    np.testing.assert_allclose(posterior.marginal("d"), [[0.0, 1.0]])
    np.testing.assert_allclose(posterior.log_evidence, [-HALF_LOG], atol=1e-8)
    assert torch.allclose(mm.log_partition(network(0.0), {"x": [0.0]}), posterior.log_evidence)
