"""Files within their limit, and nothing half written."""

from __future__ import annotations

import gzip
import os

import pytest

from mmgraph.formats.files import read_bytes, read_text
from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import write_bytes, write_text


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
