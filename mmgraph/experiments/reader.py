"""Reading the declaration of a ready model: every error names the file and the key."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mmgraph.data.multimodal_data import GroupsDeclaration
from mmgraph.formats.resolve import models_directory
from mmgraph.graph.errors import FormatError, suggestion

Record = TypeVar("Record")
Model = TypeVar("Model", bound="ReadyModel")

_NUMBER: tuple[type, ...] = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": _NUMBER,
    "bool": (bool,),
}


@dataclass(frozen=True)
class ReadyModel:
    """What every ready model declares.

    Attributes
    ----------
    name, title : str
        Its file name without ending, and what it says of itself.
    dataset : str
        The entry of the catalogue.
    """

    name: str
    title: str
    dataset: str


def entry(
    default: Any = MISSING,
    *,
    within: tuple[float, float] | None = None,
    among: Sequence[str] = (),
) -> Any:
    """Return a field of a record whose value :meth:`Reader.record` checks.

    Parameters
    ----------
    default : object, optional
        What the field is where the file does not say it; without one the file must.
    within : (float, float), optional
        The range of the number, or of every number of a list.
    among : sequence of str, optional
        The values to choose from.
    """
    return field(default=default, metadata={"within": within, "among": among})


def find_declaration(name: str | os.PathLike[str]) -> Path:
    """Return the file of a ready model, given by its path or by its name in ``models/``."""
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise FormatError(f"{path}: no such file")
    candidate = models_directory() / f"{name}.toml"
    if candidate.is_file():
        return candidate
    known = sorted(p.stem for p in models_directory().glob("*.toml"))
    hint = suggestion(name, known) or f" (known: {', '.join(known) or 'none'})"
    raise FormatError(f"no ready model is called '{name}'{hint}")


class Reader:
    """Takes values out of a parsed file, and says where something is amiss.

    Parameters
    ----------
    name : str or path
        As of :func:`find_declaration`.

    Attributes
    ----------
    path : Path
        The file.
    content : mapping
        What it holds.
    """

    def __init__(self, name: str | os.PathLike[str]) -> None:
        self.path = find_declaration(name)
        try:
            self.content: Mapping[str, Any] = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"{self.path}: not a TOML file ({error})") from None

    def error(self, message: str) -> FormatError:
        """Return an error that names the file."""
        return FormatError(f"{self.path}: {message}")

    def only(self, *keys: str) -> None:
        """Refuse a file with another table or value than these."""
        for key in self.content:
            if key not in keys:
                raise self.error(f"there is no place for '{key}'{suggestion(key, keys)}")

    def only_in(self, key: str, *keys: str) -> Mapping[str, Any]:
        """Return the table ``[key]``, which may have no other entries than these."""
        table = self.table(key)
        for name in table:
            if name not in keys:
                raise self.error(f"[{key}] has '{name}'{suggestion(name, keys)}")
        return table

    def table(self, key: str) -> Mapping[str, Any]:
        """Return the table ``[key]``."""
        table = self.content.get(key)
        if not isinstance(table, dict):
            raise self.error(f"the table [{key}] is missing")
        return table

    def list_of_tables(self, key: str) -> list[Mapping[str, Any]]:
        """Return the tables ``[[key]]``, at least one."""
        tables = self.content.get(key)
        if (
            not isinstance(tables, list)
            or not tables
            or not all(isinstance(x, dict) for x in tables)
        ):
            raise self.error(f"there is no [[{key}]]")
        return tables

    def value(self, table: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
        """Return an entry that must be there and of a type."""
        if key not in table:
            raise self.error(f"{where} lacks '{key}'")
        if not isinstance(table[key], kind) or isinstance(table[key], bool):
            raise self.error(f"{where} '{key}' must be of type {kind.__name__}, not {table[key]!r}")
        return table[key]

    def declaration(self, cls: type[Model], **others: Any) -> Model:
        """Return a declaration.

        Parameters
        ----------
        cls : type
            A dataclass derived from :class:`ReadyModel`. A field that is a dataclass itself is
            read from the table of its name.
        **others
            All other fields, which have been read.
        """
        tables = {
            key: self.record(kind, self.table(key), f"[{key}]")
            for key, kind in get_type_hints(cls).items()
            if key not in others and isinstance(kind, type) and is_dataclass(kind)
        }
        return cls(
            name=self.path.stem,
            title=self.value(self.content, "title", str, "the file"),
            dataset=self.value(self.table("data"), "dataset", str, "[data]"),
            **tables,
            **others,
        )

    def records(self, cls: type[Record], key: str, name: str) -> tuple[Record, ...]:
        """Return the tables ``[[key]]`` as dataclasses; errors call each by its entry ``name``."""
        return tuple(
            self.record(cls, table, f"[[{key}]] {table.get(name, '')}".strip())
            for table in self.list_of_tables(key)
        )

    def record(self, cls: type[Record], table: Mapping[str, Any], where: str) -> Record:
        """Return a dataclass whose fields are the entries of a table.

        Fields may be ``str``, ``int``, ``float``, ``bool``, or ``tuple`` of one of them, which a
        list gives; :func:`entry` says what is checked.
        """
        known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        for key in table:
            if key not in known:
                raise self.error(f"{where} has '{key}'{suggestion(key, known)}")
        values = {}
        for key, declared in known.items():
            if key in table:
                values[key] = self._entry(declared, table[key], where)
            elif declared.default is MISSING and declared.default_factory is MISSING:
                raise self.error(f"{where} lacks '{key}'")
        return cls(**values)

    def _entry(self, declared: Field[Any], value: Any, where: str) -> Any:
        kind, key = str(declared.type), declared.name
        several = kind.startswith("tuple[")
        kinds = _KINDS[kind.removeprefix("tuple[").removesuffix(", ...]")]
        items: Any = value if several else [value]
        if not isinstance(items, list) or not items:
            raise self.error(f"{where} '{key}' cannot be {value!r}; a list was expected")
        among, within = declared.metadata.get("among"), declared.metadata.get("within")
        for item in items:
            if type(item) not in kinds:
                wanted = "; true or false was expected" if kinds == (bool,) else ""
                raise self.error(f"{where} '{key}' cannot be {item!r}{wanted}")
            if among:
                self.choice(item, among, f"{where} {key}")
            if within is not None:
                low, high = within
                self.within(item, low, high, f"{where} '{key}'")
        return tuple(items) if several else value

    def choice(self, value: str, choices: Sequence[str], where: str) -> str:
        """Return a value that must be one of a few."""
        if value not in choices:
            raise self.error(
                f"{where} = '{value}'{suggestion(value, choices)} (known: {', '.join(choices)})"
            )
        return value

    def within(self, value: float, low: float, high: float, where: str) -> None:
        """Refuse a number outside a range."""
        if not low <= value <= high:
            raise self.error(f"{where} must lie between {low:g} and {high:g}, not {value!r}")

    def lists_of_names(
        self, value: Any, known: Sequence[str], where: str
    ) -> tuple[tuple[str, ...], ...]:
        """Return a list of lists of names, all of which must be known."""
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(g, list) and g for g in value)
        ):
            raise self.error(f"{where} must be a list of lists of modalities")
        for name in (n for group in value for n in group):
            if name not in known:
                raise self.error(f"{where} names the modality '{name}'{suggestion(name, known)}")
        return tuple(tuple(group) for group in value)

    def groups(self) -> GroupsDeclaration | None:
        """Return what the table ``[data]`` names as groups of rows, if it does.

        They are a name, or the first rows of two blocks or more, from row 0 upwards.
        """
        groups = self.table("data").get("groups")
        if groups is None or (isinstance(groups, str) and groups):
            return groups
        starts = groups if isinstance(groups, list) else []
        if (
            len(starts) < 2
            or not all(isinstance(start, int) and not isinstance(start, bool) for start in starts)
            or starts[0] != 0
            or any(after <= before for before, after in itertools.pairwise(starts))
        ):
            raise self.error(
                "[data] 'groups' is the name of a column, or the first row of each block, such as "
                f"[0, 466, 932]; not {groups!r}"
            )
        return tuple(starts)
