"""Bounds of counterfactuals from tables: formulas of Tian and Pearl, and models with the tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import CausalError, MemoryBudgetError, ZeroProbabilityError
from tests.causal.counterfactuals.networks import random_coupling, random_network


def test_necessity_of_an_exogenous_cause_has_the_bounds_of_tian_and_pearl():
    rng = np.random.default_rng(0)
    for _ in range(10):
        net = random_network(rng, {"x": "", "y": "x"})
        p = net.distribution("y").values[:, 1].numpy()
        found = mm.counterfactual_bounds(net, [({"x": 0}, {"y": 0})], [({}, {"x": 1, "y": 1})])
        low, high = max(0, p[1] - p[0]) / p[1], min(p[1], 1 - p[0]) / p[1]
        assert found[:2] == pytest.approx((low, high), abs=1e-8)
        assert (found.sharp, found.open_variables) == (True, ("y",))


def test_what_copies_share_is_averaged_over():
    rng = np.random.default_rng(1)
    net = random_network(rng, {"z": "", "w": "z", "x": "z", "y": "xzw"}, {"z": 3})
    found = mm.counterfactual_bounds(net, [({"x": 1}, {"y": 1}), ({"x": 0}, {"y": 0})])
    p_zw = mm.joint(net, ["z", "w"])[0].numpy()
    benefit, spared = (net.distribution("y").values.numpy()[x, ..., y] for x, y in ((1, 1), (0, 0)))
    low = (p_zw * np.maximum(0, benefit + spared - 1)).sum()
    high = (p_zw * np.minimum(benefit, spared)).sum()
    assert found[:2] == pytest.approx((low, high), abs=1e-8)
    assert found.sharp


def binary_extreme(table, opposed):
    """Noise and a function of it and a binary parent, responses joined or opposed at most."""
    p, q = table[:, 1]
    steps = [p, 1 - q] if opposed else [p, q]
    cuts = np.unique([0.0, *steps, 1.0])
    middle = (cuts[1:] + cuts[:-1]) / 2
    second = middle > 1 - q if opposed else middle < q
    return np.diff(cuts), np.stack([middle < p, second], 1).astype(int)


def test_bounds_of_two_open_variables_in_a_chain_are_reached():
    """The probability is bilinear in two couplings, so that its ends are at their extremes."""
    query, condition = [({"x": 0}, {"y": 0})], [({}, {"x": 1, "y": 1})]
    for seed in range(5):
        net = random_network(np.random.default_rng(seed), {"x": "", "m": "x", "y": "m"})
        tables = {n: net.distribution(n).values.numpy() for n in "xmy"}
        reached = []
        for opposed in itertools.product([False, True], repeat=2):
            p_m, m = binary_extreme(tables["m"], opposed[0])
            p_y, y = binary_extreme(tables["y"], opposed[1])
            model = mm.StructuralModel(
                {"ux": tables["x"], "um": p_m, "uy": p_y},
                {"x": (["ux"], [0, 1]), "m": (["um", "x"], m), "y": (["uy", "m"], y)},
                {"m": 2, "y": 2},
            )
            reached.append(model.probability(query, condition))
        found = mm.counterfactual_bounds(net, query, condition)
        assert found[:2] == pytest.approx((min(reached), max(reached)), abs=1e-8)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**9))
def test_every_model_with_the_tables_lies_within(seed):
    rng = np.random.default_rng(seed)
    net = random_network(rng, {"z": "", "x": "z", "m": "xz", "y": "xm"}, {"m": 3})
    query = [({"x": 0}, {"y": 0})]
    condition = [({}, {"x": 1, "y": 1})] if rng.random() < 0.7 else [({"x": 1}, {"y": 1})]
    found = mm.counterfactual_bounds(net, query, condition)
    assert set(found.open_variables) == {"m", "y"}
    assert not found.sharp
    models = [random_coupling(rng, net) for _ in range(8)]
    models += [mm.StructuralModel.from_network(net, c) for c in ("monotone", "gumbel_max")]
    reached = [model.probability(query, condition) for model in models]
    assert found.lower <= min(reached) + 1e-7
    assert max(reached) <= found.upper + 1e-7


def test_what_tables_say_has_no_width():
    net = random_network(np.random.default_rng(3), {"x": "", "m": "x", "y": "xm"})
    # A nested world in which no variable is needed twice.
    nested = {"x": 1, "m": {"x": 0}}
    found = mm.counterfactual_bounds(net, [(nested, {"y": 1})])
    tables = {n: net.distribution(n).values.numpy() for n in "my"}
    assert found.lower == found.upper == pytest.approx(tables["m"][0] @ tables["y"][1, :, 1])
    assert found.open_variables == ()
    same = mm.counterfactual_bounds(net, [({"x": 1}, {"y": 1})], [({}, {"x": 1, "y": 1})])
    assert same[:2] == pytest.approx((1, 1), abs=1e-8)
    never = mm.counterfactual_bounds(net, [({}, {"x": 1}), ({}, {"x": 0, "y": 1})])
    assert never[:2] == (0, 0)


def test_what_cannot_be_bounded():
    rng = np.random.default_rng(4)
    net = random_network(rng, {"x": "", "y": "x"}, {"x": 9, "y": 4})
    query = [({"x": i}, {"y": 0}) for i in range(9)]
    with pytest.raises(MemoryBudgetError, match=r"'y'.*Ask about fewer"):
        mm.counterfactual_bounds(net, query, memory_budget=10_000)
    with pytest.raises(MemoryBudgetError, match=r"linear programme of 262,144 unknowns"):
        mm.counterfactual_bounds(net, query, memory_budget=60_000_000)
    with pytest.raises(CausalError, match="one row"):
        mm.counterfactual_bounds(net, [({"x": 0}, {"y": [0, 1]})])
    sure = mm.BayesianNetwork.from_tables(
        [("x", "y")], {"x": [0.5, 0.5], "y": [[1.0, 0.0], [0.0, 1.0]]}
    )
    impossible = [({"x": 0}, {"y": 1})]
    with pytest.raises(ZeroProbabilityError, match=r"y\(x=0\)"):
        mm.counterfactual_bounds(sure, [({}, {"y": 1})], impossible)
    with pytest.raises(ZeroProbabilityError, match="every model"):
        mm.counterfactual_bounds(sure, [({"x": 1}, {"y": 1})], impossible)


def test_variables_may_be_called_like_copies_responses_and_noise():
    tables = {"x": [0.5, 0.5], "y": [[[0.8, 0.2], [0.3, 0.7]], [[0.4, 0.6], [0.1, 0.9]]]}

    def answers(name: str):
        net = mm.BayesianNetwork.from_tables([("x", "y"), (name, "y")], tables | {name: [0.3, 0.7]})
        worlds = [({"x": 1}, {"y": 1}), ({"x": 0}, {"y": 0, name: 1})]
        bounds = mm.counterfactual_bounds(net, worlds)
        monotone = mm.StructuralModel.from_network(net, "monotone").probability(worlds)
        return bounds.lower, bounds.upper, monotone

    plain = answers("z")
    for name in ("y(x=1)", "response(y)", "noise(y)"):
        assert answers(name) == pytest.approx(plain, abs=1e-9)
