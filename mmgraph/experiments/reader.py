"""Reading the declaration of a ready model: every error names the file and the key."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from mmgraph.formats.resolve import models_directory
from mmgraph.graph.errors import FormatError, suggestion

Record = TypeVar("Record")

_NUMBER: tuple[type, ...] = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": _NUMBER}


def find_declaration(name: str | os.PathLike[str]) -> Path:
    """Return the file of a ready model, given by its path or by its name in ``models/``.

    Raises
    ------
    FormatError
        If there is none; gives the nearest name.
    """
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

    Raises
    ------
    FormatError
        If there is no such file, or it is not TOML.
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
        """Raise FormatError if the file has another table or value than these."""
        for key in self.content:
            if key not in keys:
                raise self.error(f"there is no place for '{key}'{suggestion(key, keys)}")

    def table(self, key: str) -> Mapping[str, Any]:
        """Return the table ``[key]``."""
        found = self.content.get(key)
        if not isinstance(found, dict):
            raise self.error(f"the table [{key}] is missing")
        return found

    def list_of_tables(self, key: str) -> list[Mapping[str, Any]]:
        """Return the tables ``[[key]]``, at least one."""
        found = self.content.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(x, dict) for x in found):
            raise self.error(f"there is no [[{key}]]")
        return found

    def value(self, table: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
        """Return an entry that must be there and of a type."""
        if key not in table:
            raise self.error(f"{where} lacks '{key}'")
        if not isinstance(table[key], kind) or isinstance(table[key], bool):
            raise self.error(f"{where} '{key}' must be of type {kind.__name__}, not {table[key]!r}")
        return table[key]

    def record(self, cls: type[Record], entry: Mapping[str, Any], where: str) -> Record:
        """Return a dataclass whose fields are the entries of a table.

        Fields may be ``str``, ``int``, ``float``, or ``tuple`` of one of them, which a list gives.
        """
        known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        for key in entry:
            if key not in known:
                raise self.error(f"{where} has '{key}'{suggestion(key, known)}")
        values = {}
        for key, field in known.items():
            if key in entry:
                values[key] = self._entry(str(field.type), entry[key], where, key)
            elif field.default is MISSING and field.default_factory is MISSING:
                raise self.error(f"{where} lacks '{key}'")
        return cls(**values)

    def _entry(self, kind: str, value: Any, where: str, key: str) -> Any:
        several = kind.startswith("tuple[")
        kinds = _KINDS[kind.removeprefix("tuple[").removesuffix(", ...]")]
        items = value if several else [value]
        if not isinstance(items, list) or not items:
            raise self.error(f"{where} '{key}' cannot be {value!r}; a list was expected")
        for item in items:
            if not isinstance(item, kinds) or isinstance(item, bool):
                raise self.error(f"{where} '{key}' cannot be {item!r}")
        return tuple(items) if several else value

    def choice(self, value: str, choices: Sequence[str], where: str) -> str:
        """Return a value that must be one of a few."""
        if value not in choices:
            raise self.error(
                f"{where} = '{value}'{suggestion(value, choices)} (known: {', '.join(choices)})"
            )
        return value

    def within(self, value: float, low: float, high: float, where: str) -> None:
        """Raise FormatError unless a number lies in a range."""
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
