"""Data sets of sequences: how their files are read, and what is in them."""

from __future__ import annotations

import io
import os
import pickle

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.basic_motions import read_series
from mmgraph.datasets.smartwatch_exercises import read_arrays
from mmgraph.graph.errors import DatasetError


def test_smartwatch_exercises() -> None:
    data = datasets.load("smartwatch_exercises")
    assert {m: (len(x), x[0].shape[1]) for m, x in data.sequences.items()} == {
        "accelerometer": (140, 3),
        "gyroscope": (140, 3),
    }
    lengths = [len(x) for x in data.sequences["accelerometer"]]
    assert lengths == [len(x) for x in data.sequences["gyroscope"]]
    assert (min(lengths), max(lengths), sum(lengths)) == (947, 2618, 244102)
    assert np.unique(data.labels, return_counts=True)[1].tolist() == [20] * 7
    assert np.bincount(data.groups["person"]).tolist() == [14] * 10
    # A watch that is held still feels one g.
    norms = np.concatenate([np.linalg.norm(x, axis=1) for x in data.sequences["accelerometer"]])
    assert np.median(norms) == pytest.approx(1.0, abs=0.1)


def test_basic_motions() -> None:
    data = datasets.load("basic_motions")
    assert {x.shape for m in data.sequences.values() for x in m} == {(100, 3)}
    for part in (data.training, ~data.training):
        assert np.unique(data.labels[part], return_counts=True)[1].tolist() == [10] * 4


def _file(content: object) -> bytes:
    file = io.BytesIO()
    array = np.empty((), object)
    array[()] = content
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    # Names as NumPy before 2 wrote them.
    return file.getvalue() + pickle.dumps(array, 2).replace(b"numpy._core.", b"numpy.core.")


def test_arrays_of_a_file_of_objects_are_those_that_numpy_reads() -> None:
    content = {"X": [np.arange(6.0).reshape(2, 3), np.ones((1, 3))], "names": ["a", "b"]}
    read = read_arrays(_file(content))
    again = np.load(io.BytesIO(_file(content)), allow_pickle=True).item()
    assert read["names"] == again["names"] == ["a", "b"]
    for one, other in zip(read["X"], again["X"], strict=True):
        assert np.array_equal(one, other)


class Caller:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo never",)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (_file(Caller()), r"asks for \w+\.system; only arrays"),
        (_file({"a": 1})[:-3], "no pickle of arrays"),
        (b"no such file", "no NumPy file of arrays"),
    ],
)
def test_a_file_of_anything_else_is_refused(content: bytes, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_arrays(content)


def test_series_of_unequal_lengths_are_read_and_others_named() -> None:
    text = "# made\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7:8:b\n"
    series, labels = read_series(text, "made.ts")
    assert [x.tolist() for x in series] == [[[1, 4], [2, 5], [3, 6]], [[7, 8]]]
    assert labels == ["a", "b"]
    for line in ("1,2:3:a", "1,x:2,3:a", "1,2"):
        with pytest.raises(DatasetError, match=r"made\.ts, line 4"):
            read_series("# made\n@data\n1:2:a\n" + line, "made.ts")
    with pytest.raises(DatasetError, match="no series"):
        read_series("1:2:a", "made.ts")
