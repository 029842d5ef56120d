"""Schemas proposed from names and cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm
from mmgraph.graph.errors import SchemaError

ROWS = 40
RANDOM = np.random.default_rng(0)


def column(name: str, values: object, target: str | None = None):
    """What is proposed for a column beside another one."""
    frame = pd.DataFrame({name: values, "beside": RANDOM.standard_normal(ROWS)})
    return mm.Schema.guess(frame, target).columns[name]


@pytest.mark.parametrize(
    ("name", "values", "kind", "note"),
    [
        ("x", RANDOM.standard_normal(ROWS), "continuous", ""),
        ("x", ["yes", "no"] * 20, "categorical", ""),
        ("x", [True, False] * 20, "categorical", ""),
        ("x", [0, 1] * 20, "categorical", ""),
        ("x", [1, 2, 3, 4] * 10, "categorical", "4 whole numbers; ordinal or count"),
        ("tumour grade", [1, 2, 3, 4] * 10, "ordinal", ""),
        ("word_count", list(range(30, 50)) * 2, "count", ""),
        ("x", list(range(0, 40, 2)) * 2, "continuous", "a count, perhaps"),
        ("x", [*range(100, 1000, 25), 5, 7, 9, 12], "continuous", ""),
        ("x", [f"picture {i}.png" for i in range(ROWS)], "image_path", ""),
        ("x", [f"the patient said {i} words" for i in range(ROWS)], "text", ""),
        ("x", [[1.0, 2.0]] * ROWS, "time_series", ""),
        ("x", [f"[{i}, {i}]" for i in range(ROWS)], "time_series", "lists of numbers, it seems"),
        (
            "x",
            [*map(str, range(3, 80, 2)), "n/a"],
            "continuous",
            "'n/a' is a missing cell",
        ),
        ("x", [*map(str, range(3, 80, 2)), "high"], "continuous", "'high' is no number; if it is"),
        ("x", ["0", "1"] * 19 + ["NA", "1"], "categorical", "--read missing=NA"),
        ("x", ["mild", "severe"] * 19 + [" ", "mild"], "categorical", "' ' is a missing cell"),
        ("x", ["ja", "nein"] * 19 + ["ja ", "ja"], "categorical", "'ja' and 'ja ' are two states"),
        ("x", [f"{i},{i}" for i in range(ROWS)], "continuous", "--read decimal=,"),
        ("x", [f"c{i % 25}" for i in range(ROWS)], "categorical", "25 distinct texts are many"),
    ],
)
def test_kinds(name, values, kind, note):
    found = column(name, values)
    assert (found.kind, found.role) == (kind, "feature")
    assert note in found.note
    assert bool(note) == bool(
        found.note.removeprefix("no other name begins like this one; ").removeprefix(
            "no other name begins like this one"
        )
    )


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("patient", ["a", "b", "c", "d"] * 10, "group"),
        ("recording_id", [1, 2, 3, 4] * 10, "group"),
        ("patient", [f"p{i}" for i in range(ROWS)], "ignored"),
        ("id", list(range(5, 5 + ROWS)), "ignored"),
        ("x", list(range(ROWS)), "ignored"),
        ("x", [f"word{i}" for i in range(ROWS)], "ignored"),
        ("x", [3] * ROWS, "ignored"),
        ("x", [None] * ROWS, "ignored"),
        ("weight", np.ones(ROWS) + RANDOM.random(ROWS), "weight"),
        ("timestamp", list(range(ROWS)), "time"),
        ("x", [f"2021-{1 + i // 20:02}-{1 + i % 20:02}" for i in range(ROWS)], "time"),
        ("class", ["a", "b"] * 20, "target"),
    ],
)
def test_roles(name, values, role):
    found = column(name, values)
    assert found.role == role
    assert found.modality is None
    assert found.note


def test_the_target_that_is_asked_for_needs_no_note():
    found = column("x", ["a", "b"] * 20, target="x")
    assert (found.role, found.kind, found.note) == ("target", "categorical", "")
    assert column("x", RANDOM.standard_normal(ROWS), target="x").kind == "continuous"


@pytest.mark.parametrize(
    ("names", "modalities"),
    [
        (["v1_a", "v1_b", "v2_a", "v2_b"], ["v1", "v1", "v2", "v2"]),
        (["gene.1", "gene.2", "age", "size"], ["gene", "gene", "table", "table"]),
        (["X200_at", "X31_s_at", "age"], ["X", "X", "table"]),
        (
            ["sensor_left_x", "sensor_left_y", "sensor_right_x", "sensor_right_y"],
            ["sensor_left", "sensor_left", "sensor_right", "sensor_right"],
        ),
        (["age", "size"], ["table", "table"]),
    ],
)
def test_modalities_by_prefix(names, modalities):
    frame = pd.DataFrame(RANDOM.standard_normal((ROWS, len(names))), columns=names)
    schema = mm.Schema.guess(frame)
    assert [schema.columns[name].modality for name in names] == modalities


def test_a_proposal_describes_its_own_table(tmp_path):
    frame = pd.DataFrame(
        {
            "patient": np.repeat(["a", "b", "c", "d"], 10),
            "v1_x": RANDOM.standard_normal(ROWS),
            "v1_y": np.where(RANDOM.random(ROWS) < 0.3, np.nan, 1.5),
            "v2_x": RANDOM.choice(["low", "high"], ROWS),
            "site": ["x", "y"] * 20,
            "y": ["a", "b"] * 20,
        }
    )
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    for data in (frame, path):
        schema = mm.Schema.guess(data)
        assert schema.resolved(frame.columns) == schema
        assert (schema.target, schema.group) == ("y", "patient")
        assert schema.columns["site"].role == "ignored"  # a group, too: there is one only
        assert "'patient' has that role" in schema.columns["site"].note
    assert len(mm.MultimodalData.read(path, schema)) == ROWS


def test_what_nothing_can_be_proposed_from():
    with pytest.raises(SchemaError, match="has no rows"):
        mm.Schema.guess(pd.DataFrame({"a": []}))
    with pytest.raises(SchemaError, match="has no column 'z'"):
        mm.Schema.guess(pd.DataFrame({"a": [1.0]}), "z")


def test_the_index_that_pandas_writes_is_ignored(tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"x": RANDOM.standard_normal(ROWS), "y": ["a", "b"] * 20}).to_csv(path)
    proposed = mm.Schema.guess(path)
    assert proposed.columns[""].role == "ignored"
    assert "no name" in proposed.columns[""].note
    proposed.write(tmp_path / "schema.toml")
    data = mm.MultimodalData.read(path, tmp_path / "schema.toml")
    assert (len(data), data.modalities) == (ROWS, ("table",))


def test_images_texts_and_sequences_are_modalities_alone(tmp_path):
    frame = pd.DataFrame(
        {
            "lab_a": RANDOM.standard_normal(ROWS),
            "lab_b": RANDOM.standard_normal(ROWS),
            "lab": ["a text of some more words"] * 20 + ["and another text of words"] * 20,
            "lab_curve": ["[1, 2]", "[3]"] * 20,
            "age": RANDOM.standard_normal(ROWS),
        }
    )
    schema = mm.Schema.guess(frame)
    assert schema.modalities == {
        "lab": ("lab_a", "lab_b"), "lab (text)": ("lab",), "lab_curve": ("lab_curve",),
        "table": ("age",),
    }  # fmt: skip
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert len(mm.MultimodalData.read(tmp_path / "rows.csv", schema)) == ROWS
