"""Tables of all kinds as state indices, in one piece or chunk by chunk."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.column_codes import code_type
from mmgraph.data.encoding import CodedTable, coded_chunks, encode
from mmgraph.data.inferred_states import states_in
from mmgraph.graph import errors

VARIABLES = {
    v.name: v
    for v in (
        mm.Variable("colour", ("red", "green", "None")),
        mm.Variable("size", (10, 20, 30)),
        mm.Variable("level", 4),
        mm.Variable("open", (False, True)),
        mm.Variable("sound", shape=(2,), family="gaussian"),
    )
}
FRAME = pd.DataFrame(
    {
        "colour": ["green", "red", None, "None", "red"],
        "size": [30, 10, 20, 10, 10],
        "level": [0.0, 3.0, np.nan, 1.0, 2.0],
        "open": [True, False, True, True, False],
        "sound[1]": [0.5, 1.0, np.nan, 2.0, 1.0],
        "sound[0]": [5, 1, 2, 3, 4],
    }
)
CODES = {
    "colour": [1, 0, -1, 2, 0],
    "size": [2, 0, 1, 0, 0],
    "level": [0, 3, -1, 1, 2],
    "open": [1, 0, 1, 1, 0],
}


def in_file(frame: pd.DataFrame, path, ending: str) -> str:
    path = path / f"table{ending}"
    if ending.startswith(".csv"):
        frame.to_csv(path, index=False, na_rep="NA")
    else:
        frame.to_parquet(path)
    return str(path)


def check(rows) -> None:
    for name, codes in CODES.items():
        assert rows.column(name).tolist() == codes, name
    expected = FRAME[["sound[0]", "sound[1]"]].to_numpy(float)
    np.testing.assert_array_equal(rows.values["sound"], expected)
    assert rows.codes.dtype == np.int8
    assert rows.codes.flags.f_contiguous


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_files_are_read_in_chunks(tmp_path, ending, chunk_rows):
    file = mm.open_table(in_file(FRAME, tmp_path, ending), missing=["NA"])
    check(encode(file, VARIABLES, chunk_rows))
    table = coded_chunks(file, VARIABLES, chunk_rows)
    sizes = [len(rows) for rows in table]
    assert sizes == [len(rows) for rows in table]  # a second pass
    assert sum(sizes) == 5
    assert max(sizes) <= chunk_rows


def test_data_frames_arrays_and_evidence_are_alike():
    check(encode(FRAME, VARIABLES))
    check(encode(FRAME.astype({"colour": "category", "size": "Int64"}), VARIABLES))
    sound = torch.tensor(FRAME[["sound[0]", "sound[1]"]].to_numpy(float))
    arrays = {n: FRAME[n].tolist() for n in CODES}
    check(encode({**arrays, "sound": sound}, VARIABLES))
    check(encode({**{n: np.array(c) for n, c in CODES.items() if n not in ("size", "open")},
                  "size": FRAME["size"], "open": FRAME["open"].to_numpy(), "sound": sound},
                 VARIABLES))  # fmt: skip
    check(encode(mm.Evidence.of(FRAME, VARIABLES), VARIABLES))


def test_rows_become_the_evidence_that_they_are():
    ours, theirs = encode(FRAME, VARIABLES).evidence(), mm.Evidence.of(FRAME, VARIABLES)
    assert set(ours.columns) == set(theirs.columns)
    for name in ours.columns:
        assert torch.equal(ours.hard(name), theirs.hard(name))
    torch.testing.assert_close(ours.values["sound"], theirs.values["sound"], equal_nan=True)


def test_a_column_of_nothing_but_missing_cells_is_no_evidence():
    rows = encode({"level": [-1, -1], "size": [10, 20]}, VARIABLES)
    assert rows.evidence().columns == ("size",)


@pytest.mark.parametrize("cardinality", [1, 128, 129, 40000])
def test_codes_take_the_smallest_type(cardinality):
    kind = code_type(cardinality)
    assert np.iinfo(kind).max >= cardinality - 1
    codes = encode({"v": [cardinality - 1]}, {"v": mm.Variable("v", cardinality)}).codes
    assert codes.dtype == kind
    assert codes[0, 0] == cardinality - 1


def test_indices_of_labelled_states_in_a_file(tmp_path):
    frame = pd.DataFrame({"colour": [0, 2, 1]})
    for ending in (".csv", ".parquet"):
        rows = encode(in_file(frame, tmp_path, ending), VARIABLES)
        assert rows.column("colour").tolist() == [0, 2, 1]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".parquet", None])
def test_a_state_that_the_model_lacks_is_named_with_its_row(tmp_path, ending):
    frame = pd.DataFrame({"colour": ["red", "green", "gren", "red"]})
    data = frame if ending is None else in_file(frame, tmp_path, ending)
    table = coded_chunks(data, VARIABLES, 2)
    with pytest.raises(
        errors.UnknownStateError, match=r"(row 2|line 4): .*'colour'.*'gren'.*'green'"
    ):
        list(table)


@pytest.mark.parametrize("column", [[0, 4], [0, -2], [0.0, 1.5], [0, "x"]])
def test_an_index_that_is_no_state_is_named(column):
    with pytest.raises(errors.UnknownStateError, match=r"row 1: .*'level'"):
        encode({"level": column}, VARIABLES)


def test_an_unknown_column_is_named():
    with pytest.raises(errors.UnknownVariableError, match=r"'color'.*did you mean 'colour'"):
        encode(FRAME.rename(columns={"colour": "color"}), VARIABLES)


def test_an_empty_table_is_refused(tmp_path):
    empty = FRAME.iloc[:0]
    for data in (empty, in_file(empty, tmp_path, ".csv"), in_file(empty, tmp_path, ".parquet"), {}):
        with pytest.raises(errors.LearningError, match="no rows"):
            encode(data, VARIABLES)


def test_columns_of_a_vector_must_be_complete():
    with pytest.raises(errors.EvidenceError, match="1 of the 2 elements of 'sound'"):
        encode(FRAME.drop(columns="sound[0]"), VARIABLES)


def test_arrays_of_states_are_refused():
    image = mm.Variable("image", 3, shape=(2, 2))
    with pytest.raises(errors.LearningError, match="'image' is an array"):
        encode({"image": np.zeros((5, 2, 2), int)}, {"image": image})
    with pytest.raises(errors.LearningError, match="'level' takes one state a row"):
        encode({"level": np.zeros((5, 2), int)}, VARIABLES)


def test_numbers_that_are_none_are_refused(tmp_path):
    text = FRAME.astype({"sound[0]": object})
    text.loc[3, "sound[0]"] = "loud"
    with pytest.raises(errors.EvidenceError, match="'sound' is no number"):
        encode(text, VARIABLES)
    file = mm.open_table(in_file(text, tmp_path, ".csv"), missing=["NA"])
    with pytest.raises(
        errors.EvidenceError, match=r"table\.csv, line 5: 'sound' is no number: 'lou"
    ):
        encode(file, VARIABLES)
    infinite = FRAME.assign(**{"sound[1]": [0, 0, np.inf, 0, 0]})
    with pytest.raises(errors.EvidenceError, match="row 2: 'sound' is infinite"):
        encode(infinite, VARIABLES)
    with pytest.raises(errors.LearningError, match="'sound' have shape"):
        encode({"sound": np.zeros((5, 3))}, VARIABLES)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(errors.LearningError, match="'size' has 3 rows, 'level' has 2"):
        encode({"level": [0, 1], "size": [10, 20, 10]}, VARIABLES)
    with pytest.raises(errors.LearningError, match="'level' is 'high'"):
        encode({"level": "high"}, VARIABLES)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(errors.LearningError, match="two columns called 'level'"):
        mm.open_table(pd.concat([FRAME[["level"]], FRAME[["level"]]], axis=1))


@pytest.mark.parametrize("data", [3, [1, 2], None])
def test_data_of_another_kind_is_refused(data):
    with pytest.raises(errors.LearningError, match="DataFrame"):
        mm.open_table(data)


def test_files_that_cannot_be_read_are_named(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(errors.FormatError, match=f"no file.*{name}"):
            mm.open_table(tmp_path / name)
    with pytest.raises(errors.FormatError, match=r"ends in \.csv"):
        mm.open_table(tmp_path / "table.xlsx")
    (tmp_path / "noise.parquet").write_bytes(b"noise" * 100)
    with pytest.raises(errors.FormatError, match=r"noise\.parquet cannot be read"):
        mm.open_table(tmp_path / "noise.parquet")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(errors.FormatError, match=r"empty\.csv cannot be read"):
        mm.open_table(tmp_path / "empty.csv")
    (tmp_path / "ragged.csv").write_text("level\n1\n1,2,3\n")
    with pytest.raises(errors.FormatError, match=r"ragged\.csv, line 3: expected 1 cells"):
        encode(tmp_path / "ragged.csv", VARIABLES)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    path = in_file(FRAME, tmp_path, ".parquet")
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(errors.MissingExtraError, match=r"mmgraph\[data\]"):
        mm.open_table(path)
    rows = encode({"level": [0, 1, None, 3], "colour": ["red", None, "red", "green"]}, VARIABLES)
    assert rows.column("level").tolist() == [0, 1, -1, 3]
    assert rows.column("colour").tolist() == [0, -1, 0, 1]


def test_weights_must_fit_the_rows():
    with pytest.raises(errors.LearningError, match="4 weights for 5 rows"):
        list(CodedTable(mm.open_table(FRAME), VARIABLES, weights=np.ones(4)))
    with pytest.raises(errors.LearningError, match="row 1 is negative or not finite"):
        coded_chunks(FRAME, VARIABLES, weights=[1, np.nan, 1, 1, 1])
    with pytest.raises(errors.LearningError, match="one axis"):
        coded_chunks(FRAME, VARIABLES, weights=np.ones((5, 1)))
    with pytest.raises(errors.LearningError, match="at least one row"):
        CodedTable(mm.open_table(FRAME), VARIABLES, chunk_rows=0)


# --- learning states -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".parquet", None])
def test_states_are_sorted_labels(tmp_path, ending):
    frame = pd.DataFrame(
        {"a": ["y", "x", None, "y"], "b": [10, 9, 100, 9], "c": [1.0, np.nan, 0.0, 1.0]}
    )
    table = mm.open_table(
        frame if ending is None else in_file(frame, tmp_path, ending), missing=["NA"]
    )
    states = states_in(table, ["a", "b", "c"], chunk_rows=2)
    assert states == {"a": ("x", "y"), "b": (9, 10, 100), "c": (0, 1)}
    assert all(type(x) is int for x in states["b"] + states["c"])


def test_categories_are_states_in_their_order():
    column = pd.Categorical(["high", "low"], categories=["low", "middle", "high"])
    assert states_in(mm.open_table(pd.DataFrame({"a": column})), ["a"])["a"] == (
        "low",
        "middle",
        "high",
    )


def test_numbers_with_leading_zeros_are_labels(tmp_path):
    frame = pd.DataFrame({"code": ["01", "1", "02"]})
    table = mm.open_table(in_file(frame, tmp_path, ".csv"))
    assert states_in(table, ["code"])["code"] == ("01", "02", "1")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "x", None], r"'a' of the data frame is constant \('x'"),
        ([None, None], "'a' of the data frame is empty"),
        ([0.5, 1.5], "'a' of the data frame holds real numbers"),
    ],
)
def test_columns_without_states_to_learn_are_refused(column, message):
    with pytest.raises(errors.LearningError, match=message):
        states_in(mm.open_table(pd.DataFrame({"a": column})), ["a"])
