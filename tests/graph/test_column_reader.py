"""Columns of cells in every container, read alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.column_reader import codes, spelling
from mmgraph.graph.errors import EvidenceError, UnknownStateError

LABELS = {
    "words": ("sun", "rain", "snow"),
    "numbers": (3, 1, 2),
    "numerals": ("3", "1", "2"),
    "truths": (True, False),
    "spelled truths": ("true", "false"),
    "reals": (0.5, 1.0, -2.5),
    "names of nothing": ("None", "NA", "null", "nan"),
    "codes": ("02139", "10001", "1_0"),
    "mixed": ("a", 1, 2.5),
    "count": 4,
}


def place(cell: int) -> str:
    return f"cell {cell}"


def containers(cells: list) -> dict[str, object]:
    objects = np.empty(len(cells), dtype=object)
    objects[:] = cells
    found = {
        "list": cells,
        "tuple": tuple(cells),
        "array of objects": objects,
        "series": pd.Series(objects),
        "categories": pd.Series(objects).astype("category"),
    }
    kinds = {type(c) for c in cells if c is not None}
    if None not in cells and len(kinds) == 1:
        found["array"] = np.array(cells)
        found["plain series"] = pd.Series(cells)
        if kinds != {str}:
            found["tensor"] = torch.tensor(cells)
    if kinds == {str}:
        found["text"] = pd.Series(cells, dtype="string")
    return found


@pytest.mark.parametrize("kind", LABELS)
@settings(max_examples=15)
@given(data=st.data())
def test_every_container_says_the_same(kind, data):
    variable = mm.Variable("v", LABELS[kind])
    indices = st.integers(-1, variable.cardinality - 1)
    expected = data.draw(st.lists(indices, min_size=1, max_size=8))
    cells = [None if code < 0 else variable.labels[code] for code in expected]
    for name, column in containers(cells).items():
        if name == "categories" and kind == "mixed":
            continue  # pandas makes one type of them
        assert codes(variable, column, place).tolist() == expected, name
    marked = codes(variable, mm.index(np.array(expected)), place)
    assert marked.tolist() == expected


def test_truth_values_among_numbers_stay_apart():
    variable = mm.Variable("v", (1, 0, "true"))
    for column in ([1, True, 0], np.array([1, True, 0], dtype=object), pd.Series([1, True, 0])):
        assert codes(variable, column, place).tolist() == [0, 2, 1]


def test_arrays_of_any_shape_and_what_a_mask_hides():
    variable = mm.Variable("v", ("a", "b"))
    array = np.array([[0, 1], [1, -1]])
    assert codes(variable, array, place).tolist() == array.tolist()
    assert codes(variable, array[::-1].astype(">i2"), place).tolist() == array[::-1].tolist()
    masked = np.ma.masked_array([["a", "b"]], mask=[[True, False]])
    assert codes(variable, masked, place).tolist() == [[-1, 1]]
    assert codes(variable, [["a", None], ["b", "a"]], place).tolist() == [[0, -1], [1, 0]]


def test_cells_that_stand_for_missing_ones():
    variable = mm.Variable("v", ("a", "NA", "1"))
    column = ["a", "NA", -9, "-9", -9.0, "", 1]
    assert codes(variable, column, place, ["NA", -9, ""]).tolist() == [0, -1, -1, -1, -1, -1, 2]
    assert codes(mm.Variable("v", 3), np.array([0, 9, 2]), place, [9]).tolist() == [0, -1, 2]
    assert codes(mm.Variable("v", ("a", "b")), "NA", place, ["NA"]).tolist() == -1


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", "b", "c"], "cell 2: variable 'v' has no state 'c'"),
        (np.array([0, 1, 5]), "cell 2: .*index 5 is out of range"),
        (np.array([0.0, np.nan, 0.5]), "cell 2: .*no state 0.5"),
        (pd.Series(["a", "a", "x"]), "cell 2: .*'x'"),
        (["a", True], "cell 1: .*no state True"),
        (mm.index([0, 1, 2]), "cell 2: .*out of range"),
        (np.array([2**40, 0]), "cell 0: .*out of range"),
        ([2**80, 0], "cell 0: .*out of range"),
    ],
)
def test_the_place_of_a_wrong_cell_is_named(column, message):
    with pytest.raises(UnknownStateError, match=message):
        codes(mm.Variable("v", ("a", "b")), column, place)


@pytest.mark.parametrize("column", [[{"a"}], [["a"], {"b": 1}], mm.index(["a"])])
def test_what_holds_no_cells_is_refused(column):
    with pytest.raises((EvidenceError, UnknownStateError)):
        codes(mm.Variable("v", ("a", "b")), column, place)


def test_numbers_are_spelled_alike():
    assert [spelling(c) for c in (1, 1.0, "1", "1.0", 0.5, "01", True)] == [
        "1", "1", "1", "1", "0.5", "01", "True",
    ]  # fmt: skip
