"""States learned from columns: measurements and identifiers are named, bins are offered."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.discretisation.cut_points import BinsWarning
from mmgraph.data.inferred_states import ManyStatesWarning, measured_columns
from mmgraph.graph.errors import (
    LearningError,
    UnknownStateError,
    UnknownVariableError,
)

GENERATOR = np.random.default_rng(0)
AGE = GENERATOR.integers(20, 52, 300)
FRAME = pd.DataFrame(
    {"age": AGE, "ill": np.where(AGE + GENERATOR.normal(0, 5, 300) > 40, "yes", "no")}
)


def test_many_states_are_warned_of_and_bins_offered():
    codes = FRAME.assign(age=[f"{age} years" for age in AGE])
    with pytest.warns(ManyStatesWarning, match=r"'age' of the data frame has 32 .*states"):
        mm.BayesianNetwork.from_data(codes, [("age", "ill")])
    people = FRAME.assign(person=[f"p{i}" for i in range(300)])
    with pytest.warns(ManyStatesWarning, match="'person' .*identifier"):
        mm.BayesianNetwork.from_data(people, [], variables=["ill", "person"])
    words = FRAME.assign(word=[f"w{i % 30}" for i in range(300)])
    with pytest.warns(ManyStatesWarning, match="'word' .*30 distinct cells, which are many"):
        mm.BayesianNetwork.from_data(words, [], variables=["ill", "word"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ManyStatesWarning)
        mm.BayesianNetwork.from_data(FRAME.assign(age=AGE // 5), [("age", "ill")])


def test_numbers_are_read_by_the_bin_that_holds_them(tmp_path):
    net = mm.BayesianNetwork.from_data(FRAME, [("age", "ill")], bins={"age": 4})
    labels = net.variables["age"].labels
    assert len(labels) == 4
    assert labels[0].startswith("(-inf, ")
    assert labels[-1].endswith(", inf)")
    counts = net.distribution("age").values * 300
    assert counts.min() > 50  # of 75 if there were no ties
    edges = [float(label.split(", ")[0][1:]) for label in labels[1:]]
    expected = np.searchsorted(edges, AGE, side="right")
    assert [net.variables["age"].code(x) for x in AGE] == expected.tolist()
    table = net.distribution("ill").values
    for age in (-5, 20, 33.3, 200, "47", np.float32(30)):  # never seen, and read all the same
        row = int(np.searchsorted(edges, float(age), side="right"))
        assert torch.allclose(mm.query(net, {"age": age}).marginal("ill")[0], table[row])
    mm.write(net, tmp_path / "net.bif")
    again = mm.read(tmp_path / "net.bif")
    np.testing.assert_allclose(again.predict_proba(FRAME, "ill"), net.predict_proba(FRAME, "ill"))


def test_values_that_are_the_same_share_a_bin():
    z = [0.0] * 70 + [1, 2, 3, 4, 5] * 6
    frame = pd.DataFrame({"z": z, "y": [int(x > 0) for x in z]})
    for count in (2, 3, 5):
        with pytest.warns(BinsWarning) if count > 2 else warnings.catch_warnings():
            net = mm.BayesianNetwork.from_data(frame, [("z", "y")], bins={"z": count})
        assert len(net.variables["z"].labels) > 1
        assert net.variables["z"].code(0) == 0
        assert net.distribution("y").values[0].tolist() == [1, 0]
    with pytest.warns(BinsWarning, match="into 2 bins, not 3"):
        mm.BayesianNetwork.from_data({"a": [1, 1, 1, 2]}, [], bins={"a": 3})


def test_single_precision_falls_into_the_bins_of_its_spelling():
    cells = np.array([0.1, 0.2, 0.3, 0.4] * 5, np.float32)
    for data in ({"A": cells}, pd.DataFrame({"A": cells})):
        net = mm.BayesianNetwork.from_data(data, [], bins={"A": 2})
        assert net.distribution("A").values.tolist() == [0.5, 0.5]


def test_truth_values_in_text_are_truth_values(tmp_path):
    frame = pd.DataFrame({"a": [True, False, True], "b": ["NA", "x", "y"]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for data in (frame, tmp_path / "rows.csv"):
        net = mm.BayesianNetwork.from_data(data, [], missing=["NA"], method="em")
        assert net.variables["a"].labels == (False, True)
        assert net.variables["b"].labels == ("x", "y")
    net = mm.BayesianNetwork.from_data(frame.astype("category"), [], missing=["NA"], method="em")
    assert net.variables["b"].labels == ("x", "y")


def test_bins_between_edges():
    bins = {"age": [0, 30, 40, 60]}
    net = mm.BayesianNetwork.from_data(FRAME, [("age", "ill")], bins=bins)
    assert net.variables["age"].labels == ("[0, 30)", "[30, 40)", "[40, 60]")
    assert [net.variables["age"].code(x) for x in (0, 29.9, 30, 60)] == [0, 0, 1, 2]
    with pytest.raises(UnknownStateError, match="no state 61"):
        mm.query(net, {"age": 61})
    cut = FRAME.assign(age=pd.cut(FRAME["age"], [0, 30, 40, 60]))
    theirs = mm.BayesianNetwork.from_data(cut, [("age", "ill")])
    assert theirs.variables["age"].labels == ("(0, 30]", "(30, 40]", "(40, 60]")
    assert [theirs.variables["age"].code(x) for x in (30, 30.1)] == [0, 1]
    np.testing.assert_allclose(theirs.predict_proba(cut, "ill"), theirs.predict_proba(FRAME, "ill"))


@pytest.mark.parametrize(
    ("bins", "error", "message"),
    [
        ({"age": 1}, LearningError, "two bins"),
        ({"age": [0, 10]}, LearningError, "three or more that rise"),
        ({"age": [0, 10, 10]}, LearningError, "three or more that rise"),
        ({"agee": 3}, UnknownVariableError, "did you mean 'age'"),
        ({"ill": 3}, Exception, "'ill' is no number"),
    ],
)
def test_bins_that_are_none_are_refused(bins, error, message):
    with pytest.raises(error, match=message):
        mm.BayesianNetwork.from_data(FRAME, [("age", "ill")], bins=bins)
    with pytest.raises(LearningError, match="'age' is given both states and bins"):
        mm.BayesianNetwork.from_data(FRAME, [], states={"age": [1, 2]}, bins={"age": 3})


def test_measurements_are_continuous_and_labels_are_not():
    source = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "pressure": source.normal(120, 10, 300).round(1),
            "age": AGE,
            "children": source.integers(0, 8, 300),
            "grade": source.integers(0, 8, 300) / 2,
            "flag": source.random(300) < 0.5,
            "zip": [f"0{i % 30}" for i in range(300)],
            "ward": pd.Categorical(source.integers(0, 40, 300)),
            "number": np.arange(300),
        }
    )
    expected = ["pressure", "age", "grade"]
    assert measured_columns(mm.open_table(frame), frame.columns) == expected
    holed = frame.copy()
    holed.loc[3, ["pressure", "age", "children"]] = np.nan
    assert measured_columns(mm.open_table(holed), frame.columns) == expected
    assert measured_columns(mm.open_table(frame), frame.columns, 7) == expected
    with pytest.warns(ManyStatesWarning, match="'number' .*identifier"):
        net = mm.BayesianNetwork.from_data(
            frame.drop(columns=["zip", "ward"]), [("flag", "pressure"), ("age", "pressure")]
        )
    kinds = {n: v.is_discrete for n, v in net.variables.items()}
    assert [n for n, discrete in kinds.items() if not discrete] == expected
    assert net.variable("children").labels == tuple(range(8))
    regression = net.distribution("pressure")
    assert isinstance(regression, mm.LinearGaussian)
    assert net.parents("pressure") == ("flag", "age")
    assert regression.coefficients.shape == (2, 1)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_files_have_the_kinds_of_frames(tmp_path, name):
    source = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "x": source.normal(size=90).round(2),
            "many": source.integers(100, 180, 90),
            "few": source.integers(0, 3, 90),
            "word": source.choice(["a", "b"], 90),
        }
    )
    if name.endswith("csv"):
        text = frame.to_csv(index=False, float_format="%.2f")  # "1.50" is a number, if no label
        (tmp_path / name).write_text(text.replace("\n", "\n,,,\n", 1).replace(",,,", ",,1,a", 1))
    else:
        frame.to_parquet(tmp_path / name)
    table = mm.open_table(tmp_path / name)
    assert measured_columns(table, table.columns, 20) == ["x", "many"]


def test_the_user_says_what_is_continuous_and_what_is_not():
    frame = FRAME.assign(few=AGE % 4)
    net = mm.BayesianNetwork.from_data(frame, [("few", "age")], continuous=["few"])
    assert not net.variable("few").is_discrete
    labels = sorted(set(AGE.tolist()))
    net = mm.BayesianNetwork.from_data(frame, [("age", "ill")], states={"age": labels})
    assert net.variable("age").labels == tuple(labels)
    refused = r"age -> ill: 'age' is continuous.*bins=\{'age': 5\}.*turn the edge around"
    with pytest.raises(LearningError, match=refused):
        mm.BayesianNetwork.from_data(frame, [("age", "ill")])
    for option in ({"bins": {"age": 3}}, {"states": {"age": labels}}):
        with pytest.raises(LearningError, match="'age' is continuous, and given states or bins"):
            mm.BayesianNetwork.from_data(frame, [], continuous="age", **option)
    with pytest.raises(UnknownVariableError, match=r"continuous names 'agee'.* mean 'age'"):
        mm.BayesianNetwork.from_data(frame, [], continuous=["agee"])
    with pytest.raises(LearningError, match="'ill' of the data frame holds texts"):
        mm.BayesianNetwork.from_data(frame, [], continuous=["ill"])
    with pytest.raises(LearningError, match="has the same value"):
        mm.BayesianNetwork.from_data(frame.assign(x=2.5), [])


@pytest.mark.parametrize("kind", ["frame", "file"])
@pytest.mark.parametrize("edge", [("x", "y"), ("y", "x")])
def test_a_text_among_fractions_is_told_with_its_row(kind, edge, tmp_path):
    source = np.random.default_rng(0)
    x = source.normal(size=40).astype(object)
    x[3] = "n/a"
    data = pd.DataFrame({"x": x, "y": source.normal(size=40)})
    where = "row 3"
    if kind == "file":
        data.to_csv(tmp_path / "xy.csv", index=False)
        data, where = tmp_path / "xy.csv", "line 5"
    message = rf"{where}: the column 'x' holds numbers, but for 'n/a': .* missing=\['n/a'\]"
    with pytest.raises(LearningError, match=message):
        mm.BayesianNetwork.from_data(data, [edge])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = mm.BayesianNetwork.from_data(data, [edge], missing=["n/a"])
    assert not net.variable("x").is_discrete


def test_texts_and_whole_numbers_may_be_states():
    cells = [str(number) for number in range(1, 16)] + ["X", "Y"]
    net = mm.BayesianNetwork.from_data({"chromosome": cells * 3}, [])
    assert net.variable("chromosome").cardinality == 17


def test_texts_are_not_continuous():
    data = {"sex": ["m", "f", None, "m"], "y": [1.5, 2.5, 3.0, 0.1]}
    with pytest.raises(LearningError, match=r"'sex' of the arrays holds texts \('m'\)"):
        mm.BayesianNetwork.from_data(data, [("y", "sex")], continuous=["sex"])


def test_few_whole_numbers_may_be_called_continuous():
    source = np.random.default_rng(0)
    data = {"cells": np.arange(8) * 3, "y": source.normal(size=8)}
    with pytest.raises(LearningError, match=r"measures something: continuous=\['cells'\]"):
        mm.BayesianNetwork.from_data(data, [("y", "cells")])
    net = mm.BayesianNetwork.from_data(data, [("y", "cells")], continuous=["cells"])
    assert not net.variable("cells").is_discrete
