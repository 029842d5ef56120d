"""Schemas in files: what is written is read again, and what is no schema is refused by name."""

from __future__ import annotations

import copy
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.schema.columns import KINDS, Column
from mmgraph.graph.errors import FormatError, SchemaError

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
labels = st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.floats(-1e6, 1e6))


@st.composite
def columns(draw):
    kind = draw(st.sampled_from(KINDS))
    states = None
    if kind in ("categorical", "ordinal"):
        distinct = st.lists(labels, min_size=1, max_size=3, unique=True)
        states = draw(st.none() | distinct.map(tuple))
    return Column(
        draw(texts),
        draw(texts),
        kind,
        draw(st.sampled_from(("feature", "intervention"))),
        draw(st.none() | texts),
        draw(st.none() | st.integers(0, 9)),
        states,
        note=draw(st.sampled_from(("", "a note", "two\nlines\x07"))),
    )


readings = st.fixed_dictionaries(
    {},
    optional={
        "missing": st.lists(texts | st.integers(-999, 999), max_size=3),
        "separator": st.sampled_from(";|\t"),
        "encoding": st.sampled_from(("latin-1", "utf-16")),
        "decimal": st.just(","),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(columns(), min_size=1, max_size=4, unique_by=lambda c: c.name), readings)
def test_what_is_written_is_read_again(tmp_path_factory, described, reading):
    schema = mm.Schema(described, reading)
    path = tmp_path_factory.mktemp("schema") / "schema.toml"
    schema.write(path)
    assert mm.Schema.read(path) == schema
    entries = tomllib.loads(schema.to_toml("a\ntitle"))
    assert set(entries) == {"columns", "read"} if reading else {"columns"}
    resolved = schema.with_column(described[0].name, tier=3)
    assert (resolved.reading, copy.deepcopy(schema)) == (reading, schema)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[columns", FormatError, "not a TOML file"),
        ("", FormatError, r"a schema is one table, \[columns\], .*; it is missing"),
        ("x = 1\n[columns]", FormatError, "there is no place for 'x'"),
        ("[columns]\na = {kind = 'real'}", SchemaError, "schema.toml: the column 'a' has the kind"),
        ("[columns]\na = {}\na = {}", FormatError, "a column stands there twice"),
        ("columns = 3", SchemaError, "schema.toml: a schema has a table of columns, not 3"),
        (
            "read = 3\n[columns]",
            SchemaError,
            "how a table is read is a table of",
        ),
        (
            "[read]\nseparater = ';'\n[columns]",
            SchemaError,
            "did you mean 'separator'",
        ),
        ("[read]\nencoding = 8\n[columns]", SchemaError, "encoding is a text, not 8"),
        (
            "[read]\nmissing = [[1]]\n[columns]",
            SchemaError,
            "missing is a list of texts",
        ),
    ],
)
def test_files_that_are_none(tmp_path, text, error, message):
    path = tmp_path / "schema.toml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        mm.Schema.read(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"there is no file .*none\.toml"):
        mm.Schema.read(tmp_path / "none.toml")
    with pytest.raises(FormatError, match="cannot be read"):
        mm.Schema.read(tmp_path)
