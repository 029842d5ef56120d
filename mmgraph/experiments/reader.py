"""Reading the declaration of a ready model: every error names the file and the key."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mmgraph.data.groups import GroupsDeclaration
from mmgraph.formats.resolve import models_directory
from mmgraph.graph.errors import FormatError, suggestion

Record = TypeVar("Record")
Model = TypeVar("Model", bound="ReadyModel")
Names = tuple[tuple[str, ...], ...]

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq")
"""How files of tables end."""
_EXPECTED = {str: "of type str", int: "of type int", float: "a number", bool: "true or false"}


def entry(
    default: Any = MISSING,
    *,
    within: tuple[float, float] | None = None,
    among: Sequence[str] = (),
    table: str = "",
    key: str = "",
    read: Callable[[Reader, Any], Any] | None = None,
) -> Any:
    """Return a field of a record that :class:`Reader` reads and checks.

    Parameters
    ----------
    default : object, optional
        What the field is where the file does not say it; without one the file must.
    within, among
        The range of the number, or of every number of a list; the values to choose from.
    table, key : str
        Where the entry stands, if not in the record's own table or not under the field's name.
    read : callable, optional
        Reads what is no text, number, truth value, record, or tuple of those.
    """
    checks = {"within": within, "among": among, "table": table, "key": key, "read": read}
    return field(default=default, metadata=checks)


@dataclass(frozen=True)
class ReadyModel:
    """What every ready model declares: its file name without ending, a title, and its data set."""

    name: str
    title: str
    dataset: str = entry(table="data")


def find_declaration(name: str | os.PathLike[str]) -> Path:
    """Return the file of a ready model, given by its path or by its name in ``models/``."""
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise FormatError(f"{path}: no such file")
    if path.name.lower().endswith(TABLES):
        raise FormatError(
            f"{path} is a table: `mmgraph schema {path} --target COLUMN > schema.toml` and "
            f"`mmgraph new classification {path} --schema schema.toml > my.toml` declare what is "
            "run, my.toml"
        )
    candidate = models_directory() / f"{name}.toml"
    if candidate.is_file():
        return candidate
    known = sorted(p.stem for p in models_directory().glob("*.toml"))
    hint = suggestion(name, known) or f" (known: {', '.join(known) or 'none'})"
    raise FormatError(f"no ready model is called '{name}'{hint}")


class Reader:
    """Takes values out of the file of a ready model, and says where something is amiss."""

    def __init__(self, name: str | os.PathLike[str]) -> None:
        self.path = find_declaration(name)
        try:
            self.content: Mapping[str, Any] = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"{self.path}: not a TOML file ({error})") from None

    def error(self, message: str) -> FormatError:
        """Return an error that names the file."""
        return FormatError(f"{self.path}: {message.strip()}")

    def only(self, *keys: str) -> None:
        """Refuse a file with another table or value than these."""
        for key in self.content:
            if key not in keys:
                raise self.error(f"there is no place for '{key}'{suggestion(key, keys)}")

    def table(self, key: str, optional: bool = False) -> Mapping[str, Any]:
        """Return the table ``[key]``, one without entries where it is missing and may be."""
        table = self.content.get(key, {} if optional else None)
        if not isinstance(table, dict):
            missing = "is missing" if table is None else f"is none, but {table!r}"
            raise self.error(f"the table [{key}] {missing}")
        return table

    def declaration(self, cls: type[Model], **others: Any) -> Model:
        """Return a declaration, whose fields :func:`entry` places; ``others`` have been read."""
        declared = [f for f in fields(cls) if f.name not in ("name", *others)]
        tables: dict[str, list[str]] = {}
        for one in declared:
            if one.metadata.get("table"):
                tables.setdefault(one.metadata["table"], []).append(_key(one))
        for name, keys in tables.items():
            self._refuse_others(self.table(name, optional=True), keys, f"[{name}]")
        values = self._values(cls, declared, self.content, "")
        return cls(**{"name": self.path.stem, **values, **others})

    def record(self, cls: type[Record], table: Mapping[str, Any], where: str) -> Record:
        """Return a dataclass whose fields are the entries of a table, which has no others."""
        declared = fields(cls)  # type: ignore[arg-type]
        self._refuse_others(table, [_key(one) for one in declared], where)
        return cls(**self._values(cls, declared, table, where))

    def _refuse_others(self, table: Mapping[str, Any], keys: Collection[str], where: str) -> None:
        for key in table:
            if key not in keys:
                raise self.error(f"{where} has '{key}'{suggestion(key, keys)}")

    def _values(
        self,
        cls: type[Any],
        declared: Sequence[Field[Any]],
        table: Mapping[str, Any],
        where: str,
    ) -> dict[str, Any]:
        hints, values = get_type_hints(cls), {}
        for one in declared:
            name, kind, key = one.metadata.get("table"), hints[one.name], _key(one)
            place, inside = where, table
            if name:
                place = f"[{name}]"
                inside = self.table(name, optional=one.default is not MISSING)
            if key in inside:
                values[one.name] = self._value(one, kind, inside[key], place)
            elif one.default is MISSING:
                what = "the table " if is_dataclass(kind) else ""
                raise self.error(f"{place or 'the file'} lacks {what}'{key}'")
        return values

    def _value(self, declared: Field[Any], kind: Any, value: Any, where: str) -> Any:
        checks, key, items = declared.metadata, _key(declared), get_args(kind)
        if checks.get("read"):
            return checks["read"](self, value)
        name = f"{where[1:-1]}.{key}".lstrip(".")
        if is_dataclass(kind):
            return self.record(kind, self.table(name), f"[{name}]")  # type: ignore[arg-type]
        if get_origin(kind) is dict:
            return {k: self.checked(v, items[1], f"[{key}]", k) for k, v in self.table(key).items()}
        if items and is_dataclass(items[0]):
            if value == [] and declared.default is MISSING:
                raise self.error(f"there is no [[{name}]]")
            return tuple(self._records(items[0], value, name))  # type: ignore[arg-type]
        within, among = checks.get("within"), checks.get("among", ())
        if not items:
            return self.checked(value, kind, where, key, within, among)
        if not isinstance(value, list) or not value:
            raise self.error(f"{where} '{key}' cannot be {value!r}; a list was expected")
        if kind == Names:
            return tuple(self._names(one, f"{where} {key}") for one in value)
        return tuple(self.checked(one, items[0], where, key, within, among) for one in value)

    def _records(self, cls: type[Record], tables: Any, key: str) -> Iterator[Record]:
        """Read a list of tables, which errors tell apart by their first entries."""
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise self.error(f"[[{key}]] is a list of tables")
        first = _key(fields(cls)[0])  # type: ignore[arg-type]
        for one in tables:
            yield self.record(cls, one, f"[[{key}]] {one.get(first, '')}".strip())

    def _names(self, names: Any, where: str) -> tuple[str, ...]:
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise self.error(f"{where} must be a list of lists of modalities")
        return tuple(names)

    def checked(
        self,
        value: Any,
        kind: type,
        where: str,
        key: str,
        within: tuple[float, float] | None = None,
        among: Collection[str] = (),
    ) -> Any:
        """Return a text, a number or a truth value, or refuse it."""
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise self.error(
                f"{where} '{key}' cannot be {value!r}; '{key}' must be {_EXPECTED[kind]}"
            )
        if among and value not in among:
            hint = f"{suggestion(value, among)} (known: {', '.join(among)})"
            raise self.error(f"{where} {key} = '{value}'{hint}")
        if within is not None:
            self.within(value, *within, f"{where} '{key}'")
        return value

    def within(self, value: float, low: float, high: float, where: str) -> None:
        """Refuse a number outside a range."""
        if not low <= value <= high:
            raise self.error(f"{where} must lie between {low:g} and {high:g}, not {value!r}")

    def known(self, groups: Names, known: Sequence[str], where: str) -> None:
        """Refuse names of modalities that are not known."""
        for name in itertools.chain(*groups):
            if name not in known:
                raise self.error(f"{where} names the modality '{name}'{suggestion(name, known)}")

    def groups(self, groups: Any) -> GroupsDeclaration:
        """Return groups of rows: a name, or the first rows of two blocks or more, from row 0 on."""
        if isinstance(groups, str) and groups:
            return groups
        starts = groups if isinstance(groups, list) else []
        if (
            len(starts) < 2
            or any(type(start) is not int for start in starts)
            or starts[0] != 0
            or any(after <= before for before, after in itertools.pairwise(starts))
        ):
            raise self.error(
                "[data] 'groups' is the name of a column, or the first row of each block, such as "
                f"[0, 466, 932]; not {groups!r}"
            )
        return tuple(starts)


def _key(declared: Field[Any]) -> str:
    return str(declared.metadata.get("key") or declared.name)
