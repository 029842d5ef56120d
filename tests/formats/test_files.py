"""Files within their limit, and nothing half written."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from mmgraph.formats.files import read_bytes, read_text, write_bytes, write_directory, write_text
from mmgraph.graph.errors import FormatError


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_text_is_read_back(tmp_path, name):
    write_text(tmp_path / name, "ä\r\nb")
    assert read_text(tmp_path / name) == "ä\r\nb"
    assert os.listdir(tmp_path) == [name]


def test_gzipped_content_is_told_by_its_bytes(tmp_path):
    write_bytes(tmp_path / "a.gz", b"x" * 1000)
    assert (tmp_path / "a.gz").read_bytes()[:2] == b"\x1f\x8b"
    (tmp_path / "a.gz").rename(tmp_path / "a")
    assert read_bytes(tmp_path / "a") == b"x" * 1000


def test_a_bomb_is_refused_while_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(FormatError, match=r"bytes packed\) unpacks to more than .* 1,000 bytes"):
        read_bytes(path, size_limit=1000)
    (tmp_path / "plain").write_bytes(bytes(1001))
    with pytest.raises(FormatError, match="holds more than the limit of 1,000 bytes"):
        read_bytes(tmp_path / "plain", size_limit=1000)
    assert len(read_bytes(tmp_path / "plain", size_limit=1001)) == 1001


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-9], lambda b: b[:5], lambda b: b[:20] + b"\0" + b[21:]]
)
def test_damaged_gzip(tmp_path, spoil):
    path = tmp_path / "a.gz"
    path.write_bytes(spoil(gzip.compress(os.urandom(500))))
    with pytest.raises(FormatError, match="the gzip data is damaged"):
        read_bytes(path)


@pytest.mark.parametrize("name", ["nothing", "", "a\0b", "x" * 5000])
def test_no_such_file(tmp_path, name):
    with pytest.raises(FormatError):
        read_bytes(f"{tmp_path}/{name}")


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
