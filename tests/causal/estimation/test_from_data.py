"""Effects from rows: against exact answers, closed forms and other programs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError, LearningError, UnknownVariableError
from tests.causal.estimation.tables_of_models import arrows, binary, rows_of
from tests.causal.identification.full_models import FullModel, random_model


@pytest.fixture(scope="module")
def confounded() -> pd.DataFrame:
    random = np.random.default_rng(0)
    z = binary(random, 0.4, 4000)
    w = random.integers(0, 3, 4000)
    x = binary(random, 0.2 + 0.3 * z + 0.1 * w)
    y = binary(random, 0.1 + 0.2 * x + 0.2 * z + 0.1 * w + 0.1 * x * z)
    c = random.normal(size=4000) + z
    return pd.DataFrame({"z": z, "w": w, "x": x, "y": y, "c": c, "v": 2 * y + c + 0.5 * x})


CONFOUNDED = "z>x z>y w>x w>y x>y"


def test_rows_with_the_frequencies_of_a_model_have_its_effects():
    ways = Counter()
    for seed in range(24):
        random = np.random.default_rng(seed)
        model = random_model(random, 4 + seed % 2)
        full = FullModel.random(model, random)
        x, y, z = random.permutation(model.nodes)[:3].tolist()
        given = {z: 0} if seed % 2 else {}
        if model.identify(y, x, list(given)).identifiable:
            truth = full.answer([y], [x], list(given))
            truth = truth[:, 0, 0] if given else truth[:, 0]
            data = rows_of(full.joint(), model.nodes)
            effect = model.effect({y: 0}, {x: 1}, {x: 0}, given, data=data, weights="weight")
            ways[effect.method.split()[0]] += 1
            assert float(effect) == pytest.approx(truth[1] - truth[0], abs=1e-9)
            assert list(effect.means.values()) == pytest.approx([truth[1], truth[0]], abs=1e-9)
    assert sum(ways.values()) > 10
    assert len(ways) >= 3


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("x>m m>y x-y", "the front-door formula through m"),
        ("x>m x>k m>y k>y x-y", "the front-door formula through m, k"),
        ("w>r r>x x>y w-x w-y", "the formula of the ID algorithm"),
        (CONFOUNDED, "standardisation over strata"),
    ],
)
def test_each_way_gives_what_the_model_says(text: str, way: str):
    model = arrows(text)
    full = FullModel.random(model, np.random.default_rng(3))
    truth = full.answer(["y"], ["x"], [])[:, 1]
    data = rows_of(full.joint(), model.nodes)
    effect = model.effect({"y": 1}, {"x": 1}, {"x": 0}, data=data, weights="weight")
    assert effect.method == way
    assert float(effect) == pytest.approx(truth[1] - truth[0], abs=1e-12)


def test_without_confounders_it_is_the_difference_of_means(confounded: pd.DataFrame):
    effect = arrows("x>y").effect("y", "x", data=confounded)
    by_arm = [confounded.y[confounded.x == arm] for arm in (0, 1)]
    assert float(effect) == pytest.approx(by_arm[1].mean() - by_arm[0].mean(), abs=1e-12)
    error = np.sqrt(sum(part.var(ddof=0) / len(part) for part in by_arm))
    assert effect.standard_error == pytest.approx(error, rel=1e-3)
    half = 1.959964 * effect.standard_error
    assert effect.interval == pytest.approx((float(effect) - half, float(effect) + half))


def test_weights_count_rows_and_methods_agree_on_tables(confounded: pd.DataFrame):
    model = arrows(CONFOUNDED)
    plain = model.effect("y", "x", data=confounded)
    counted = confounded[["z", "w", "x", "y"]].value_counts().reset_index()
    weighted = model.effect("y", "x", data=counted, weights="count")
    assert float(weighted) == pytest.approx(float(plain), abs=1e-12)
    assert (plain.rows, weighted.rows) == (4000, len(counted))
    for method in ("inverse_weighting", "doubly_robust"):
        other = model.effect("y", "x", data=confounded, method=method)
        assert float(other) == pytest.approx(float(plain), abs=1e-12)
        assert other.standard_error == pytest.approx(plain.standard_error, rel=1e-6)
    assert 0 < plain.effective_sample_size < 4000


def test_saturated_regressions_are_tables(confounded: pd.DataFrame):
    model = arrows("z>x z>y x>y")
    exact = model.effect("y", "x", data=confounded)
    for method in ("regression", "inverse_weighting", "doubly_robust"):
        effect = model.effect("y", "x", data=confounded, method=method, learner="linear")
        assert float(effect) == pytest.approx(float(exact), abs=1e-8)
        assert effect.standard_error == pytest.approx(exact.standard_error, rel=1e-4)


def test_regressions_are_those_of_scikit_learn(confounded: pd.DataFrame):
    model = arrows("c>x c>v z>x z>v x>v")
    features, x, v = confounded[["c", "z"]], confounded.x, confounded.v
    fits = [LinearRegression().fit(features[x == arm], v[x == arm]) for arm in (0, 1)]
    standardised = np.mean(fits[1].predict(features) - fits[0].predict(features))
    effect = model.effect("v", "x", data=confounded, method="regression")
    assert float(effect) == pytest.approx(standardised, abs=1e-8)
    chance = LogisticRegression(C=np.inf, tol=1e-10).fit(features, x).predict_proba(features)[:, 1]
    hajek = np.average(v, weights=x / chance) - np.average(v, weights=(1 - x) / (1 - chance))
    weighted = model.effect("v", "x", data=confounded, method="inverse_weighting")
    assert float(weighted) == pytest.approx(hajek, abs=1e-5)
    both = model.effect("v", "x", data=confounded)
    assert both.method.startswith("augmented")
    means = [fits[arm].predict(features) for arm in (0, 1)]
    scores = means[1] - means[0] + x * (v - means[1]) / chance
    scores = scores - (1 - x) * (v - means[0]) / (1 - chance)
    assert float(both) == pytest.approx(scores.mean(), abs=1e-5)
    assert both.diagnostics["smallest_probability"] == pytest.approx(
        min(chance.min(), 1 - chance.max()), rel=1e-3
    )


def test_a_dose_acts_along_a_line(confounded: pd.DataFrame):
    random = np.random.default_rng(1)
    dose = random.normal(size=4000) + confounded.z
    data = confounded.assign(dose=dose, v=3 * dose + confounded.z + random.normal(size=4000))
    model = arrows("z>dose z>v dose>v")
    effect = model.effect("v", {"dose": 2.0}, {"dose": 0.5}, data=data)
    fit = LinearRegression().fit(data[["dose", "z"]], data.v)
    assert float(effect) == pytest.approx(1.5 * fit.coef_[0], abs=1e-9)
    assert float(model.effect("v", "dose", data=data)) == pytest.approx(fit.coef_[0], abs=1e-9)
    assert any("straight lines" in text for text in effect.assumptions)
    with pytest.raises(CausalError, match="baseline"):
        model.effect("v", {"dose": 2.0}, data=data)
    with pytest.raises(CausalError, match="bins"):
        model.effect("v", "dose", data=data, method="doubly_robust")


def test_strata_and_parts_of_the_population(confounded: pd.DataFrame):
    model = arrows(CONFOUNDED)
    effect = model.effect("y", "x", data=confounded, by="z")
    some = confounded[confounded.z == 1]
    alone = arrows("w>x w>y x>y").effect("y", "x", data=some)
    assert float(effect.parts["z=1"]) == pytest.approx(float(alone), abs=1e-12)
    assert effect.parts["z=1"].standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    assert effect.to_frame()["effect"].tolist() == ["z=0", "z=1"]
    given = model.effect("y", "x", given={"z": 1}, data=confounded)
    assert given.kind == "conditional"
    assert float(given) == pytest.approx(float(alone), abs=1e-12)
    with pytest.raises(CausalError, match="is no number: strata of z"):
        float(effect)
    lacking = confounded[(confounded.z == 1) | (confounded.x == 1)]
    parts = model.effect("y", "x", data=lacking, by="z").parts
    assert float(parts["z=1"]) == pytest.approx(float(alone), abs=1e-12)
    assert not parts["z=0"].identifiable
    assert "'x' is constant" in parts["z=0"].method
    with pytest.raises(CausalError, match="'c' is continuous, and has no strata: put"):
        arrows(f"{CONFOUNDED} c>y").effect("y", "x", data=confounded, by="c")


def test_states_that_count_and_scores(confounded: pd.DataFrame):
    data = confounded.assign(level=np.array(["low", "middle", "high"])[confounded.w])
    model = arrows("z>x x>level z>level")
    scores = {"low": 0, "middle": 1, "high": 2}
    whole = model.effect("level", "x", data=data, scores=scores)
    single = [float(model.effect({"level": s}, "x", data=data)) for s in ("middle", "high")]
    assert float(whole) == pytest.approx(single[0] + 2 * single[1], abs=1e-12)
    assert "scores" in whole.estimand
    with pytest.raises(CausalError, match="3 states"):
        model.effect("level", "x", data=data)
    with pytest.raises(CausalError, match="'high'"):
        model.effect("level", "x", data=data, scores={"low": 0, "middle": 1})


def test_positivity_is_named_by_stratum(confounded: pd.DataFrame):
    model = arrows(CONFOUNDED)
    data = confounded[(confounded.w < 2) | (confounded.z == 0) | (confounded.x == 1)]
    share = ((data.z == 1) & (data.w == 2)).mean()
    with pytest.raises(LearningError, match=r"x=0 does not occur where z=1, w=2 \(0\.\d+ of"):
        model.effect("y", "x", data=data)
    overlap = model.effect("y", "x", data=data, empty="drop")
    (violation,) = overlap.violations
    assert violation.stratum == {"z": 1, "w": 2}
    assert violation.treatment == {"x": 0}
    assert violation.share == pytest.approx(share)
    assert "in the overlap" in overlap.estimand
    rest = data[~((data.z == 1) & (data.w == 2))]
    assert float(overlap) == pytest.approx(float(model.effect("y", "x", data=rest)), abs=1e-12)
    bounds = model.effect("y", "x", data=data, empty="bounds")
    low, high = bounds.bounds
    assert high - low == pytest.approx(share, abs=1e-12)
    assert bounds.interval[0] < low < float(overlap) < high < bounds.interval[1]
    with pytest.raises(CausalError, match="it lies in"):
        float(bounds)
    with pytest.raises(LearningError, match="unknown choice of empty 'dropp'"):
        model.effect("y", "x", data=data, empty="dropp")


def test_no_effect_without_identification_but_bounds(confounded: pd.DataFrame):
    effect = arrows("x>y x-y").effect("y", "x", data=confounded)
    assert not effect.identifiable
    assert effect.method.startswith("not identifiable: hidden")
    x, y = confounded.x, confounded.y
    low = (y * x).mean() - ((y * (1 - x)).mean() + x.mean())
    assert effect.bounds == pytest.approx((low, low + 1), abs=1e-12)
    with pytest.raises(CausalError, match="not identifiable"):
        float(effect)
    continuous = arrows("x>v x-v").effect("v", "x", data=confounded)
    assert continuous.bounds is None
    assert "not identifiable" in repr(continuous)


def test_chosen_sets_are_checked(confounded: pd.DataFrame):
    model = arrows(f"{CONFOUNDED} y>v")
    effect = model.effect("y", "x", data=confounded, adjustment=["z", "w"])
    assert effect.adjustment == ("z", "w")
    for chosen in (["z"], ["z", "w", "v"]):
        with pytest.raises(CausalError, match="does not give the effect"):
            model.effect("y", "x", data=confounded, adjustment=chosen)


def test_an_adjustment_of_ones_own_is_checked_with_what_is_given():
    model = arrows("a>x a>z b>z b>y x>y x>d")
    full = FullModel.random(model, np.random.default_rng(1))
    data = rows_of(full.joint(), model.nodes)
    asked = {"data": data, "weights": "weight"}
    assert model.effect("y", "x", **asked, adjustment=[]).identifiable
    for stratum in ({"given": {"z": 1}}, {"by": "z"}):
        with pytest.raises(CausalError, match="where z is given"):
            model.effect("y", "x", **asked, **stratum, adjustment=[])
        assert model.effect("y", "x", **asked, **stratum, adjustment="b").identifiable
        with pytest.raises(CausalError, match="the treatment moves d"):
            model.effect("y", "x", **asked, **stratum, adjustment=["b", "d"])
    with pytest.raises(CausalError, match="the treatment moves d"):
        model.effect("y", "x", **asked, given={"d": 1}, adjustment=[])
    with pytest.raises(CausalError, match=r"allows no front_door.*plug_in"):
        model.effect("y", "x", data=confounded, method="front_door")


def test_groups_make_intervals_wider(confounded: pd.DataFrame):
    twice = pd.concat([confounded, confounded], ignore_index=True)
    twice["person"] = np.tile(np.arange(4000), 2)
    model = arrows(CONFOUNDED)
    once = model.effect("y", "x", data=confounded)
    grouped = model.effect("y", "x", data=twice, groups="person")
    assert grouped.standard_error == pytest.approx(once.standard_error, rel=1e-3)
    assert model.effect("y", "x", data=twice).standard_error < 0.8 * once.standard_error
    drawn = model.effect("y", "x", data=twice, groups="person", interval="percentile", draws=200)
    assert drawn.standard_error == pytest.approx(once.standard_error, rel=0.2)


def test_bad_rows_are_named(confounded: pd.DataFrame):
    model = arrows(CONFOUNDED)
    with pytest.raises(LearningError, match=r"'x' is constant \(1 in every row\)"):
        model.effect("y", {"x": 1}, {"x": 0}, data=confounded.assign(x=1))
    holes = confounded.astype({"y": float})
    holes.loc[7, "y"] = np.nan
    with pytest.raises(LearningError, match="row 7: 'y' is missing"):
        model.effect("y", "x", data=holes)
    with pytest.raises(UnknownVariableError, match="no column 'w'"):
        model.effect("y", "x", data=confounded.drop(columns="w"))
    with pytest.raises(LearningError, match="weight"):
        model.effect("y", "x", data=confounded, weights=-np.ones(4000))
    with pytest.raises(LearningError, match="4000 rows"):
        model.effect("y", "x", data=confounded, groups=np.arange(3))
    rest = confounded[(confounded.z == 1) | (confounded.w < 2)]
    with pytest.raises(LearningError, match="no row has z=0, w=2"):
        model.effect("y", "x", given={"z": 0, "w": 2}, data=rest)


def test_collinear_and_separating_columns_are_refused(confounded: pd.DataFrame):
    model = arrows("c>x d>x c>y d>y x>y")
    with pytest.raises(LearningError, match="linear combinations"):
        model.effect("y", "x", data=confounded.assign(d=2 * confounded.c + 1))
    split = confounded.assign(c=confounded.x + 0.01 * confounded.c)
    with pytest.raises(LearningError, match="without error"):
        arrows("c>x c>y x>y").effect("y", "x", data=split)


def test_rows_in_which_something_was_set_are_left_out(confounded: pd.DataFrame):
    forced = confounded.assign(set="x;z", y=1 - confounded.y)
    pooled = pd.concat([forced, confounded.assign(set=""), forced.assign(set=" y + z ")])
    effect = arrows(CONFOUNDED).effect("y", "x", data=pooled, interventions="set")
    assert float(effect) == float(arrows(CONFOUNDED).effect("y", "x", data=confounded))
    assert (effect.rows, effect.set_rows) == (4000, 8000)
    assert "8000 in which something was set are left out" in repr(effect)
    for data, message in ((forced, "every row"), (confounded, "'set'")):
        with pytest.raises((LearningError, UnknownVariableError), match=message):
            arrows(CONFOUNDED).effect("y", "x", data=data, interventions="set")


def test_offsets_change_nothing_and_columns_that_determine_each_other_are_named():
    random = np.random.default_rng(0)
    c, d = random.normal(size=(2, 60))
    x = c + random.normal(size=60)
    data = {"c": c, "d": d, "x": x, "y": 2 * x + c + d + random.normal(size=60)}
    model = arrows("c>x c>y d>x d>y x>y")
    plain = model.effect("y", "x", data=data)
    for moved in (data | {"x": x + 1e9}, data | {"x": x * 1e-12}):
        other = model.effect("y", {"x": 1.0}, {"x": 0.0}, data=moved)
        scale = 1e12 if moved["x"].std() < 1e-6 else 1.0
        assert float(other) == pytest.approx(scale * float(plain), rel=1e-5)
    with pytest.raises(LearningError, match=r"^x, c: among 60 rows linear combinations"):
        model.effect("y", "x", data=data | {"x": 3 * c + 1})
    with pytest.raises(LearningError, match="'y' has numbers beyond"):
        model.effect("y", "x", data=data | {"y": data["y"] * 1e200})


def test_messages_say_the_way_that_works(confounded: pd.DataFrame):
    model = arrows(CONFOUNDED)
    with pytest.raises(LearningError, match=r"from_network\(net\).effect.*mm.recoverable"):
        model.effect("y", "x", data=confounded.assign(z=confounded.z.where(confounded.z == 0)))
    with pytest.raises(LearningError, match="the column 'text' is to hold numbers"):
        model.effect("y", "x", data=confounded.assign(text="heavy"), weights="text")
    with pytest.raises(CausalError, match="no frame of rows"):
        arrows("x>y x-y").bounds("y", "x", confounded[["x", "y"]])
    found = mm.learn_structure(confounded[["x", "y"]])
    with pytest.raises(GraphError, match=r"CausalModel.from_structure"):
        mm.CausalModel(found)
    with pytest.raises(LearningError, match=r"BayesianNetwork.from_structure"):
        mm.BayesianNetwork.from_data(confounded[["x", "y"]], found)


def test_a_treatment_of_three_states_is_compared_with_one_of_them(confounded: pd.DataFrame):
    with pytest.raises(CausalError, match="'w' has 3 states: say which is set"):
        arrows("w>y").effect("y", "w", data=confounded)
    with pytest.raises(CausalError, match="--baseline w=…"):
        arrows("w>y").effect("y", {"w": 1}, data=confounded)


def test_answers_read_as_text(confounded: pd.DataFrame):
    bow = arrows("x>y x-y")
    effect = bow.effect("y", "x", data=confounded)
    first, second = repr(effect).splitlines()[:2]
    assert "95% intervals" in first
    assert second.startswith("  not identifiable: hidden")
    assert repr(effect).count("hidden common") == 1
    row = effect.to_frame().iloc[0]
    assert (row.lower, row.upper, row.method) == (*effect.bounds, "not identifiable")
    adjusted = arrows("c>x c>y x>y").effect("y", "x", data=confounded)
    assert "smallest probability: 0." in repr(adjusted)
    formula = arrows("x>y").identify("y", "x").estimand
    assert repr(formula) == str(formula) == "P(y | x)"
    survey = mm.CausalModel(["x", "y", "R_x"], [("x", "y")])
    assert repr(survey.recoverable("x")).startswith("recoverable: ")
    bias = mm.omitted_variable_bias(confounded, "v", "x", ["c"])
    assert "robustness value 0." in repr(bias)


def test_without_a_causal_path_there_is_no_effect_on_a_measurement(confounded: pd.DataFrame):
    effect = arrows("v>x").effect("v", "x", data=confounded)
    assert (float(effect), effect.interval) == (0.0, None)
    assert "no causal path" in repr(effect)


def test_a_constant_outcome_is_said(confounded: pd.DataFrame):
    model = arrows("c>x c>y x>y")
    effect = model.effect("y", "x", data=confounded.assign(y=1.0), method="regression")
    assert float(effect) == pytest.approx(0.0, abs=1e-9)
    assert "the mean of y is the same in every row used" in repr(effect)


def test_a_method_that_the_graph_lacks_is_answered_with_those_it_has(confounded: pd.DataFrame):
    with pytest.raises(CausalError, match=r"allows no front_door .* does allow plug_in or"):
        arrows(CONFOUNDED).effect("y", "x", data=confounded, method="front_door")
