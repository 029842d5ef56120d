"""Counterfactuals of structural models, beside enumeration of the exogenous states."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import (
    CausalError,
    EvidenceError,
    GraphError,
    UnknownStateError,
    UnknownVariableError,
    ZeroProbabilityError,
)


def random_model(rng, count=4):
    """Endogenous variables of 2 to 3 states, some with common exogenous causes; and its parts."""
    exogenous = {f"u{i}": rng.dirichlet(np.ones(rng.integers(2, 4))).tolist() for i in range(3)}
    sizes = {name: len(p) for name, p in exogenous.items()}
    endogenous = {}
    for i in range(count):
        earlier = [f"v{j}" for j in range(i)]
        parents = [*rng.permutation(list(exogenous))[: rng.integers(1, 3)]]
        parents += [str(v) for v in rng.permutation(earlier)[: rng.integers(0, 3)]]
        parents = [str(p) for p in rng.permutation(parents)]
        sizes[f"v{i}"] = int(rng.integers(2, 4))
        table = rng.integers(0, sizes[f"v{i}"], [sizes[p] for p in parents])
        endogenous[f"v{i}"] = (parents, table)
    states = {name: sizes[name] for name in endogenous}
    # Effects before causes: the order of the mapping is not that of the functions.
    shuffled = {name: endogenous[name] for name in reversed(endogenous)}
    return mm.StructuralModel(exogenous, shuffled, states), exogenous, endogenous, sizes


def values(endogenous, noise, do):
    """All variables in a world with this noise."""
    state = dict(noise)
    for name, (parents, table) in endogenous.items():
        if name in do:
            setting = do[name]
            state[name] = (
                values(endogenous, noise, setting)[name] if isinstance(setting, dict) else setting
            )
        else:
            state[name] = int(table[tuple(state[p] for p in parents)])
    return state


def enumerated(exogenous, endogenous, query, condition):
    """P(condition) and P(query and condition) by summing over all exogenous states."""
    totals = np.zeros(2)
    for codes in itertools.product(*(range(len(p)) for p in exogenous.values())):
        noise = dict(zip(exogenous, codes, strict=True))
        weight = np.prod([exogenous[name][code] for name, code in noise.items()])

        def holds(worlds, noise=noise):
            return all(
                values(endogenous, noise, do)[name] == state
                for do, event in worlds
                for name, state in event.items()
            )

        if holds(condition):
            totals += weight * np.array([1, holds(query)])
    return totals


def random_world(rng, sizes, depth=1):
    names = [n for n in sizes if n.startswith("v")]
    do = {}
    for name in rng.permutation(names)[: rng.integers(0, 3)]:
        nested = depth and rng.random() < 0.3
        do[str(name)] = random_world(rng, sizes, 0)[0] if nested else int(rng.integers(sizes[name]))
    asked = rng.permutation(list(sizes))[: rng.integers(1, 3)]
    return do, {str(n): int(rng.integers(sizes[n])) for n in asked}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_probabilities_are_those_of_enumeration(seed):
    rng = np.random.default_rng(seed)
    model, exogenous, endogenous, sizes = random_model(rng)
    query = [random_world(rng, sizes) for _ in range(rng.integers(1, 3))]
    condition = [random_world(rng, sizes) for _ in range(rng.integers(0, 3))]
    total, part = enumerated(exogenous, endogenous, query, condition)
    if total == 0:
        with pytest.raises(ZeroProbabilityError):
            model.probability(query, condition)
    else:
        assert model.probability(query, condition) == pytest.approx(part / total, abs=1e-9)


def test_what_no_setting_reaches_is_shared():
    model = random_model(np.random.default_rng(1))[0]
    one = mm.StructuralModel(
        {"u": [0.5, 0.5]}, {"x": (["u"], [0, 1]), "m": (["x"], [0, 1]), "z": (["u"], [1, 0])}
    )
    assert set(one.network({}, {"x": 1}, {"m": 0}).variables) == {
        *("u", "x", "m", "z", "x(x=1)", "m(x=1)", "m(m=0)"),
    }
    assert set(model.network().variables) == set(model.variables)


def test_distributions_have_an_axis_each_and_shared_copies_agree():
    rng = np.random.default_rng(2)
    model, exogenous, endogenous, sizes = random_model(rng)
    asked = ["v1", ("v3", {"v0": 1}), ("v3", {"v0": 0}), ("v1", {"v3": 0}), ("v0", {"v0": 1})]
    table = model.distribution(asked)
    assert table.shape == tuple(sizes[n] for n in ("v1", "v3", "v3", "v1", "v0"))
    for codes in np.ndindex(*table.shape):
        pairs = zip(asked, codes, strict=True)
        query = [
            ({} if isinstance(a, str) else a[1], {a if isinstance(a, str) else a[0]: c})
            for a, c in pairs
        ]
        part = enumerated(exogenous, endogenous, query, [])[1]
        assert table[codes] == pytest.approx(part, abs=1e-9)


def test_rows_of_a_frame_are_answered_each():
    model, *_, sizes = random_model(np.random.default_rng(5))
    drawn = model.sample(20, torch.Generator().manual_seed(0)).to_frame()[["v0", "v3"]]
    frame = drawn.astype(object)
    frame.loc[3, "v0"] = None
    query = [({"v0": 1}, {"v3": 1})]
    answers = model.probability(query, [({}, frame)])
    assert answers.shape == (20,)
    for i, row in enumerate(frame.to_dict("records")):
        event = {n: c for n, c in row.items() if c is not None}
        assert answers[i] == pytest.approx(model.probability(query, [({}, event)]), abs=1e-12)
    one = model.probability(query, [({}, frame.iloc[:1])])
    assert one.shape == (1,)
    assert model.distribution([("v3", {"v0": 1})], [({}, frame)]).shape == (20, sizes["v3"])


def test_probabilities_of_causation_are_those_of_their_definitions():
    rng = np.random.default_rng(11)
    for _ in range(5):
        model, *_ = random_model(rng)
        x, y = "v0", "v3"
        causes = model.necessity_sufficiency(x, y, control=1, treated=0)
        p = model.probability
        both = p([({x: 0}, {y: 1})]) - p([({x: 0}, {y: 1}), ({x: 1}, {y: 1})])
        assert causes.both == pytest.approx(both, abs=1e-12)
        if causes.necessity is not None:
            absent = 1 - p([({x: 1}, {y: 1})], [({}, {x: 0, y: 1})])
            assert causes.necessity == pytest.approx(absent, abs=1e-12)
        effect = model.effect_on_treated(x, y, state=1)
        if p([({}, {x: 1})]) > 0:
            treated = [({}, {x: 1})]
            expected = p([({}, {y: 1})], treated) - p([({x: 0}, {y: 1})], treated)
            assert effect == pytest.approx(expected, abs=1e-12)
    sure = mm.StructuralModel({"u": [1.0]}, {"x": (["u"], [0]), "y": (["x"], [1, 0])}, {"x": 2})
    assert sure.necessity_sufficiency("x", "y") == (None, None, 0.0)


def test_natural_effects_are_nested_probabilities():
    rng = np.random.default_rng(3)
    model, exogenous, endogenous, _ = random_model(rng)
    effects = model.natural_effects("v0", "v3", ["v1", "v2"], state=0)

    def mean(x, z):
        do = {"v0": x, "v1": {"v0": z}, "v2": {"v0": z}}
        return enumerated(exogenous, endogenous, [(do, {"v3": 0})], [])[1]

    expected = [[mean(x, z) for z in (0, 1)] for x in (0, 1)]
    np.testing.assert_allclose(effects.means, expected, atol=1e-12)


def test_labels_functions_and_modalities():
    model = mm.StructuralModel(
        {"u": [0.25, 0.75]},
        {
            "x": (["u"], lambda u: "yes" if u == "high" else "no"),
            "y": (["x", "u"], [[0, 0], [0, 1]]),
        },
        states={"u": ["low", "high"], "x": ["no", "yes"], "y": ["off", "on"]},
        modalities={"y": "image"},
    )
    given_on = [({}, {"y": "on"})]
    assert model.probability([({"x": "no"}, {"y": "off", "u": "high"})], given_on) == 1.0
    assert model.network({"x": "no"}).variable("y(x=no)").modality == "image"
    drawn = model.sample(50, torch.Generator().manual_seed(1), [{}, {"x": "no"}], given_on)
    assert set(drawn["y(x=no)"]) == {"off"}
    assert set(drawn["u"]) == {"high"}


X_Y = {"x": (["u"], [0, 1]), "y": (["x"], [0, 1])}


@pytest.mark.parametrize(
    ("exogenous", "endogenous", "error", "message"),
    [
        ({"u": [0.5, 0.5]}, {"x": (["y"], [0, 1]), "y": (["x"], [0, 1])}, GraphError, "cycle: "),
        ({"u": [0.5, 0.5]}, {"x": (["u"], [0, 1, 1])}, GraphError, "'x'.*shape"),
        ({"u": [0.5, 0.5]}, {"x": (["u"], [0, -1])}, GraphError, "'x'.*-1 at"),
        ({"u": [0.5, 0.5]}, {"x": (["u"], [0, 0.5])}, GraphError, "'x'"),
        ({"u": 0.5}, X_Y, GraphError, "'u' is a single number"),
        ({"u": [0.5, 0.6]}, X_Y, GraphError, "'u'.*sums to 1.1"),
        ({"x": [0.5, 0.5], "u": [1.0]}, X_Y, GraphError, "'x' is both"),
        ({"noise": [0.5, 0.5]}, {"x": (["nois"], [0, 1])}, UnknownVariableError, "mean 'noise'"),
        ({"u": [0.5, 0.5]}, {"x": ("u", [0, 1])}, GraphError, "pair"),
        ({"u": [0.5, 0.5]}, {"x": (["u"], lambda u: u)}, GraphError, "'x'.*states="),
    ],
)
def test_models_that_are_none(exogenous, endogenous, error, message):
    with pytest.raises(error, match=message):
        mm.StructuralModel(exogenous, endogenous)


@pytest.mark.parametrize(
    ("query", "condition", "error", "message"),
    [
        ([({"u": 1}, {"y": 1})], [], CausalError, "'u' is exogenous"),
        ([({"z": 1}, {"y": 1})], [], UnknownVariableError, "'z'"),
        ([({"x": 2}, {"y": 1})], [], UnknownStateError, "'x'"),
        ([({"x": 1}, {"z": 1})], [], UnknownVariableError, "'z'"),
        ([({"x": 1}, {"y": 7})], [], UnknownStateError, "'y'"),
        ([{"y": 1}], [], CausalError, "pair"),
        ([("x", {"y": 1})], [], CausalError, "mapping"),
        ([({}, {"y": mm.soft([0.5, 0.5])})], [], EvidenceError, "'y'"),
        ([({}, {"y": [0, 1]})], [({}, {"x": [0, 1, 1]})], EvidenceError, "2 and 3 rows"),
        ([({}, {"y": 1})], [({"x": 1}, {"y": 0})], ZeroProbabilityError, r"y\(x=1\)"),
        ([({}, {"y": 1})], [({}, {"x": 0}), ({"y": 1}, {"x": 1})], ZeroProbabilityError, "'x'"),
        ([({}, {"y": 1})], [({"x": 1}, {"x": 0})], ZeroProbabilityError, r"x\(x=1\)"),
    ],
)
def test_questions_that_are_none(query, condition, error, message):
    model = mm.StructuralModel({"u": [0.5, 0.5]}, X_Y)
    with pytest.raises(error, match=message):
        model.probability(query, condition)


def test_a_contradiction_of_the_query_has_probability_zero():
    model = mm.StructuralModel({"u": [0.5, 0.5]}, X_Y)
    assert model.probability([({}, {"x": 0}), ({"y": 1}, {"x": 1})]) == 0.0
    frame = pd.DataFrame({"x": [0, 1]})
    assert model.probability([({}, {"x": 0})], [({}, frame)]).tolist() == [1.0, 0.0]
    with pytest.raises(CausalError, match="itself"):
        model.effect_on_treated("x", "x")


def test_a_long_chain_costs_what_exact_inference_costs():
    """Enumeration would take 2^200 sums."""
    endogenous = {"v0": (["u0"], [0, 1])}
    for i in range(1, 200):
        endogenous[f"v{i}"] = ([f"v{i - 1}", f"u{i}"], [[0, 1], [1, 0]])
    model = mm.StructuralModel({f"u{i}": [0.9, 0.1] for i in range(200)}, endogenous)
    # The noise between v100 and the end is the same in both worlds.
    asked = [({"v100": 1}, {"v199": 1})]
    assert model.probability(asked, [({}, {"v100": 0, "v199": 0})]) == pytest.approx(1, abs=1e-9)
    assert model.probability(asked, [({}, {"v100": 0})]) > 0.5
