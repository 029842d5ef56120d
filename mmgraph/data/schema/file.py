"""Schemas as TOML files that a person can read and correct."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from mmgraph.data.schema.columns import KINDS, ROLES, Column, columns_of
from mmgraph.graph.errors import FormatError, SchemaError, suggestion
from mmgraph.graph.storage.whole_files import checked_path

_EXPLANATION = f"""\
# What each column is. Correct what is wrong; a comment says what is uncertain.
#   modality  the sensor or source of a feature
#   kind      {", ".join(KINDS)}
#   role      {", ".join(ROLES)}
#             (a group is what a row belongs to: a person, a recording; splits keep it together)
#   unit      what numbers are measured in
#   tier      the place in the order of causes: nothing causes what is of a lower tier
#   states    the labels of a categorical column, or of an ordinal one in their order
# An entry such as "gene_*" describes all columns like it that have none of their own.
# [read] says how the file is read: missing = ["NA", "?"], encoding = "latin-1", separator = ";",
# decimal = ",".
"""
OPTIONS = ("missing", "encoding", "separator", "decimal")
"""What ``[read]`` may say, as options of :func:`mmgraph.open_table`."""


def checked_options(options: Any) -> dict[str, Any]:
    """Return how a table is read; a single cell that stands for missing ones as a list.

    Raises
    ------
    SchemaError
        If an option is unknown, or not what it must be.
    """
    if not isinstance(options, Mapping):
        raise SchemaError(f"how a table is read is a table of {', '.join(OPTIONS)}: {options!r}")
    for name, value in options.items():
        if name not in OPTIONS:
            raise SchemaError(
                f"a table is not read by {name!r}{suggestion(name, OPTIONS)} (one of "
                f"{', '.join(OPTIONS)})"
            )
        if name != "missing" and not isinstance(value, str):
            raise SchemaError(f"{name} is a text, not {value!r}")
    if "missing" not in options:
        return dict(options)
    missing = options["missing"]
    cells = list(missing) if isinstance(missing, list | tuple | set | frozenset) else [missing]
    if not all(isinstance(cell, str | int | float) for cell in cells):
        raise SchemaError(f"missing is a list of texts and numbers, not {missing!r}")
    return {**options, "missing": cells}


def schema_in_file(path: str | os.PathLike[str]) -> tuple[list[Column], dict[str, Any]]:
    """Return the columns and the options of reading in a TOML file, as :meth:`Schema.read`."""
    path = checked_path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        twice = "; a column stands there twice" if "overwrite" in str(error) else ""
        raise FormatError(f"{path}: not a TOML file ({error}{twice})") from None
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror})") from None
    others = ", ".join(f"'{key}'" for key in content if key not in ("columns", "read"))
    if others or "columns" not in content:
        problem = f"there is no place for {others}" if others else "it is missing"
        raise FormatError(f"{path}: a schema is one table, [columns], beside [read]; {problem}")
    try:
        return columns_of(content["columns"]), checked_options(content.get("read", {}))
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None


def schema_text(columns: Iterable[Column], reading: Mapping[str, Any], title: str = "") -> str:
    """Return the text of a schema's file, a line for each column, notes as comments."""
    head = f"# {_comment(title)}\n" if title else ""
    lines = [f"{head}{_EXPLANATION}"]
    if reading:
        lines += ["[read]", *(f"{key} = {_value(value)}" for key, value in reading.items()), ""]
    lines.append("[columns]")
    for column in columns:
        note = f"  # uncertain: {_comment(column.note)}" if column.note else ""
        lines.append(f"{_key(column.name)} = {_entries(column)}{note}")
    return "\n".join(lines) + "\n"


def _entries(column: Column) -> str:
    values: dict[str, Any] = {
        "modality": column.modality,
        "role": None if column.role == "feature" else column.role,
        "kind": None if column.role in ("group", "ignored") else column.kind,
        "unit": column.unit,
        "tier": column.tier,
        "states": None if column.states is None else list(column.states),
    }
    shown = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return "{ " + ", ".join(shown) + " }"


def _comment(text: str) -> str:
    """Text on one line, without the control characters that TOML forbids in comments."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    # A basic string of TOML escapes what one of JSON does, and DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
