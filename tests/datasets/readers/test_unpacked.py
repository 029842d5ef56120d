from __future__ import annotations

import pytest

from mmgraph.datasets.packages.cache import cache_dir
from mmgraph.datasets.readers.unpacked import unpacked, write_below
from mmgraph.graph.errors import DatasetError


def test_unpacked_once_and_anew_where_a_file_was_damaged(made):
    made("tux_paint_stamps", b"first")
    calls = []

    def fill(folder):
        calls.append(folder)
        write_below(folder, "a/b.txt", b"text")

    for times, damage in enumerate(("a/b.txt", "sizes.json", "a/b.txt"), 1):
        folder = unpacked("tux_paint_stamps", fill)
        assert (folder / "a" / "b.txt").read_bytes() == b"text"
        assert unpacked("tux_paint_stamps", fill) == folder
        assert len(calls) == times
        (folder / damage).write_bytes(b"x")
    assert unpacked("tux_paint_stamps", fill, edition=2) != folder
    made("tux_paint_stamps", b"second")
    assert unpacked("tux_paint_stamps", fill) != folder


def test_nothing_is_left_of_what_fails(made):
    made("tux_paint_stamps", b"first")

    def fill(folder):
        write_below(folder, "a/b.txt", b"text")
        raise OSError(28, "No space left on device")

    with pytest.raises(DatasetError, match=r"data set cache .*No space left"):
        unpacked("tux_paint_stamps", fill)
    assert [path.suffix for path in cache_dir().iterdir()] == [".deb"]
