"""Discrete parents that a row observes have no part in the configurations of a cluster."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.gaussian.model import gaussian_model


def switched_chain(length=20, seed=0):
    """Each link of a chain of continuous variables has a switch of its own."""
    rng = np.random.default_rng(seed)
    switches = [mm.Variable(f"d{i}", 2) for i in range(length)]
    links = [mm.Variable(f"x{i}", family="gaussian") for i in range(length)]
    factors = [mm.TableFactor([d], [0.4, 0.6], child=d) for d in switches]
    for i, x in enumerate(links):
        before = links[i - 1 : i] if i else []
        slopes, levels = rng.normal(size=(2, len(before))), rng.normal(size=2)
        factors.append(
            mm.LinearGaussian(x, [switches[i], *before], slopes, levels, rng.gamma(1, size=2) + 0.1)
        )
    return mm.BayesianNetwork(switches + links, factors)


def test_a_chain_of_twenty_switches_nineteen_of_them_observed():
    net, rng, rows = switched_chain(), np.random.default_rng(1), 6
    cells = {f"d{i}": [mm.index(int(c)) for c in rng.integers(0, 2, rows)] for i in range(19)}
    cells["d3"][5] = None
    end = rng.normal(size=rows)
    names = ["d19", "x3", "x18"]
    posterior = mm.query(net, {**cells, "x19": end}, names, method="junction_tree")
    for row in range(rows - 1):
        one = {name: column[row] for name, column in cells.items()} | {"x19": float(end[row])}
        fixed = [mm.query(net, {**one, "d19": mm.index(s)}, ["x3", "x18"]) for s in (0, 1)]
        weights = torch.stack([f.log_evidence[0] for f in fixed]).softmax(0)
        np.testing.assert_allclose(posterior.marginal("d19")[row], weights, atol=1e-10)
        for name in ("x3", "x18"):
            mean = sum(w * f.mean(name)[0] for w, f in zip(weights, fixed, strict=True))
            np.testing.assert_allclose(posterior.mean(name)[row], mean, atol=1e-10)
    moments = mm.joint_moments(net, ["x3", "x18"], {**cells, "x19": end})
    np.testing.assert_allclose(moments.mean[:, 0], posterior.mean("x3"), atol=1e-10)
    np.testing.assert_allclose(moments.covariance[:, 1, 1], posterior.variance("x18"), atol=1e-10)


@pytest.mark.parametrize("states", [{"d": 1}, {"e": 2}, {"d": 0, "e": 1}])
def test_densities_given_states_are_those_of_their_configurations(states):
    d, e = mm.Variable("d", 2), mm.Variable("e", 3)
    x, y = (mm.Variable(n, family="gaussian") for n in "xy")
    rng = np.random.default_rng(0)
    mixture = mm.GaussianMixtureLeaf(
        x, [d], [[0.5, 0.5], [0.2, 0.8]], rng.normal(size=(2, 2)), rng.gamma(1, size=(2, 2))
    )
    line = mm.LinearGaussian(
        y, [d, x, e], rng.normal(size=(2, 3, 1)), rng.normal(size=(2, 3)), rng.gamma(1, size=(2, 3))
    )
    tables = [
        mm.TableFactor([v], np.full(v.cardinality, 1 / v.cardinality), child=v) for v in (d, e)
    ]
    model = gaussian_model(mm.BayesianNetwork([d, e, x, y], [*tables, mixture, line]))
    given = model.given(states)
    leaf, regression = given.forms
    assert [v.name for v in regression.discrete] == [n for n in "de" if n not in states]
    at = (states.get("d", slice(None)), states.get("e", slice(None)))
    whole = line.linear_form().intercept.reshape(2, 3)
    assert torch.equal(regression.intercept.flatten(), whole[at].flatten())
    means = mixture.linear_form().intercept.reshape(2, 2)[at[0]]
    assert torch.equal(leaf.intercept.flatten(), means.flatten())
