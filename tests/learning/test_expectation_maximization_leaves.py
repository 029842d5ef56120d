"""Expectation maximisation with continuous leaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor import LogTable
from mmgraph.learning.conditionals.priors import LeafOptions
from tests.learning.networks import (
    check_monotone,
    mixture_of_three,
    seeded,
)


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_a_mixture_of_normals_is_recovered(holes):
    net = mixture_of_three()
    x = mm.sample(net, 4000, generator=seeded(1)).codes["x"].numpy().copy()
    x[np.random.default_rng(0).random(x.shape) < holes] = np.nan
    learned, report = mm.expectation_maximization(
        net, {"x": x}, restarts=3, generator=seeded(2), tolerance=1e-8
    )
    check_monotone(report.objectives)
    weights, leaf = learned.factors[0].values, learned.factors[1]
    order = [int((leaf.means - m).norm(dim=1).argmin()) for m in net.factors[1].means]
    assert sorted(order) == [0, 1, 2]
    torch.testing.assert_close(weights[order], net.factors[0].values, atol=0.04, rtol=0)
    torch.testing.assert_close(leaf.means[order], net.factors[1].means, atol=0.2, rtol=0)
    spread = leaf.covariances[order]
    torch.testing.assert_close(spread, net.factors[1].covariances, atol=0.3, rtol=0)


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), covariance=st.sampled_from(["full", "diagonal", "shared"]))
def test_leaves_of_both_kinds_go_uphill(seed, covariance):
    generator = np.random.default_rng(seed)
    h, a = mm.Variable("h", 2), mm.Variable("a", 2)
    x = mm.Variable("x", shape=(2,), family="gaussian")
    y = mm.Variable("y", family="gaussian")
    shape = {"full": (2, 2, 2), "diagonal": (2, 2), "shared": (2, 2)}[covariance]
    spread = np.ones(shape) if covariance == "diagonal" else np.broadcast_to(np.eye(2), shape)
    net = mm.BayesianNetwork(
        (h, a, x, y),
        (
            mm.TableFactor((h,), [0.5, 0.5], child=h),
            mm.TableFactor((h, a), [[0.8, 0.2], [0.3, 0.7]], child=a),
            mm.GaussianLeaf(x, (h,), np.zeros((2, 2)), spread, covariance),
            mm.GaussianMixtureLeaf(
                y, (a,), np.full((2, 2), 0.5), [[-2.0, 0], [0, 2]], np.ones((2, 2)), "diagonal"
            ),
        ),
    )
    data = {
        "a": np.where(generator.random(80) < 0.3, -1, generator.integers(0, 2, 80)),
        "x": generator.normal(size=(80, 2)) + 2 * generator.integers(0, 2, (80, 1)),
        "y": generator.normal(size=80) + 3 * generator.integers(0, 2, 80),
    }
    data["x"][generator.random((80, 2)) < 0.2] = np.nan
    data["y"][generator.random(80) < 0.2] = np.nan
    learned, report = mm.expectation_maximization(
        net,
        data,
        generator=seeded(seed),
        max_iterations=10,
        options=LeafOptions(floor=1e-3),
    )
    check_monotone(report.objectives)
    assert report.log_likelihood == pytest.approx(float(mm.log_partition(learned, data).sum()))


def test_a_leaf_that_is_never_observed_stays_as_it_is():
    net = mixture_of_three()
    h = mm.sample(net, 50, generator=seeded()).codes["h"]
    learned, _ = mm.expectation_maximization(net, {"h": h}, start="current")
    assert learned.factors[1] is net.factors[1]
    with pytest.raises(LearningError, match="'x' has no observed value"):
        mm.expectation_maximization(net, {"h": h})


class Encoder(mm.Factor):
    """A continuous factor that does not learn: what a trained classifier says of h."""

    def __init__(self, child: mm.Variable, parent: mm.Variable) -> None:
        self.scope, self.child = (parent, child), child

    is_tabular = False

    def energy(self, assignment):
        raise NotImplementedError

    def to(self, device=None, dtype=None):
        return self

    def likelihood(self, evidence):
        values = evidence.values.get(self.child.name)
        return None if values is None else LogTable(self.scope[:1], values)


def test_a_continuous_factor_that_does_not_learn_speaks_and_stays():
    h, a = mm.Variable("h", 2), mm.Variable("a", 2)
    scores = mm.Variable("scores", shape=(2,), family="gaussian")
    encoder = Encoder(scores, h)
    net = mm.BayesianNetwork(
        (h, a, scores),
        (
            mm.TableFactor((h,), [0.5, 0.5], child=h),
            encoder,
            mm.TableFactor((h, a), [[0.8, 0.2], [0.3, 0.7]], child=a),
        ),
    )
    sure = 50.0 * np.array([[0, -1], [0, -1], [-1, 0], [0, -1]])
    data = {"scores": sure, "a": [0, 0, 1, 1]}
    learned, report = mm.expectation_maximization(net, data, max_iterations=50)
    check_monotone(report.objectives)
    assert learned.factors[1] is encoder
    np.testing.assert_allclose(learned.factors[0].values, [0.75, 0.25], atol=1e-4)
    np.testing.assert_allclose(learned.factors[2].values, [[2 / 3, 1 / 3], [0, 1]], atol=1e-4)
    known = mm.learn_parameters(net, {"h": [0, 0, 1, 0], "a": data["a"], "scores": sure})
    assert known[1] is encoder
    np.testing.assert_allclose(known[2].values, [[2 / 3, 1 / 3], [0, 1]])
