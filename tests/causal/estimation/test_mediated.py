"""Effects through mediators from rows: against exact networks, and where graphs forbid them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import mmgraph as mm
from mmgraph.graph.errors import CausalError, LearningError
from tests.causal.estimation.tables_of_models import arrows, rows_of
from tests.causal.identification.full_models import FullModel

TEXT = "w>x w>m w>y x>m m>k x>k m>y k>y x>y"


def exact(text: str, seed: int) -> tuple[mm.CausalModel, dict]:
    """A model with its network, and rows with just its frequencies."""
    model = arrows(text)
    full = FullModel.random(model, np.random.default_rng(seed))
    edges = [(p, c) for c in model.nodes for p in full.parents[c]]
    images = {n: "image" for n in model.nodes if n in "mk"}
    net = mm.BayesianNetwork.from_tables(edges, full.tables, modalities=images)
    return mm.CausalModel.from_network(net), rows_of(full.joint(), model.nodes)


@pytest.mark.parametrize("through", [["m", "k"], "image", None])
def test_rows_with_the_frequencies_of_a_network_have_its_effects(through):
    for seed in range(4):
        model, data = exact(TEXT, seed)
        asked = {"baseline": {"x": 0}, "kind": "natural indirect", "through": through}
        truth = model.effect({"y": 1}, {"x": 1}, **asked)
        effect = model.effect({"y": 1}, {"x": 1}, data=data, weights="weight", **asked)
        assert effect.adjustment == ("w",)
        for name, part in truth.parts.items():
            assert float(effect.parts[name]) == pytest.approx(float(part), abs=1e-9)
        given = model.effect(
            {"y": 1}, {"x": 1}, given={"w": 1}, data=data, weights="weight", **asked
        )
        within = model.effect({"y": 1}, {"x": 1}, given={"w": 1}, **asked)
        assert float(given) == pytest.approx(float(within), abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "x>m m>y x>y m-y",  # a hidden confounder of mediator and outcome
        "x>m m>y x>y x-m",
        "x>l l>m l>y m>y x>y",  # one that the treatment moves
    ],
)
def test_confounded_mediators_are_no_answer(text: str):
    model = arrows(text)
    full = FullModel.random(model, np.random.default_rng(0))
    data = rows_of(full.joint(), model.nodes)
    effect = model.effect({"y": 1}, {"x": 1}, {"x": 0}, data=data, weights="weight", through="m")
    assert not effect.identifiable
    assert "back doors" in effect.method
    with pytest.raises(CausalError):
        float(effect)


def test_lines_share_out_the_effect():
    random = np.random.default_rng(0)
    w = random.normal(size=3000)
    x = (random.normal(size=3000) + w > 0).astype(int)
    m = 2 * x + w + random.normal(size=3000)
    y = 1.5 * m + x - w + random.normal(size=3000)
    data = {"w": w, "x": x, "m": m, "y": y}
    effect = arrows("w>x w>m w>y x>m m>y x>y").effect("y", "x", data=data, through="m")
    ones = LinearRegression().fit(np.c_[x, w], m)
    both = LinearRegression().fit(np.c_[x, m, w], y)
    assert float(effect) == pytest.approx(ones.coef_[0] * both.coef_[1], abs=1e-9)
    assert float(effect.parts["natural direct"]) == pytest.approx(both.coef_[0], abs=1e-9)
    assert effect.interval[0] < 3.0 < effect.interval[1]


def test_states_of_mediators_need_rows_under_both_treatments():
    random = np.random.default_rng(0)
    x, w = random.integers(0, 2, (2, 400))
    m = np.where(w == 1, x, random.integers(0, 2, 400))
    data = {"w": w, "x": x, "m": m, "y": random.integers(0, 2, 400)}
    model = arrows("w>m w>y x>m m>y x>y")
    with pytest.raises(LearningError, match="w=1"):
        model.effect("y", "x", data=data, through="m")
    rest = model.effect("y", "x", data=data, through="m", empty="drop")
    assert "without 1 strata of w" in rest.estimand
    alone = {name: column[w == 0] for name, column in data.items() if name != "w"}
    other = arrows("x>m m>y x>y").effect("y", "x", data=alone, through="m")
    assert float(rest) == pytest.approx(float(other), abs=1e-12)


def test_a_collider_that_is_given_opens_a_back_door():
    asked = {"kind": "natural direct", "given": {"z": 1}, "weights": "weight"}
    model, data = exact("a>x a>z b>z b>y x>m m>y", 3)
    effect = model.effect({"y": 1}, {"x": 1}, {"x": 0}, data=data, **asked)
    assert effect.adjustment in (("a",), ("b",))
    assert float(effect) == pytest.approx(0.0, abs=1e-12)
    hidden = arrows("x-z z-y x>m m>y")
    assert not hidden.effect("y", "x", data=data, **asked).identifiable
    assert hidden.effect("y", "x", data=data, **asked | {"given": None}).identifiable
