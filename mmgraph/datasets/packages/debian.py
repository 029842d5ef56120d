"""Packages of Debian and its like, fetched by apt-get, which needs no root for it."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from mmgraph.datasets.packages.pin import Pin, fetched
from mmgraph.datasets.packages.tar import tar_files
from mmgraph.graph.errors import DatasetError


@dataclass(frozen=True)
class DebianPin(Pin):
    """A binary package of Debian: an ar archive (deb(5)) whose member data.tar.xz has the files."""

    client: ClassVar[str] = "apt-get"
    subcommand: ClassVar[str] = "download"
    joined_by: ClassVar[str] = "="
    lacking: ClassVar[str] = "which only Debian and its like have; run there and copy the file"
    failing: ClassVar[str] = (
        "(no network, or apt's lists are old: run `apt-get update` as root); "
        "then, where there is a network, run"
    )

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Read the package once, as :meth:`Pin.files` says."""
        with fetched(self).open("rb") as file:
            if not _at_data(file):
                raise DatasetError(f"{self.filename} is no Debian package with a data.tar.xz")
            with tarfile.open(fileobj=file, mode="r|xz") as archive:
                yield from tar_files(archive, wanted)


def _at_data(file: BinaryIO) -> bool:
    """Move to the beginning of data.tar.xz; whether there is one.

    Before each member of an ar archive stand 60 bytes: its name in the first 16, its size in
    decimals at 48-57. Members begin at even places.
    """
    if file.read(8) != b"!<arch>\n":
        return False
    while len(header := file.read(60)) == 60:
        if header[:16].rstrip(b" /") == b"data.tar.xz":
            return True
        size = int(header[48:58])
        file.seek(size + size % 2, 1)
    return False
