"""Exact draws given evidence, against moments and marginals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from tests.inference.gaussian.gaussian_networks import chain, real, two_classes
from tests.inference.gaussian.mixed_networks import as_evidence, random_mixed, rows_with_gaps

DRAWS = 20_000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_draws_have_the_moments_and_the_marginals_of_the_posterior(seed):
    rng = np.random.default_rng(seed)
    net, roots = random_mixed(rng, 3, 4, 0.3)
    evidence = as_evidence(net, rows_with_gaps(net, roots, rng, 2, 0.6))
    drawn = mm.sample(net, DRAWS, evidence, seeded(seed))
    reals = [v for v in net.variables.values() if not v.is_discrete]
    posterior = mm.query(net, evidence)
    for v in net.variables.values():
        if v.is_discrete:
            for row in range(2):
                shares = np.bincount(drawn.codes[v.name][row], minlength=v.cardinality) / DRAWS
                np.testing.assert_allclose(shares, posterior.marginal(v.name)[row], atol=0.02)
    moments = mm.joint_moments(net, [v.name for v in reals], evidence)
    for row in range(2):
        columns = [np.asarray(drawn[v.name][row]).reshape(DRAWS, -1) for v in reals]
        values = np.concatenate(columns, 1)
        deviation = np.sqrt(moments.covariance[row].diagonal().clamp_min(0).numpy())
        away = values.mean(0) - moments.mean[row].numpy()
        assert (
            abs(away) <= 5 * deviation / np.sqrt(DRAWS) + 1e-12 * (1 + abs(values.mean(0)))
        ).all()
        units = np.outer(deviation, deviation) + 1e-9
        error = (np.cov(values.T) - moments.covariance[row].numpy()) / units
        assert abs(error).max() < 0.1


def test_components_of_mixtures_are_drawn_given_what_is_observed():
    z, x, y = mm.Variable("z", 2), real("x"), real("y")
    leaf = mm.GaussianMixtureLeaf(
        x, [z], [[0.2, 0.8], [0.5, 0.5]], [[-3.0, 1.0], [0.0, 4.0]], [[1.0, 0.5], [0.25, 2.0]]
    )
    net = mm.BayesianNetwork(
        [z, x, y],
        [
            mm.TableFactor([z], [0.4, 0.6], child=z),
            leaf,
            mm.LinearGaussian(y, [z, x], [[1.0], [-1.0]], [0.0, 1.0], [0.5, 0.5]),
        ],
    )
    evidence = {"y": [0.3, None, -2.0]}
    drawn = mm.sample(net, DRAWS, evidence, seeded())
    posterior = mm.query(net, evidence, ["z", "x"])
    for row in range(3):
        values = np.asarray(drawn["x"][row])
        for level in (0.05, 0.3, 0.6, 0.95):
            below = (values <= float(posterior.quantile("x", level)[row])).mean()
            assert below == pytest.approx(level, abs=5 * np.sqrt(level * (1 - level) / DRAWS))
        states = drawn.codes["z"][row].double().mean()
        assert float(states) == pytest.approx(float(posterior.marginal("z")[row, 1]), abs=0.02)


def test_the_same_seed_gives_the_same_draws():
    net, evidence = two_classes(), {"y": [0.5, None]}
    one, two, three = (mm.sample(net, 10, evidence, seeded(seed)) for seed in (1, 1, 2))
    for name in net.variables:
        assert (np.asarray(one[name]) == np.asarray(two[name])).all()
    assert (np.asarray(one["x"]) != np.asarray(three["x"])).all()


def test_observed_values_stay_as_they_are():
    w, y = real("w", shape=(2,)), real("y")
    net = mm.BayesianNetwork(
        [w, y],
        [
            mm.LinearGaussian(w, [], np.zeros((2, 0)), [0.0, 1.0], [[1.0, 0.5], [0.5, 2.0]]),
            mm.LinearGaussian(y, [w], [1.0, -1.0], 0.0, 0.1),
        ],
    )
    drawn = mm.sample(net, 5, {"w": [[0.1, None], [None, None]], "y": [None, 0.7]}, seeded())
    assert (np.asarray(drawn["w"])[0, :, 0] == 0.1).all()
    assert (np.asarray(drawn["y"])[1] == 0.7).all()
    assert len(np.unique(np.asarray(drawn["w"])[0, :, 1])) == 5


def test_functions_of_parents_are_drawn_with_them():
    drawn = mm.sample(chain(2.0, [1.0, 0.0, 0.0], 1.0), 50, {}, seeded())
    x0, x1, x2 = (np.asarray(drawn[f"x{i}"]) for i in range(3))
    np.testing.assert_allclose(x1, 2 * x0 + 1, atol=1e-12)
    np.testing.assert_allclose(x2, 2 * x1 + 1, atol=1e-12)
    given = mm.sample(chain(2.0, [1.0, 0.0, 0.0], 1.0), 3, {"x2": 7.0}, seeded())
    assert np.asarray(given["x0"]).tolist() == [1.0] * 3
