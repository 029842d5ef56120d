"""The declaration of a classification: defaults, both sources of rows, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmgraph as mm
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    read_classification,
)
from mmgraph.experiments.reader import Reader
from mmgraph.graph.errors import FormatError

WHOLE = """
title = "All entries"
[data]
file = "rows.csv"
schema = "schema.toml"
read = { missing = ["NA"], separator = ";" }
[classifier]
leaves = ["mixture", "trees"]
joint = ["trees"]
folds = 3
[validation]
folds = 4
seed = 7
[report]
given = [["sound"]]
"""


def read(path: Path, text: str) -> ClassificationDeclaration:
    declared = path / "own.toml"
    declared.write_text(text)
    return read_classification(Reader(declared))


def test_every_entry_is_read(tmp_path: Path):
    declared = read(tmp_path, WHOLE)
    assert (declared.name, declared.title) == ("own", "All entries")
    assert (declared.file, declared.schema) == ("rows.csv", "schema.toml")
    assert declared.reading == {"missing": ["NA"], "separator": ";"}
    assert (declared.leaves, declared.joint) == (("mixture", "trees"), ("trees",))
    assert (declared.inner_folds, declared.folds, declared.seed) == (3, 4, 7)
    assert declared.given == (("sound",),)


def test_what_is_not_said_is_the_classifiers_own(tmp_path: Path):
    default = mm.MultimodalClassifier()
    declared = read(tmp_path, '[data]\nfile = "rows.csv"\nschema = "schema.toml"')
    assert (declared.leaves, declared.joint) == (default.leaves, default.joint)
    assert (declared.inner_folds, declared.folds, declared.seed) == (default.folds, 5, 0)
    assert (declared.given, declared.title) == ((), "")


def test_leaves_by_modality_and_no_joint_ones(tmp_path: Path):
    text = WHOLE.replace('["mixture", "trees"]', '{ sound = "trees", lab = [] }')
    declared = read(tmp_path, text.replace('joint = ["trees"]', "joint = []"))
    assert declared.leaves == {"sound": ("trees",), "lab": ()}
    assert declared.joint == ()


@pytest.mark.parametrize(
    "schema", ['[data.schema]\na = { modality = "m" }', '[data.schema.columns]\na.modality = "m"']
)
def test_a_schema_inline(tmp_path: Path, schema: str):
    declared = read(tmp_path, f'[data]\nfile = "rows.csv"\n{schema}')
    assert declared.schema == {"a": {"modality": "m"}}


def test_a_column_called_columns(tmp_path: Path):
    text = '[data]\nfile = "rows.csv"\n[data.schema]\ncolumns = { modality = "m" }'
    assert read(tmp_path, text).schema == {"columns": {"modality": "m"}}


def test_groups(tmp_path: Path):
    text = '[data]\ndataset = "home_activities"\ntarget = "class"\n'
    assert read(tmp_path, text).groups is None
    for written, expected in (('"block"', "block"), ("[0, 466, 932]", (0, 466, 932))):
        assert read(tmp_path, f"{text}groups = {written}").groups == expected
    assert read_classification(Reader("home_activities")).groups == "block"


def test_unknown_model_name():
    with pytest.raises(FormatError, match="did you mean 'home_activities'"):
        Reader("home_activites")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "All entries"', "title = 3", "'title' must be of type str"),
        ("folds = 4", "fold = 4", r"\[validation\] has 'fold'; did you mean 'folds'"),
        ("folds = 4", "folds = 1", r"\[validation\] 'folds' must lie between 2"),
        ("folds = 3", "folds = 1", r"\[classifier\] 'folds' must lie between 2"),
        ("seed = 7", "seed = -1", r"\[validation\] 'seed' must lie between 0"),
        ('["mixture", "trees"]', '["mixtur"]', r"'leaves' names the leaf 'mixtur'; did you mean"),
        ('["mixture", "trees"]', '{ a = ["tree"] }', r"\[classifier.leaves\] 'a' names the leaf"),
        (
            '["mixture", "trees"]',
            "3",
            r"'leaves' is 'auto', a leaf or a list of them \(logistic, ",
        ),
        ('joint = ["trees"]', 'joint = "tree"', "'joint' names the leaf 'tree'; did you mean"),
        ('[["sound"]]', "[]", r"\[report\] 'given' cannot be \[\]; a list was expected"),
        ('[["sound"]]', '["sound"]', "given must be a list of lists of modalities"),
        ('[["sound"]]', "[[3]]", "given must be a list of lists of modalities"),
        ("[data]", "[data", "not a TOML file"),
        ("[data]", "[date]", "there is no place for 'date'; did you mean 'data'"),
        ("[validation]", "[learning]\n[validation]", r"'learning' any more: \[validation\] has"),
        ("[validation]", "[[leaf]]\n[validation]", r"'leaf' any more: \[classifier\] leaves"),
        ("[validation]", "[network]\n[validation]", r"'network' any more: \[data\] target"),
        ("[data]", '[data]\ndataset = "digits"', r"\[data\] names both: dataset = a name of"),
        ('file = "rows.csv"', "", r"\[data\] needs one of the two: dataset = a name of"),
        ('file = "rows.csv"', 'dataset = "rows.csv"', "a table of your own is file = 'rows.csv'"),
        ('file = "rows.csv"', 'dataset = "digits"', r"\[data\] 'schema' goes with a file"),
        ("[data]", '[data]\ntarget = "y"', "'target' goes with a dataset; a schema says it"),
        ("[data]", '[data]\ngroups = "home"', "'groups' goes with a dataset; a schema says it"),
        ('"schema.toml"', "3", "'schema' is the path of a schema, or a table of columns, not 3"),
        ("missing =", "mising =", r"\[data\] 'read': .* by 'mising'; did you mean 'missing'"),
        ('separator = ";"', "separator = 3", r"\[data\] 'read': separator is a text, not 3"),
        ("[data]", "[data]\ngroups = 3", "'groups' is the name of a column, or the first row"),
        ("[data]", "[data]\ngroups = [5, 9]", r"not \[5, 9\]"),
        ("[data]", "[data]\ngroups = [0, 9, 9]", r"not \[0, 9, 9\]"),
        ("[data]", "[data]\ngroups = [0]", r"not \[0\]"),
        ("[data]", '[data]\ngroups = ""', "not ''"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, old: str, new: str, message: str):
    assert old in WHOLE
    with pytest.raises(FormatError, match=f"own.toml: .*{message}"):
        read(tmp_path, WHOLE.replace(old, new, 1))


def test_a_table_that_is_none(tmp_path: Path):
    with pytest.raises(FormatError, match=r"own.toml: the table \[report\] is none, but 3"):
        read(tmp_path, f"report = 3\n{WHOLE.partition('[report]')[0]}")
