"""What a schema says of a table's columns, and tables that it does not describe."""

from __future__ import annotations

import copy
import pickle

import pytest

import mmgraph as mm
from mmgraph.data.schema.columns import Column
from mmgraph.graph.errors import SchemaError, UnknownVariableError

ENTRIES = {
    "age": {"modality": "clinical", "unit": "years", "tier": 0},
    "g_*": {"modality": "genes"},
    "g_7": {"role": "ignored"},
    "relapse": {"role": "target", "kind": "categorical", "states": ["no", "yes"]},
    "patient": {"role": "group"},
}
NAMES = ["patient", "g_1", "g_7", "age", "g_2", "relapse"]


def test_patterns_stand_for_the_columns_like_them():
    schema = mm.Schema.of(ENTRIES).resolved(NAMES)
    assert list(schema.columns) == ["age", "g_1", "g_2", "g_7", "relapse", "patient"]
    assert schema.modalities == {"clinical": ("age",), "genes": ("g_1", "g_2")}
    assert (schema.target, schema.group, schema.role("weight")) == ("relapse", "patient", None)
    assert schema.columns["age"] == Column("age", "clinical", unit="years", tier=0)
    assert schema.columns["relapse"].states == ("no", "yes")
    assert schema.with_column("age", kind="count").columns["age"].kind == "count"


def test_schemas_are_values():
    schema = mm.Schema.of(ENTRIES)
    for other in (copy.deepcopy(schema), pickle.loads(pickle.dumps(schema))):
        assert other == schema
    assert schema != schema.with_column("age", unit="months")
    assert schema == mm.Schema(schema.columns.values())


def test_columns_by_modality():
    schema = mm.Schema.of_modalities(
        {"clinical": ["age", "er"], "genes": ["g1"]}, {"er": "categorical"}, target="y", group=None
    )
    assert schema.modalities == {"clinical": ("age", "er"), "genes": ("g1",)}
    assert schema.columns["er"].is_discrete
    assert schema.columns["g1"].is_numeric
    assert schema.target == "y"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": {"modality": "m", "kind": "real"}}, "'a' has the kind 'real' .one of continuous"),
        ({"a": {"modality": "m", "kind": "ordinl"}}, "'ordinl'; did you mean 'ordinal'"),
        ({"a": {"role": "traget"}}, "'traget'; did you mean 'target'"),
        ({"a": {}}, "'a' is in no modality: name one, or give it the role 'ignored'"),
        ({"a": {"modality": 3}}, "'a': modality is a text, not 3"),
        ({"a": {"modality": "m", "tier": True}}, "'a': tier is a whole number, not True"),
        ({"a": {"modality": "m", "states": ["x"]}}, "'a' is continuous and has no states"),
        (
            {"a": {"modality": "m", "kind": "ordinal", "states": ["x", "x"]}},
            "the states of the column 'a' are labels, each named once",
        ),
        ({"a": {"modality": "m", "knd": "count"}}, "'a' has an entry 'knd'; did you mean 'kind'"),
        ({"a": "m"}, "the schema's column 'a' has no table of entries"),
        (["a"], "a schema has a table of columns"),
        (
            {"a": {"role": "group"}, "b": {"role": "group"}},
            "'a', 'b' have the role 'group'; only one column may",
        ),
    ],
)
def test_what_is_no_schema(entries, message):
    with pytest.raises(SchemaError, match=message):
        mm.Schema.of(entries)


def test_a_column_twice():
    with pytest.raises(SchemaError, match="describes the column 'a' twice"):
        mm.Schema([Column("a", "m"), Column("a", "n")])
    for modalities, message in (
        ({"m": ["a"], "n": ["a"]}, "the column 'a' stands in 'm' and in 'n'"),
        ({"m": ["a", "a"]}, "the column 'a' stands twice in 'm'"),
        ({"m": []}, "the modality 'm' has no columns"),
    ):
        with pytest.raises(SchemaError, match=message):
            mm.Schema.of_modalities(modalities)


def test_schemas_of_other_tables():
    schema = mm.Schema.of(ENTRIES)
    for names, message in (
        ([n for n in NAMES if n != "age"], "t.csv has no column 'age', which the schema names"),
        ([*NAMES, "ags"], "says nothing of the column 'ags' of t.csv: .*; did you mean 'age'"),
        (["patient", "g_7", "age", "relapse"], "t.csv has no column like 'g_.'"),
    ):
        with pytest.raises(SchemaError, match=message):
            schema.resolved(names, "t.csv")
    with pytest.raises(UnknownVariableError, match="the schema has no column 'agee'"):
        schema.with_column("agee", unit="years")
