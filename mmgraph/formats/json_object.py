"""JSON from a file that may hold anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmgraph.formats.files import read_bytes
from mmgraph.formats.text import nearest
from mmgraph.graph.errors import FormatError


class JsonObject:
    """A JSON object whose members are checked as they are taken out.

    Messages begin with ``where`` it stands: the file, and the place in it.
    """

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise FormatError(f"{where}: expected a JSON object, found {shown(value)}")
        self.members: dict[str, Any] = value
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self.members

    def get(self, key: str, kind: type[Any], default: Any = None) -> Any:
        """Return a member of a type; it may be absent where there is a default."""
        if key not in self:
            if default is None:
                raise FormatError(f"{self.where}: expected the member '{key}', found none")
            return default
        value = self.members[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise FormatError(
                f"{self.where}: expected '{key}' to be of type {kind.__name__}, "
                f"found {shown(value)}"
            )
        return value

    def choice(self, key: str, known: Mapping[str, Any]) -> Any:
        """Return what a name stands for."""
        name = self.get(key, str)
        if name not in known:
            raise FormatError(
                f"{self.where}: the {key} {shown(name)} is not known{nearest(name, known)}"
            )
        return known[name]

    def names(self, key: str) -> list[str]:
        """Return a list of strings."""
        names: list[str] = self.get(key, list, [])
        for name in names:
            if not isinstance(name, str):
                raise FormatError(f"{self.where}: expected a name in '{key}', found {shown(name)}")
        return names

    def items(self, key: str) -> list[JsonObject]:
        """Return a list of objects."""
        values = self.get(key, list)
        return [JsonObject(f"{self.where}, {key}[{i}]", value) for i, value in enumerate(values)]


def shown(value: object) -> str:
    """Return the value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def read_json(file: Path, size_limit: int) -> object:
    """Return what a JSON file holds; a member that stands twice in an object is refused."""
    try:
        return json.loads(read_bytes(file, size_limit), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise FormatError(f"{file}, line {error.lineno}: expected JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, endless digits or nesting
        raise FormatError(f"{file}: expected JSON ({error})") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"the member {shown(key)} is given twice")
        members[key] = value
    return members
