"""The catalogue of data sets and the two ways to read one: as a record, or file by file."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, overload

from mmgraph.datasets.wheels import WheelPin, read_from_wheel
from mmgraph.graph.errors import DatasetError, MissingExtraError, suggestion

if TYPE_CHECKING:
    from mmgraph.datasets.bnlearn import BundledNetworks
    from mmgraph.datasets.digits_six_views import DigitsSixViews
    from mmgraph.datasets.home_activities import HomeActivities
    from mmgraph.datasets.indian_pines import IndianPines
    from mmgraph.datasets.motorcycle_stereo import MotorcycleStereo
    from mmgraph.datasets.sachs import Sachs


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


@dataclass(frozen=True)
class DatasetEntry:
    """What the catalogue says about one data set.

    Attributes
    ----------
    name : str
        What :func:`load` takes.
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
    source: WheelPin | InstalledFolder
    if "wheel" in fields:
        options = tuple(fields["wheel"].pop("pip_options", ()))
        source = WheelPin(**fields["wheel"], pip_options=options)
        members = tuple(fields["members"])
    else:
        source = InstalledFolder(**fields["installed"])
        members = _installed_members(source)
    return DatasetEntry(
        name=name,
        title=fields["title"],
        content=fields["content"],
        modalities=tuple(fields["modalities"]),
        members=members,
        licence=fields["licence"],
        citation=fields["citation"],
        source=source,
    )


def _installed_members(source: InstalledFolder) -> tuple[str, ...]:
    """Files of an installed folder: none where the package is absent, so that listing works."""
    try:
        files = source.path().glob(f"*{source.suffix}")
    except MissingExtraError:
        return ()
    return tuple(sorted(f"{source.package}/{source.folder}/{file.name}" for file in files))


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
    found = entry(name)
    # Before the members are looked at: they are not known where the package is absent.
    folder = found.source.path() if isinstance(found.source, InstalledFolder) else None
    by_name = {PurePosixPath(path).name: path for path in found.members}
    path = member if member in found.members else by_name.get(member)
    if path is None:
        raise DatasetError(f"{name} has no file {member!r}{_suggestion(member, by_name)}")
    if isinstance(found.source, WheelPin):
        return read_from_wheel(found.source, path)
    assert folder is not None
    return (folder / PurePosixPath(path).name).read_bytes()


@overload
def load(name: Literal["home_activities"]) -> HomeActivities: ...
@overload
def load(name: Literal["digits_six_views"]) -> DigitsSixViews: ...
@overload
def load(name: Literal["bnlearn"]) -> BundledNetworks: ...
@overload
def load(name: Literal["indian_pines"]) -> IndianPines: ...
@overload
def load(name: Literal["motorcycle_stereo"]) -> MotorcycleStereo: ...
@overload
def load(name: Literal["sachs"]) -> Sachs: ...
@overload
def load(name: str) -> Any: ...


def load(name: str) -> Any:
    """Load a data set, fetching it first if need be.

    Parameters
    ----------
    name : str
        A name in :func:`catalog`.

    Returns
    -------
    object
        The data set's own record, such as
        :class:`mmgraph.datasets.home_activities.HomeActivities`.

    Raises
    ------
    DatasetError
        If the name is unknown or the data cannot be got; the message says what to run.
    """
    # A module a data set, imported only when asked for: some need pandas or Pillow.
    module = importlib.import_module(f"mmgraph.datasets.{entry(name).name}")
    return module.load()


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return suggestion(name, names) or (f"; there are {', '.join(names)}" if names else "")
