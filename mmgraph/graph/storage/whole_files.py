"""Files and directories written whole or not at all: the one writer of the package."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from mmgraph.graph.errors import FormatError, suggestion


def checked_path(path: Any) -> Path:
    """Return what names a file as a path; that is neither a text nor a path is a FormatError."""
    try:
        return Path(os.fsdecode(path))
    except TypeError:
        raise FormatError(f"expected the path of a file, found {repr(path)[:60]}") from None


def checked_suffix(path: str | os.PathLike[str], suffixes: Sequence[str]) -> str:
    """Return the ending of a name, of one or two parts, which must be one of these."""
    path = Path(path)
    ending = "".join(path.suffixes[-2:]).lower()
    for suffix in suffixes:
        if ending.endswith(suffix):
            return suffix
    raise unknown_suffix(path, path.suffix.lower(), suffixes)


def unknown_suffix(path: Path, suffix: str, suffixes: Collection[str]) -> FormatError:
    """Return the error that a name has none of these endings, with the nearest one."""
    return FormatError(
        f"{path}: expected a name that ends in {', '.join(suffixes)}, found '{suffix}'"
        f"{suggestion(suffix[:60], suffixes)}"
    )


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file as :func:`whole_file` does."""
    with whole_file(path) as file:
        file.write(content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text as :func:`whole_file` does; half of a surrogate pair is a FormatError."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 20) : error.end + 20]
        raise FormatError(f"{path}: {around!r} cannot be written as UTF-8") from None
    write_bytes(path, content)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to be written piece by piece, whole or not at all.

    It has a temporary name beside ``path`` and is renamed at the end of the ``with`` block, unless
    that ends with an error; what stood there before is unchanged then. A name that ends in ``.gz``
    is gzipped (without a time stamp, so that equal content makes equal files). A place that cannot
    be written is a FormatError.
    """
    path = checked_path(path)
    with _temporary_beside(path) as temporary:
        with temporary.open("wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())  # else the new name may outlive its content in a power failure
        os.replace(temporary, path)


def write_directory(path: str | os.PathLike[str], fill: Callable[[Path], None]) -> None:
    """Write a directory whole: ``fill`` a temporary one beside it, then rename.

    A directory that stands there already is moved aside first and removed last; where the
    renaming fails it is put back, and that is a FormatError.
    """
    path = checked_path(path)
    with _temporary_beside(path) as temporary:
        temporary.mkdir()
        fill(temporary)
        if not path.exists():
            os.rename(temporary, path)
            return
        aside = temporary.with_name(f"{temporary.name}.old")
        os.rename(path, aside)
        try:
            os.rename(temporary, path)
        except OSError:
            os.rename(aside, path)
            raise
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """Yield a fresh hidden name in the same directory; whatever is left under it is removed."""
    if not path.name or "\0" in str(path):
        raise FormatError(f"{str(path)!r} names no file to write")
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        yield temporary
    except OSError as error:
        if not os.path.isdir(path.parent):
            reason = f"there is no directory {path.parent}"
            raise FormatError(f"{path} cannot be written: {reason}") from None
        # Nobody knows the temporary name that the error gives.
        ours = str(error.filename).startswith((str(path), str(temporary)))
        raise FormatError(
            f"{path} cannot be written ({error.strerror if ours else error})"
        ) from None
    finally:
        if os.path.isdir(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink()
