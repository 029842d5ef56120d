"""Groups that a declaration names: of a loader, of a column, or blocks of rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm
from mmgraph.data.multimodal_data import Groups, MultimodalData, groups_of
from mmgraph.graph.errors import DatasetError

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


def test_rows_keep_their_groups():
    whole = MultimodalData(
        {"x": np.arange(4.0)[:, None]},
        np.arange(4),
        mm.Variable("y", 4),
        Groups("who", np.arange(4)),
    )
    some = whole.rows(np.array([2, 0]))
    assert some.groups is not None
    np.testing.assert_array_equal(some.groups.codes, [2, 0])
    assert some.without_groups().groups is None
    assert whole.without_groups().rows(np.array([1])).groups is None
