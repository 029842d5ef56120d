"""Pages of TIFF files: what is lost of one file is not taken for a loss of another."""

from __future__ import annotations

import io
import logging
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmgraph.spatial.images.tiff_pages import opened

tifffile = pytest.importorskip("tifffile")


def content(next_page: int = 0) -> bytes:
    """A file of one page that says where the next one lies, 0 for nowhere."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(12, dtype=np.uint8).reshape(3, 4), byteorder="<")
    written = bytearray(buffer.getvalue())
    page = tifffile.TiffFile(io.BytesIO(written)).pages[0].offset
    (tags,) = struct.unpack_from("<H", written, page)
    struct.pack_into("<I", written, page + 2 + 12 * tags, next_page)
    return bytes(written)


def test_a_loss_is_that_of_the_file_whose_thread_reads_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    sound, damaged = content(), content(next_page=10**6)
    is_open, may_go_on = threading.Event(), threading.Event()
    plain = tifffile.TiffFile

    def waiting(stream: io.BytesIO) -> object:
        file = plain(stream)
        if stream.getvalue() == sound:
            is_open.set()
            assert may_go_on.wait(10)
        return file

    def read() -> list[list[int]]:
        with opened(sound) as file:
            numbers: list[list[int]] = file.pages[0].asarray().tolist()
            return numbers

    monkeypatch.setattr(tifffile, "TiffFile", waiting)
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING, "tifffile"):
        answer = pool.submit(read)
        assert is_open.wait(10)
        try:
            with (
                pytest.raises(tifffile.TiffFileError, match="invalid page offset"),
                opened(damaged),
            ):
                pass
        finally:
            may_go_on.set()
        assert answer.result() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert caplog.messages == []


def test_other_readers_of_a_damaged_file_are_told_of_it(caplog: pytest.LogCaptureFixture):
    with opened(content()):
        pass
    with caplog.at_level(logging.WARNING, "tifffile"):
        assert len(tifffile.TiffFile(io.BytesIO(content(next_page=10**6))).pages) == 1
    assert any("invalid page offset" in message for message in caplog.messages)
