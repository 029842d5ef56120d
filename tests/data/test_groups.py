"""Groups that a declaration names: of a loader, of a column, or blocks of rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mmgraph.data.groups import coded_groups, consecutive_blocks, groups_of
from mmgraph.graph.errors import DatasetError, LearningError

FRAME = pd.DataFrame({"who": ["ann", "bob", "ann", "eve"], "x": [1.0, 2.0, 3.0, 4.0]})


def test_groups_of_a_column_of_a_loader_and_of_blocks():
    loaded = SimpleNamespace(frame=FRAME, groups={"block": np.array([0, 0, 1, 1])})
    for declared, name, codes in (
        ("who", "who", [0, 1, 0, 2]),
        ("block", "block", [0, 0, 1, 1]),
        ((0, 1, 3), "block", [0, 1, 1, 2]),
    ):
        found = groups_of(loaded, declared, "people", 4)
        assert found is not None
        assert found.name == name
        np.testing.assert_array_equal(found.codes, codes)
    assert groups_of(loaded, None, "people", 4) is None


def test_groups_that_there_are_not():
    loaded = SimpleNamespace(frame=FRAME, groups={"block": np.zeros(4, int)})
    with pytest.raises(DatasetError, match=r"'people' has no groups .* 'whom'; did you mean 'who'"):
        groups_of(loaded, "whom", "people", 4)
    with pytest.raises(DatasetError, match="'people' has 4 rows; no block begins at 4"):
        groups_of(loaded, (0, 4), "people", 4)
    loaded = SimpleNamespace(frame=FRAME.assign(who=["ann", None, "ann", "eve"]))
    with pytest.raises(DatasetError, match="row 1 of 'people' has no 'who'"):
        groups_of(loaded, "who", "people", 4)
    with pytest.raises(DatasetError, match="no groups and no column 'who'"):
        groups_of(SimpleNamespace(views={}), "who", "people", 4)


def test_groups_by_their_first_row_and_rows_without_one():
    groups = coded_groups("who", ["b", "a", "b"])
    np.testing.assert_array_equal(groups.codes, [0, 1, 0])
    with pytest.raises(LearningError, match="row 1: there is no 'who', which names the"):
        coded_groups("who", ["b", None, "b"])


@pytest.mark.parametrize(
    ("codes", "blocks"),
    [
        # Every label in each of two recordings, one run after the other.
        ([0] * 9 + [1] * 6 + [2] * 7 + [1] * 5 + [0] * 8 + [2] * 6, [0] * 22 + [1] * 19),
        # Sorted by label: each label's rows are cut into consecutive parts.
        ([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1]),
        # Labels in any order, as of a shuffled file.
        ([0, 1, 0, 1, 1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_consecutive_blocks(codes, blocks):
    np.testing.assert_array_equal(consecutive_blocks(np.array(codes), 2).codes, blocks)


def test_blocks_as_many_as_asked_for_and_as_few_as_can_be_left_out():
    codes = np.tile(np.repeat([0, 1], 10), 8)
    blocks = consecutive_blocks(codes, 3).codes
    np.testing.assert_array_equal(blocks, np.repeat([0, 1, 2], [60, 60, 40]))
    two = np.tile(np.repeat([0, 1], 10), 2)
    np.testing.assert_array_equal(consecutive_blocks(two, 5).codes, np.repeat([0, 1], 20))
    parts = consecutive_blocks(two, 5, least=3).codes  # of each label's twenty rows
    np.testing.assert_array_equal(
        parts, np.repeat([0, 1, 2, 0, 1, 2, 2, 3, 4, 2, 3, 4], [4, 4, 2, 4, 4, 2, 2, 4, 4, 2, 4, 4])
    )


def test_no_rows_are_no_blocks():
    with pytest.raises(LearningError, match="no rows"):
        consecutive_blocks(np.empty(0, np.int64))
