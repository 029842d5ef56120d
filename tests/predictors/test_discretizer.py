"""The transformer: every container, missing cells, scikit-learn's protocol, JSON."""

from __future__ import annotations

import json
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import CategoricalNB
from sklearn.pipeline import make_pipeline

import mmgraph as mm
from mmgraph.data.discretisation.cut_points import BinsWarning
from mmgraph.graph import errors

RANDOM = np.random.default_rng(0)
CLASS = RANDOM.integers(0, 3, 300)
FRAME = pd.DataFrame(
    {
        "height": np.round(150 + 12 * CLASS + 8 * RANDOM.normal(size=300), 1),
        "name": np.array(["x", "y", "z"])[RANDOM.integers(0, 3, 300)],
        "weight": np.round(60 + 9 * CLASS + 9 * RANDOM.normal(size=300), 1),
        "class": CLASS,
    },
    index=np.arange(300) + 1000,
)
FRAME.loc[1007, "height"] = np.nan
METHODS = ("quantile", "equal_width", "hartemink", "entropy")


def made(method: str, **options) -> mm.Discretizer:
    target = "class" if method == "entropy" else None
    return mm.Discretizer(method, target=target, initial_bins=20, **options)


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_comes_back_in_states_and_in_numbers(method):
    fitted = made(method, units={"height": "cm"}).fit(FRAME)
    states = fitted.transform(FRAME)
    assert list(states.columns) == list(FRAME.columns)
    assert (states.index == FRAME.index).all()
    pd.testing.assert_frame_equal(states[["name", "class"]], FRAME[["name", "class"]])
    assert set(fitted.intervals_) == {"height", "weight"}
    assert fitted.intervals_["height"].unit == "cm"
    assert states["height"].cat.ordered
    assert states["height"].isna().sum() == 1
    if method != "entropy":
        assert [len(r) for r in fitted.intervals_.values()] == [3, 3]
    codes = [fitted.variables["height"].code(x) for x in FRAME["height"].fillna(-1)]
    there = FRAME["height"].notna()
    assert (states["height"].cat.codes[there] == np.array(codes)[there]).all()
    back = fitted.inverse_transform(states)
    means = FRAME["height"].groupby(states["height"], observed=True).transform("mean")
    np.testing.assert_allclose(back["height"], means)
    for by in ("midpoint", "draw"):
        again = fitted.transform(fitted.inverse_transform(states, by, random_state=3))
        pd.testing.assert_frame_equal(again, states)


def test_all_containers_say_the_same():
    columns = {name: FRAME[name].to_numpy() for name in ("height", "weight")}
    array = np.stack(list(columns.values()), axis=1)
    frame = mm.Discretizer().fit_transform(FRAME[["height", "weight"]])
    mapping = mm.Discretizer().fit_transform(columns)
    of_array = mm.Discretizer().fit_transform(array)
    schema = mm.Schema.of(
        {
            "height": {"modality": "body", "unit": "cm"},
            "name": {"modality": "who", "kind": "categorical"},
            "weight": {"modality": "body"},
            "class": {"role": "target", "kind": "categorical"},
        }
    )
    data = mm.MultimodalData.read(FRAME, schema)
    fitted = mm.Discretizer().fit(data)
    rows = fitted.transform(data)
    words = rows.columns()
    for i, name in enumerate(columns):
        expected = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        assert mapping[name].tolist() == expected
        assert of_array[:, i].tolist() == expected
        assert words[name] == expected
    assert fitted.intervals_["height"].unit == "cm"
    assert rows.schema.columns["height"].states == fitted.variables["height"].labels
    assert rows.target.labels == (0, 1, 2)
    back = fitted.inverse_transform(rows)
    assert back.schema.columns["height"].kind == "continuous"
    np.testing.assert_allclose(
        back.blocks["body"].values, mm.Discretizer().fit(array).inverse_transform(of_array)
    )
    numbered = mm.Discretizer(encode="codes").fit_transform(array)
    assert numbered.dtype == np.int64
    assert (numbered[:, 1] == frame["weight"].cat.codes).all()
    entropy = mm.Discretizer("entropy").fit(data)
    expected = made("entropy", units={"height": "cm"}).fit(FRAME).intervals_
    assert entropy.intervals_ == expected


def test_it_is_a_transformer_of_scikit_learn():
    transformer = mm.Discretizer("equal_width", bins=4, encode="codes")
    assert clone(transformer).get_params() == transformer.get_params()
    assert transformer.set_params(bins=5).bins == 5
    with pytest.raises(NotFittedError):
        transformer.transform(FRAME)
    rows, target = FRAME[["height", "weight"]].dropna(), CLASS[FRAME["height"].notna()]
    pipeline = make_pipeline(mm.Discretizer("entropy", encode="codes"), CategoricalNB())
    assert pipeline.fit(rows, target).score(rows, target) > 0.55
    assert pipeline.fit(rows.to_numpy(), target).score(rows.to_numpy(), target) > 0.55
    mixed = ColumnTransformer(
        [("cut", mm.Discretizer(bins=2), ["height", "weight"])], remainder="passthrough"
    ).set_output(transform="pandas")
    output = mixed.fit_transform(FRAME)
    assert list(output.columns) == [
        "cut__height",
        "cut__weight",
        "remainder__name",
        "remainder__class",
    ]
    assert output["cut__height"].nunique() == 2
    named = mm.Discretizer(bins=2).set_output(transform="pandas").fit_transform(rows.to_numpy())
    assert list(named.columns) == ["x0", "x1"]
    fitted = mm.Discretizer(bins={"height": 2, "weight": 4}).fit(rows)
    assert fitted.get_feature_names_out().tolist() == ["height", "weight"]
    assert (fitted.transform(rows.to_numpy())[:, 1] == fitted.transform(rows)["weight"]).all()


def test_json_keeps_settings_and_cuts():
    fitted = made("hartemink", columns=["weight", "height"], units={"height": "cm"}).fit(FRAME)
    again = mm.Discretizer.from_json(fitted.to_json())
    assert again.get_params() == fitted.get_params()
    assert again.intervals_ == fitted.intervals_
    pd.testing.assert_frame_equal(again.transform(FRAME), fitted.transform(FRAME))
    state = json.loads(fitted.to_json())
    state["intervals"][0]["cuts"].reverse()
    broken = {
        "expected JSON": "{",
        "found": "[]",
        "of version 1": json.dumps({**state, "version": 2}),
        "do not rise": json.dumps(state),
        "settings": json.dumps({**state, "settings": 3}),
        "unexpected": json.dumps({**state, "settings": {"depth": 3}}),
    }
    for message, text in broken.items():
        with pytest.raises(errors.FormatError, match=message):
            mm.Discretizer.from_json(text)


def test_json_takes_settings_of_numpy():
    columns = np.array(["height", "weight"])
    for bins in (np.int64(4), MappingProxyType({"height": np.int8(2), "weight": 3})):
        fitted = mm.Discretizer("hartemink", bins, columns, initial_bins=np.int32(20)).fit(FRAME)
        again = mm.Discretizer.from_json(fitted.to_json())
        assert again.get_params() == fitted.get_params() | {"columns": ["height", "weight"]}
        assert again.intervals_ == fitted.intervals_
    with pytest.raises(errors.LearningError, match="> cannot be written as JSON"):
        fitted.set_params(target=object()).to_json()


def with_cell(name: str, value: object) -> pd.DataFrame:
    return FRAME.assign(**{name: [value, *FRAME[name][1:]]})


@pytest.mark.parametrize(
    ("options", "frame", "error", "message"),
    [
        ({"columns": ["mass"]}, FRAME, errors.UnknownVariableError, "no column 'mass'"),
        ({"columns": ["name"]}, FRAME, errors.EvidenceError, "row 0: 'name' is no number"),
        ({}, FRAME.assign(flat=1.5), errors.LearningError, "'flat' cannot .* 1.5 in every row"),
        ({}, with_cell("weight", np.inf), errors.EvidenceError, "row 0: 'weight' is infinite"),
        ({}, FRAME[["name"]], errors.LearningError, "no column holds measurements"),
        ({"method": "kmeans"}, FRAME, errors.LearningError, "unknown method 'kmeans'"),
        ({"encode": "onehot"}, FRAME, errors.LearningError, "unknown encode 'onehot'"),
        ({"bins": 1}, FRAME, errors.LearningError, "'height' cannot be put into 1 bins"),
        ({"bins": 2.5}, FRAME, errors.LearningError, "bins of 'height' are a whole number"),
        ({"initial_bins": "a"}, FRAME, errors.LearningError, "initial_bins are a whole number"),
        ({"bins": {"height": 2}}, FRAME, errors.LearningError, "bins names no number for 'weight'"),
        ({"units": {"size": "m"}}, FRAME, errors.UnknownVariableError, "no column 'size'"),
        ({"method": "entropy"}, FRAME, errors.LearningError, "takes a target"),
        (
            {"method": "entropy", "target": "weight"},
            FRAME,
            errors.LearningError,
            "'weight' holds real numbers",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name(options, frame, error, message):
    with pytest.raises(error, match=message):
        mm.Discretizer(**options).fit(frame)


def test_rows_that_do_not_fit_are_refused():
    fitted = mm.Discretizer().fit(FRAME)
    with pytest.raises(errors.UnknownVariableError, match="no column 'height'"):
        fitted.transform(FRAME.drop(columns="height"))
    with pytest.raises(errors.EvidenceError, match="row 0: 'height' is infinite"):
        fitted.transform(with_cell("height", np.inf))
    with pytest.raises(errors.LearningError, match="3 columns for 4 names"):
        fitted.transform(FRAME.to_numpy()[:, :3])
    with pytest.raises(errors.UnknownStateError, match="no state 'tall'"):
        fitted.inverse_transform(FRAME.assign(height="tall"))
    with pytest.warns(BinsWarning, match="'many' is put into 2 bins, not 3"):
        mm.Discretizer(columns=["many"]).fit(FRAME.assign(many=[0.5] * 250 + [1.5] * 50))
