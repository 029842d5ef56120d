"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import write_directory, write_text


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("before")

    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(FormatError, match=r"cannot be written .*the disk is full"):
        write_text(path, "after")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a"]


def test_the_temporary_name_is_not_told(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    writers = (
        lambda path: write_text(path, ""),
        lambda path: write_directory(path, lambda d: None),
    )
    for write in writers:
        for name, reason in (
            ("nowhere/a", f": there is no directory {tmp_path}/nowhere"),
            ("file/a", f": there is no directory {tmp_path}/file"),
            ("x" * 300, " (File name too long)"),
        ):
            with pytest.raises(FormatError) as caught:
                write(tmp_path / name)
            assert str(caught.value) == f"{tmp_path / name} cannot be written{reason}"
    with pytest.raises(FormatError, match=r"taken cannot be written \(Is a directory\)"):
        write_text(tmp_path / "taken", "")
    for path in (f"{tmp_path}/a\0b", "", "/", "."):
        with pytest.raises(FormatError) as caught:
            write_text(path, "")
        assert str(caught.value) == f"{str(Path(path))!r} names no file to write"
    assert sorted(os.listdir(tmp_path)) == ["file", "taken"]


def test_half_of_a_surrogate_pair_is_refused(tmp_path):
    with pytest.raises(FormatError, match="cannot be written as UTF-8"):
        write_text(tmp_path / "a", "\ud800")
    assert os.listdir(tmp_path) == []


def test_a_directory_is_replaced_whole(tmp_path):
    path = tmp_path / "d"
    write_directory(path, lambda d: (d / "one").write_text("1") and None)
    write_directory(path, lambda d: (d / "two").write_text("2") and None)
    assert os.listdir(path) == ["two"]
    assert os.listdir(tmp_path) == ["d"]

    def broken(directory) -> None:
        (directory / "three").write_text("3")
        raise OSError("the disk is full")

    with pytest.raises(FormatError, match="the disk is full"):
        write_directory(path, broken)
    assert os.listdir(path) == ["two"]
    assert os.listdir(tmp_path) == ["d"]
