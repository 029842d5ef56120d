"""Bayesian networks of the bnlearn repository, as bundled with pgmpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from mmgraph.datasets.entries import InstalledFolder, entry, read_member
from mmgraph.graph.errors import DatasetError

_SUFFIX = ".bif.gz"


@dataclass(frozen=True)
class BundledNetworks:
    """Networks that come with pgmpy.

    Attributes
    ----------
    names : tuple of str
        Names of the networks, such as ``"alarm"``.
    """

    names: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """Bytes of the gzipped BIF file of a network, one of :attr:`names`."""
        return read_member("bnlearn", f"{name}{_SUFFIX}")


def load() -> BundledNetworks:
    """List the bundled networks without importing pgmpy."""
    networks = entry("bnlearn")
    for source in networks.sources:
        if isinstance(source, InstalledFolder):
            source.path()  # raises a clear error where pgmpy is absent
    if not networks.members:
        raise DatasetError("the installed pgmpy bundles no networks; install pgmpy 1.1.2")
    return BundledNetworks(
        tuple(PurePosixPath(member).name.removesuffix(_SUFFIX) for member in networks.members)
    )
