"""Files read within a size limit, unpacked where they are gzipped."""

from __future__ import annotations

import gzip
import os
import zlib
from typing import BinaryIO

from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import checked_path

SIZE_LIMIT = 2 * 1024**3
"""The bytes that a file may hold, after unpacking, unless a reader is told otherwise."""

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 22


def read_bytes(path: str | os.PathLike[str], size_limit: int = SIZE_LIMIT) -> bytes:
    """Return the content of a file, unpacked where it is gzipped (told by its first bytes).

    More bytes than the limit are refused while they are being unpacked, so that a small file cannot
    fill the memory.
    """
    path = checked_path(path)
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP_MAGIC
            if not packed:
                return _read_within(file, size_limit, f"{path} holds")
            with gzip.GzipFile(fileobj=file) as unpacked:
                what = f"{path} ({path.stat().st_size:,} bytes packed) unpacks to"
                return _read_within(unpacked, size_limit, what)
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: the gzip data is damaged ({error})") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise FormatError(f"{path} cannot be read ({error})") from None


def _read_within(file: BinaryIO | gzip.GzipFile, size_limit: int, what: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > size_limit:
            raise FormatError(f"{what} more than the limit of {size_limit:,} bytes")
    return b"".join(chunks)


def read_text(
    path: str | os.PathLike[str], size_limit: int = SIZE_LIMIT, *, legacy: str | None = None
) -> str:
    """Return the content of a text file as :func:`read_bytes` does.

    Bytes that are not UTF-8 are in the ``legacy`` encoding of formats older than that.
    """
    content = read_bytes(path, size_limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if legacy is not None:
            return content.decode(legacy)
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise FormatError(
            f"{path}, line {line}: expected UTF-8 text, found the byte 0x{byte:02x}"
        ) from None
