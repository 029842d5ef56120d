"""Effects through sets of variables: beside the mediation formula and structural models."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import CausalError, UnknownVariableError
from tests.causal.counterfactuals.networks import random_coupling, random_network

WIDE = {"w": "", "x": "w", "a": "xw", "b": "a", "c": "xb", "y": "xbcw"}


@pytest.mark.parametrize("mediators", ["a", ["b", "c"], ["a", "b", "c"], "image"])
def test_effects_are_those_of_any_model_with_the_tables(mediators):
    rng = np.random.default_rng(0)
    net = random_network(rng, WIDE, {"y": 3, "a": 3}, {"b": "image", "c": "image", "y": "image"})
    effects = mm.effect_through(net, "x", "y", mediators)
    names = ["b", "c"] if mediators == "image" else mediators
    for _ in range(3):
        model = random_coupling(rng, net)
        expected = model.natural_effects("x", "y", names)
        np.testing.assert_allclose(effects.means, expected.means, atol=1e-9)
    means = [
        mm.query(net.do(x=x), None, "y").marginal("y")[0].numpy() @ np.arange(3.0) for x in (0, 1)
    ]
    assert effects.total_effect == pytest.approx(means[1] - means[0], abs=1e-12)


def test_one_mediator_has_the_effects_of_the_formula():
    net = random_network(np.random.default_rng(1), {"w": "", "x": "w", "m": "xw", "y": "xmw"})
    effects = mm.effect_through(net, "x", "y", "m", state=1)
    tables = {n: net.distribution(n).values.numpy() for n in "wmy"}
    formula = mm.mediation(
        tables["y"][..., 1].transpose(2, 0, 1), tables["m"][..., 1].T, tables["w"]
    )
    np.testing.assert_allclose(effects.means, formula.means, atol=1e-12)
    of_group = mm.effect_through(net, "x", "y", "m", given=[({}, {"w": 1})])
    formula = mm.mediation(tables["y"][:, :, 1, 1], tables["m"][:, 1])
    np.testing.assert_allclose(of_group.means, formula.means, atol=1e-12)


def test_a_recanting_witness_is_named():
    net = random_network(np.random.default_rng(2), {"x": "", "w": "x", "m": "w", "y": "wm"})
    with pytest.raises(CausalError, match=r"'w' is needed both as w\(x=0\) and as w\(x=1\)"):
        mm.effect_through(net, "x", "y", "m")
    term = ({"x": 1, "m": {"x": 0}}, {"y": 1})
    bounds = mm.counterfactual_bounds(net, [term])
    value = mm.StructuralModel.from_network(net, "monotone").probability([term])
    assert bounds.lower - 1e-9 <= value <= bounds.upper + 1e-9
    assert bounds.open_variables == ("w",)
    # With the witness among the mediators nothing is needed twice.
    assert mm.effect_through(net, "x", "y", ["w", "m"]).natural_direct == pytest.approx(0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x", "y", "x"), CausalError, "'x' cannot be two"),
        (("x", "y", []), CausalError, "no variable"),
        (("x", "y", "nothing"), UnknownVariableError, "'nothing'"),
        (("x", "y", "m", 1, 1), CausalError, "itself"),
    ],
)
def test_questions_that_are_none(arguments, error, message):
    net = random_network(np.random.default_rng(3), {"x": "", "m": "x", "y": "xm"})
    with pytest.raises(error, match=message):
        mm.effect_through(net, *arguments)


def test_labels_that_are_no_numbers_need_a_state():
    tables = {"x": [0.5, 0.5], "m": [[0.9, 0.1], [0.2, 0.8]], "y": [[0.7, 0.3], [0.4, 0.6]]}
    edges = [("x", "m"), ("m", "y")]
    net = mm.BayesianNetwork.from_tables(edges, tables, {"y": ["ill", "well"]})
    with pytest.raises(CausalError, match=r"'ill'.*state="):
        mm.effect_through(net, "x", "y", "m")
    effects = mm.effect_through(net, "x", "y", "m", state="well")
    assert effects.natural_indirect == pytest.approx(0.7 * 0.3)
    assert effects.proportion_mediated == pytest.approx(1)
    numbers = mm.BayesianNetwork.from_tables(edges, tables, {"y": ["1.5", "2.5"]})
    assert mm.effect_through(numbers, "x", "y", "m").total_effect == pytest.approx(0.7 * 0.3)
