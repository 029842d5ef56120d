"""Pickles of arrays are read, and whatever else they ask for is refused before it is made."""

from __future__ import annotations

import collections
import io
import os
import pickle
from typing import Any

import numpy as np
import pytest

from mmgraph.datasets.readers.pickles import unpickled
from mmgraph.graph.errors import DatasetError


def read(content: bytes, **options: Any) -> Any:
    return unpickled(io.BytesIO(content), "rows.pkl", **options)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made_by = function, arguments

    def __reduce__(self) -> Any:
        return self.made_by


@pytest.mark.parametrize("protocol", range(4))
def test_arrays_in_containers_are_read(protocol: int):
    rows = {"x": np.arange(6.0).reshape(2, 3), "names": ["a", ("b", 1, None)]}
    # The module that numpy 1 pickled by, as data sets of the catalogue do.
    content = pickle.dumps(rows, protocol).replace(b"numpy._core", b"numpy.core")
    found = read(content)
    np.testing.assert_array_equal(found["x"], rows["x"])
    assert found["names"] == rows["names"]


@pytest.mark.parametrize(
    "value",
    [Call(os.system, "touch ran"), Call(eval, "1"), Call(getattr, "", "join"),
     collections.OrderedDict(a=1), np.memmap, {1: [np.load]}],
)  # fmt: skip
def test_other_names_are_refused(value: Any, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(DatasetError, match=r"rows\.pkl asks for .*; only arrays are read"):
            read(pickle.dumps(value, protocol))
    assert not list(tmp_path.iterdir())


def test_stubs_stand_for_names():
    content = pickle.dumps(collections.OrderedDict(a=1), 2)
    made = read(content, stubs={"collections.OrderedDict": dict})
    assert (type(made), made) == (dict, {"a": 1})


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps(np.arange(3), 2)[:-9], b"\x80\x04\x95", b"Pid\n.", b"h\x05."],
)
def test_what_is_no_pickle_is_refused(content: bytes):
    with pytest.raises(DatasetError, match=r"rows\.pkl"):
        read(content)
