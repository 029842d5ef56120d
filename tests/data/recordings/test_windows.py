"""Recordings cut into windows, beside a loop over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.recordings.windows import recordings_of, windows
from mmgraph.graph.errors import LearningError


def _recordings(lengths: list[int], **more: object) -> mm.MultimodalData:
    wrist = [np.arange(2.0 * n).reshape(n, 2) + 100 * i for i, n in enumerate(lengths)]
    place = [[float(i)] for i in range(len(lengths))]
    return mm.MultimodalData.of({"wrist": wrist, "place": place}, list(range(len(lengths))), **more)


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=5),
    st.integers(1, 6),
    st.integers(1, 6),
)
def test_windows_are_those_of_a_loop(lengths: list[int], length: int, step: int) -> None:
    data = _recordings(lengths)
    cut = windows(data, length, step)
    expected = []
    for row, sequence in enumerate(data.blocks["wrist"].values):
        starts = range(0, max(len(sequence) - length, 0) + 1, step)
        expected += [(row, n, sequence[s : s + length]) for n, s in enumerate(starts)]
    assert cut.data.row_names.tolist() == [f"{row}/{n}" for row, n, _ in expected]
    for (row, _, values), window in zip(expected, cut.data.blocks["wrist"].values, strict=True):
        assert np.array_equal(values, window)
        assert len(values) == min(length, lengths[row])
    rows = [row for row, _, _ in expected]
    assert cut.recordings.tolist() == cut.data.groups.codes.tolist() == rows
    assert cut.data.blocks["place"].numbers().ravel().tolist() == rows
    assert cut.data.codes.tolist() == rows


def test_groups_and_missing_modalities_stay() -> None:
    data = mm.MultimodalData.of(
        {"a": [np.ones((4, 1)), None, None], "b": [None, np.ones((4, 1)), None]},
        groups=["x", "y", "y"],
    )
    cut = windows(data, 2)
    assert cut.data.groups.codes.tolist() == [0, 0, 1, 1, 1]
    assert cut.data.blocks["a"].missing.tolist() == [False, False, True, True, True]
    assert cut.data.blocks["b"].missing.tolist() == [True, True, False, False, True]


def test_recordings_are_known_from_the_names_of_windows_alone() -> None:
    cut = windows(_recordings([4, 2, 7]), 2)
    assert recordings_of(cut.data).tolist() == cut.recordings.tolist()
    assert recordings_of(_recordings([4, 2])) is None
    assert recordings_of(cut.data.rows([1, 0, 2])) is None  # the first is not the first
    assert recordings_of(replace(cut.data, groups=None)) is None
    names = np.array([f"{n}/0" for n in range(len(cut.data))])
    assert recordings_of(replace(cut.data, row_names=names)) is None  # a window each
    names = np.array([f"class/{n}" for n in range(len(cut.data))])
    assert recordings_of(replace(cut.data, row_names=names)) is None  # of several classes


def test_pooled_is_the_geometric_mean() -> None:
    cut = windows(_recordings([4, 2]), 2)
    rows = np.array([[0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    means = np.sqrt(rows[0] * rows[1])
    assert cut.pooled(rows) == pytest.approx(np.array([means / means.sum(), [0.0, 1.0]]))


def test_what_cannot_be_cut_is_named() -> None:
    with pytest.raises(LearningError, match="0 steps"):
        windows(_recordings([3]), 0)
    with pytest.raises(LearningError, match="no modality of sequences"):
        windows(mm.MultimodalData.of({"a": [[1.0]]}), 2)
    unequal = {"a": [np.ones((3, 1)), np.ones((3, 1))], "b": [np.ones((3, 1)), np.ones((2, 1))]}
    with pytest.raises(LearningError, match=r"row 1.*'b' has 2 steps"):
        windows(mm.MultimodalData.of(unequal), 2)
