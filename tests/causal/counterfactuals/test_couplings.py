"""Structural models of tables: monotone, and by the Gumbel-max trick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError, MemoryBudgetError
from tests.causal.counterfactuals.networks import random_network


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["monotone", "gumbel_max"]))
def test_the_tables_are_those_of_the_network(seed, coupling):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 5))
    net = random_network(rng, {"a": "", "b": "a", "c": "ab"}, {"a": 3, "c": count})
    observed = mm.StructuralModel.from_network(net, coupling).network()
    np.testing.assert_allclose(
        mm.joint(observed, ["a", "b", "c"]), mm.joint(net, ["a", "b", "c"]), atol=1e-9
    )


def test_monotone_units_keep_their_quantile():
    net = mm.BayesianNetwork.from_tables(
        [("x", "y")], {"x": [0.5, 0.5], "y": [[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]]}
    )
    model = mm.StructuralModel.from_network(net, "monotone")
    joint = model.distribution([("y", {"x": 0}), ("y", {"x": 1})])
    np.testing.assert_allclose(joint, [[0.2, 0, 0], [0.4, 0.1, 0], [0, 0.3, 0]], atol=1e-12)


def test_gumbel_max_is_what_gumbel_noise_gives():
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.ones(4), 3)
    tables[2, 1], tables[2, 0] = 0, tables[2, 0] + tables[2, 1]
    net = mm.BayesianNetwork.from_tables([("x", "y")], {"x": [0.2, 0.3, 0.5], "y": tables})
    joint = mm.StructuralModel.from_network(net, "gumbel_max").distribution(
        [("y", {"x": i}) for i in range(3)]
    )
    with np.errstate(divide="ignore"):
        scores = np.log(tables)[:, None] + rng.gumbel(size=(200_000, 4))
    drawn = np.zeros(joint.shape)
    np.add.at(drawn, tuple(scores.argmax(-1)), 1 / 200_000)
    assert np.abs(drawn - joint).max() < 5 * np.sqrt(0.25 / 200_000)


def test_gumbel_max_is_stable():
    """A state whose odds rise against another's is not left for that (Oberst and Sontag 2019)."""
    rng = np.random.default_rng(1)
    net = random_network(rng, {"x": "", "y": "x"}, {"y": 4})
    p = net.distribution("y").values.numpy()
    joint = mm.StructuralModel.from_network(net, "gumbel_max").distribution(
        [("y", {"x": 0}), ("y", {"x": 1})]
    )
    for i, j in np.ndindex(4, 4):
        if i != j and p[1, i] / p[0, i] >= p[1, j] / p[0, j]:
            assert joint[i, j] == 0


def test_labels_and_modalities_are_kept():
    net = mm.BayesianNetwork.from_tables(
        [], {"x": [0.5, 0.5]}, states={"x": ["no", "yes"]}, modalities={"x": "image"}
    )
    x = mm.StructuralModel.from_network(net, "monotone").variables["x"]
    assert (x.labels, x.modality) == (("no", "yes"), "image")


def test_networks_that_have_none():
    net = random_network(np.random.default_rng(2), {"x": "", "y": "x"})
    with pytest.raises(CausalError, match="'monotone'"):
        mm.StructuralModel.from_network(net, "monoton")
    real = mm.BayesianNetwork.from_data({"x": [0.5, 1.5, 1.25]}, [])
    with pytest.raises(GraphError, match="'x' has no table"):
        mm.StructuralModel.from_network(real, "monotone")
    wide = random_network(np.random.default_rng(3), {"x": "", "y": "x"}, {"x": 400, "y": 6})
    with pytest.raises(MemoryBudgetError, match="gumbel_max coupling of 'y'"):
        mm.StructuralModel.from_network(wide, "gumbel_max")
    many = random_network(np.random.default_rng(3), {"x": "", "y": "x"}, {"y": 7})
    with pytest.raises(GraphError, match="'y' has 7"):
        mm.StructuralModel.from_network(many, "gumbel_max")
