"""Tables as rows of several modalities, by a schema."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mmgraph as mm
from mmgraph.data.reading import UnknownStateWarning
from mmgraph.graph.errors import (
    EvidenceError,
    FormatError,
    LearningError,
    SchemaError,
    UnknownStateError,
)

FRAME = pd.DataFrame(
    {
        "who": ["ann", "bob", "ann"],
        "age": [30.5, np.nan, 41.0],
        "stage": ["I", "III", None],
        "words": [3, 4, 5],
        "note": ["stable since", None, "worse"],
        "beat": ["[1, 2]", "", "[3.5]"],
        "picture": ["a.png", "b.png", None],
        "extra": [1, 2, 3],
        "share": [1.0, 2.0, 0.5],
        "when": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]),
        "ill": ["yes", "no", None],
    }
)
SCHEMA = mm.Schema.of(
    {
        "who": {"role": "group"},
        "age": {"modality": "clinic"},
        "stage": {"modality": "clinic", "kind": "ordinal", "states": ["I", "II", "III"]},
        "words": {"modality": "clinic", "kind": "count"},
        "note": {"modality": "note", "kind": "text"},
        "beat": {"modality": "beat", "kind": "time_series"},
        "picture": {"modality": "picture", "kind": "image_path"},
        "extra": {"role": "ignored"},
        "share": {"role": "weight"},
        "when": {"role": "time"},
        "ill": {"role": "target", "kind": "categorical"},
    }
)


@pytest.fixture
def folder(tmp_path):
    """A CSV file beside the pictures that it names."""
    Image.fromarray(np.array([[0, 255, 51]], np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.array([[255, 255, 0]], np.uint8)).save(tmp_path / "b.png")
    FRAME.assign(when=[0.0, 86400.0, 172800.0]).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def test_every_kind_and_role(folder, monkeypatch):
    read = mm.MultimodalData.read(folder / "rows.csv", SCHEMA)
    monkeypatch.chdir(folder)
    in_memory = mm.MultimodalData.read(FRAME.assign(beat=[[1, 2], None, [3.5]]), SCHEMA)
    for data in (read, in_memory):
        np.testing.assert_array_equal(
            data.numbers("clinic"), [[30.5, 0, 3], [np.nan, 2, 4], [41.0, np.nan, 5]]
        )
        assert data.blocks["note"].values == ("stable since", None, "worse")
        beats = data.blocks["beat"].values
        assert [None if b is None else b.tolist() for b in beats] == [[[1.0], [2.0]], None, [[3.5]]]
        pictures = data.numbers("picture")
        np.testing.assert_allclose(pictures[:2], [[0, 1, 0.2], [1, 1, 0]], rtol=1e-6)
        assert data.blocks["picture"].missing.tolist() == [False, False, True]
        assert data.groups is not None
        assert (data.groups.name, data.groups.codes.tolist()) == ("who", [0, 1, 0])
        np.testing.assert_array_equal(data.weights, [1.0, 2.0, 0.5])
        np.testing.assert_array_equal(np.diff(data.times), [86400.0, 86400.0])
        assert data.target.labels == ("no", "yes")
        assert data.outcome is not None
        assert data.outcome.labels.tolist() == [1, 0, -1]
        assert data.schema is not None
        assert data.schema.columns["ill"].states == ("no", "yes")


def test_rows_that_a_model_answers_for():
    schema = mm.Schema.of(
        {
            "a": {"modality": "m", "kind": "categorical"},
            "b": {"modality": "m"},
            "c": {"modality": "n"},
            "y": {"role": "target", "kind": "categorical"},
        }
    )
    rows = pd.DataFrame({"a": ["u", "v"], "b": [1.0, 2.0], "c": [3.0, 4.0], "y": ["p", "q"]})
    learned = mm.MultimodalData.read(rows, schema)
    assert learned.schema is not None
    new = mm.MultimodalData.read(
        pd.DataFrame({"other": [9], "a": ["v"]}), learned.schema, partial=True
    )
    np.testing.assert_array_equal(new.numbers("m"), [[0, 1, np.nan]])  # v, and no b
    assert new.blocks["n"].missing.all()
    assert new.outcome is None
    with pytest.warns(UnknownStateWarning, match="row 1: 'a' has the state 'w', of which nothing"):
        unknown = mm.MultimodalData.read(
            pd.DataFrame({"a": ["u", "w", None]}), learned.schema, partial=True
        )
    np.testing.assert_array_equal(unknown.numbers("m")[:, :2], [[1, 0], [np.nan] * 2, [np.nan] * 2])
    with pytest.raises(UnknownStateError, match="row 0: variable 'y' has no state 'w'"):
        mm.MultimodalData.read(pd.DataFrame({"a": ["u"], "y": ["w"]}), learned.schema, partial=True)
    with pytest.raises(SchemaError, match="none of the columns that the schema names: 'a', 'b'"):
        mm.MultimodalData.read(pd.DataFrame({"other": [9]}), learned.schema, partial=True)
    with pytest.raises(LearningError, match="the data frame has no rows"):
        mm.MultimodalData.read(pd.DataFrame({"a": []}), learned.schema, partial=True)


def test_columns_of_one_state_and_of_none():
    frame = pd.DataFrame({"a": ["u", "u"], "b": [None, None], "c": [np.nan, np.nan]})
    kinds = {"a": "categorical", "b": "categorical"}
    data = mm.MultimodalData.read(frame, mm.Schema.of_modalities({"m": ["a", "b", "c"]}, kinds))
    np.testing.assert_array_equal(data.numbers("m"), [[1, np.nan, np.nan]] * 2)


@pytest.mark.parametrize(
    ("column", "cells", "error", "message"),
    [
        ("age", ["30", "old", "41"], EvidenceError, "line 3: 'age' is no number: 'old'"),
        (
            "stage",
            ["I", "IV", "II"],
            UnknownStateError,
            "line 3: variable 'stage' has no state 'IV'",
        ),
        (
            "who",
            ["ann", "", "bob"],
            LearningError,
            "line 3: there is no 'who', which names the row",
        ),
        ("beat", ["[1]", "[2", ""], LearningError, r"line 3: 'beat' is no list of numbers: '\[2'"),
        ("picture", ["a.png", "c.png", ""], FormatError, r"there is no image .*c\.png \(row 1\)"),
        (
            "picture",
            ["a.png", "rows.csv", ""],
            FormatError,
            r"rows\.csv \(row 1\) cannot be read as",
        ),
        ("picture", ["", "", ""], LearningError, "not one image is there"),
        ("age", ["30", "inf", "41"], EvidenceError, "line 3: 'age' is infinite"),
        (
            "age",
            ["30", "41", "-1e300"],
            EvidenceError,
            r"line 4: 'age' is beyond ±1e\+38 .*: -1e",
        ),
        ("share", [1.0, -2.0, 0.5], LearningError, "line 3: the weight 'share' is -2; weights are"),
        ("share", [1.0, 2.0, ""], LearningError, "line 4: the weight 'share' is missing"),
    ],
)
def test_cells_that_are_not_what_their_column_holds(folder, column, cells, error, message):
    path = folder / "wrong.csv"
    frame = FRAME.assign(when=[0.0, 1.0, 2.0]).astype({column: object})
    frame[column] = cells
    frame.to_csv(path, index=False)
    with pytest.raises(error, match=message):
        mm.MultimodalData.read(path, SCHEMA)


def test_groups_and_weights_that_are_spelled_as_missing(folder):
    path = folder / "wrong.csv"
    for column, message in (("who", "line 4: there is no 'who'"), ("share", "'share' is missing")):
        frame = FRAME.assign(when=[0.0, 1.0, 2.0]).astype({column: object})
        frame.loc[2, column] = "?"
        frame.to_csv(path, index=False)
        with pytest.raises(LearningError, match=message):
            mm.MultimodalData.read(path, SCHEMA, missing=["?"])


def test_a_schema_without_features():
    with pytest.raises(LearningError, match="there is no modality in the data frame: no column is"):
        mm.MultimodalData.read(
            FRAME[["ill"]], mm.Schema.of({"ill": {"role": "target", "kind": "categorical"}})
        )


def test_images_of_several_sizes(folder):
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "b.png")
    with pytest.raises(LearningError, match=r"a\.png has \(height, width, channels\) \(1, 3, 1\)"):
        mm.MultimodalData.read(folder / "rows.csv", SCHEMA)


def test_a_modality_of_several_kinds():
    schema = mm.Schema.of_modalities({"m": ["note", "age"]}, {"note": "text"})
    with pytest.raises(SchemaError, match="'m' holds columns of the kinds continuous, text"):
        mm.MultimodalData.read(FRAME[["note", "age"]], schema)
    with pytest.raises(SchemaError, match="the data frame has no column 'note'"):
        mm.MultimodalData.read(FRAME[["age"]], schema)
    with pytest.raises(SchemaError, match="says nothing of the column 'who' of the data frame"):
        mm.MultimodalData.read(FRAME[["age", "note", "who"]], schema)


@pytest.mark.parametrize("days", [pd.Series, lambda days: pd.Series(pd.to_datetime(days))])
def test_times_may_be_dates(days, tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "day": days(["1970-01-02", None, "1970-01-03"])})
    schema = mm.Schema.of({"x": {"modality": "m"}, "day": {"role": "time"}})
    expected = [86400.0, np.nan, 2 * 86400.0]
    np.testing.assert_array_equal(mm.MultimodalData.read(frame, schema).times, expected)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    read = mm.MultimodalData.read(tmp_path / "rows.csv", schema)
    np.testing.assert_array_equal(read.times, expected)
    columns = {"x": frame["x"].to_numpy(), "day": frame["day"].to_numpy()}
    np.testing.assert_array_equal(mm.MultimodalData.read(columns, schema).times, expected)
    assert repr(read) == "<MultimodalData: 3 rows of 'm'>"


def test_what_is_no_date_and_no_path():
    frame = pd.DataFrame({"x": [1.0, 2.0], "day": ["1970-01-02", "yesterday"]})
    schema = mm.Schema.of({"x": {"modality": "m"}, "day": {"role": "time"}})
    with pytest.raises(EvidenceError, match=r"row 1: 'day' is no date .*: 'yesterday'"):
        mm.MultimodalData.read(frame, schema)
    paths = mm.Schema.of({"x": {"modality": "m", "kind": "image_path"}})
    with pytest.raises(LearningError, match=r"row 0: 'x' is no path: 1\.0"):
        mm.MultimodalData.read(frame[["x"]], paths)
