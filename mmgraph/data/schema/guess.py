"""A schema proposed from the names and cells of a table, with what it is unsure of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmgraph.data.csv_table import has_decimal_comma
from mmgraph.data.dates import is_date
from mmgraph.data.schema.columns import Column
from mmgraph.data.schema.kinds import (
    FEW_STATES,
    are_measurements,
    are_texts,
    is_number,
    not_numbers,
)
from mmgraph.data.table import CHUNK_ROWS, Table, said_so
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import factorised, plain_array, spellings
from mmgraph.graph.errors import SchemaError, suggestion
from mmgraph.graph.value_evidence import number_in
from mmgraph.graph.variable import Variable

_LONG_COUNTS = 20
_NAMELESS = "the column without a name"
_ALONE = ("time_series", "image_path", "text")
"""The kinds of which a column is a modality by itself."""
_UNPREFIXED = "table"
"""The modality of columns whose names share no prefix."""
_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".nii", ".nii.gz")
_WORDS = {
    "target": ("target", "label", "class", "y", "outcome", "diagnosis", "response"),
    "group": (
        "patient", "subject", "person", "participant", "group", "recording", "session", "site",
        "speaker", "user", "home", "house", "series", "block", "family",
    ),
    "weight": ("weight", "weights", "sample_weight"),
    "time": ("time", "timestamp", "date", "datetime"),
    "ordinal": ("grade", "stage", "score", "level", "rank", "degree"),
    "count": ("count", "counts", "number", "n", "num"),
    "identifier": ("id", "uuid", "index", "key"),
}  # fmt: skip
"""Words of names that hint at a role or kind."""
_NOTHING = ("", "na", "n/a", "#n/a", "n.a.", "nan", "null", "?", "-", "--", ".")
"""How a cell is often spelled that is missing."""
_SEPARATORS = re.compile(r"[\W_]+")
_LETTERS_BEFORE_DIGIT = re.compile(r"([^\W\d_]+)\d")
_SPLIT = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


@dataclass(frozen=True)
class _Summary:
    """What the cells of a column show."""

    rows: int
    filled: int
    distinct: int
    cells: Sequence[Any]
    numbers: np.ndarray | None
    nested: bool = False

    @property
    def whole(self) -> bool:
        """Whether all cells are whole numbers."""
        return self.numbers is not None and bool((self.numbers == np.floor(self.numbers)).all())


def guessed_columns(data: object, target: str | None = None) -> list[Column]:
    """Return the columns that names and cells of a table suggest, as :meth:`Schema.guess`."""
    table = open_table(data)
    if target is not None and target not in table.columns:
        raise SchemaError(
            f"{table.origin} has no column '{target}'{suggestion(target, table.columns)}"
        )
    summaries = _summaries(table)
    columns = {name: _described(name, summary) for name, summary in summaries.items()}
    notes = {name: _of_spellings(columns[name], s) for name, s in summaries.items()}
    columns = _with_one_of_each_role(columns, target)
    features = {n: column for n, column in columns.items() if column.role == "feature"}
    prefixes = _modalities([n for n, column in features.items() if column.kind not in _ALONE])
    for name, column in features.items():
        note = column.note
        if column.kind in _ALONE:
            taken = name in prefixes.values()
            modality = f"{name} ({column.kind})" if taken else name
        else:
            modality = prefixes[name]
            if modality == _UNPREFIXED:
                note = f"no other name begins like this one; {note}".rstrip("; ")
        columns[name] = replace(column, modality=modality, note=note)
    return [
        replace(c, note="; ".join(filter(None, (notes[name], c.note))))
        for name, c in columns.items()
    ]


def _of_spellings(column: Column, summary: _Summary) -> str:
    """What to say of cells that mean missing, or the same, by all appearances."""
    for cell in map(str, summary.cells):
        if cell.strip().casefold() in _NOTHING:
            return f"{cell!r} is a missing cell, perhaps: say {said_so('missing', cell)}"
    alike: dict[str, str] = {}
    for cell in map(str, summary.cells if column.kind == "categorical" else ()):
        other = alike.setdefault(cell.strip().casefold(), cell)
        if other != cell:
            return f"{other!r} and {cell!r} are two states: spell them alike if they are one"
    return ""


def _summaries(table: Table) -> dict[str, _Summary]:
    cells: dict[str, dict[Any, int]] = {name: {} for name in table.columns}
    filled = dict.fromkeys(table.columns, 0)
    nested = dict.fromkeys(table.columns, False)
    hidden = spellings(table.missing_cells())
    rows = 0
    for chunk in table.chunks(CHUNK_ROWS):
        for name, column in chunk.items():
            array = plain_array(column)
            if _holds_arrays(array):
                nested[name] = True
                continue
            inverse, distinct = factorised(Variable(name or _NAMELESS, 1), array)
            counts = np.bincount(inverse[inverse >= 0], minlength=len(distinct))
            for cell, count in zip(distinct, counts.tolist(), strict=True):
                if str(cell) not in hidden:
                    cells[name][cell] = cells[name].get(cell, 0) + count
                    filled[name] += count
        rows += len(next(iter(chunk.values())))
    if not rows:
        raise SchemaError(f"{table.origin} has no rows to propose a schema from")
    return {
        name: _Summary(
            rows, filled[name], len(seen), list(seen), _numbers(list(seen)), nested[name]
        )
        for name, seen in cells.items()
    }


def _holds_arrays(column: Any) -> bool:
    """Whether cells are arrays or lists: sequences or images of their own."""
    array = column if isinstance(column, np.ndarray) else np.asarray(column, dtype=object)
    if array.ndim > 1:
        return True
    return array.dtype == object and any(isinstance(c, list | tuple | np.ndarray) for c in array)


def _numbers(cells: list[Any]) -> np.ndarray | None:
    """The cells as numbers, or None unless all of them are some (truth values are none)."""
    if not cells or not all(map(is_number, cells)):
        return None
    return np.array([number_in(str(cell)) for cell in cells], np.float64)


def _described(name: str, summary: _Summary) -> Column:
    """A column's kind and role by its cells and the words of its name; no modality yet."""
    words = {word.casefold() for word in _SPLIT.split(name) if word}

    def hints(what: str) -> bool:
        return bool(words & set(_WORDS[what])) or name.casefold() in _WORDS[what]

    def column(kind: str, note: str = "", role: str = "feature") -> Column:
        return Column(name, _UNPREFIXED, kind, role, note=note)

    if not name:  # as pandas writes the index of a data frame
        return column("categorical", "it has no name: the index of a data frame", "ignored")
    if summary.nested:
        return column("time_series")
    if not summary.filled:
        return column("continuous", "every cell is empty", "ignored")
    if summary.distinct == 1:
        return column("categorical", f"every cell is {summary.cells[0]!r}", "ignored")
    repeats = summary.distinct < summary.filled
    if hints("group") and repeats and summary.distinct < summary.rows:
        return column("categorical", "a group by its name", "group")
    if name.casefold() in _WORDS["weight"] and summary.numbers is not None:
        return column("continuous", "a weight by its name", "weight")
    if name.casefold() in _WORDS["time"] and summary.numbers is not None:
        return column("continuous", "a time by its name", "time")
    if all(is_date(str(cell)) for cell in summary.cells):
        return column("continuous", "dates: a time by its cells", "time")
    if not repeats and (hints("identifier") or hints("group")):
        return column("categorical", "another cell in each row: an identifier", "ignored")
    if summary.numbers is not None:
        return _numeric(column, summary, hints)
    return _textual(column, summary)


def _numeric(column: Any, summary: _Summary, hints: Any) -> Column:
    numbers, distinct = summary.numbers, summary.distinct
    assert numbers is not None
    counts = summary.whole and numbers.min() >= 0 and distinct > FEW_STATES
    if counts and hints("count"):
        return column("count")
    if are_measurements(numbers, summary.rows):
        unsure = counts and distinct <= _LONG_COUNTS
        return column("continuous", "whole numbers; a count, perhaps" if unsure else "")
    if distinct > FEW_STATES:
        return column("categorical", "numbers its rows: an identifier", "ignored")
    if distinct == 2:
        return column("categorical")
    if hints("ordinal"):
        return column("ordinal")
    return column(
        "categorical", f"{distinct} whole numbers; ordinal or count if they have an order"
    )


def _textual(column: Any, summary: _Summary) -> Column:
    texts = [str(cell) for cell in summary.cells]
    if all(text.lower().endswith(_IMAGES) for text in texts):
        return column("image_path")
    if all(text.startswith("[") and text.endswith("]") for text in texts):
        return column("time_series", "lists of numbers, it seems")
    if all(isinstance(cell, bool) for cell in summary.cells):
        return column("categorical")
    commas = [text for text in texts if has_decimal_comma(text)]
    if 2 * len(commas) > len(texts):
        note = f"with decimal commas, as {commas[0]!r}: say {said_so('decimal', ',')}"
        return column("continuous", note)
    if odd := not_numbers(summary.cells):
        unclear = [str(cell) for cell in odd if str(cell).strip().casefold() not in _NOTHING]
        if not unclear:
            return column("continuous")
        said = said_so("missing", unclear[0])
        return column("continuous", f"{unclear[0]!r} is no number; if it is missing, say {said}")
    if are_texts(texts):
        return column("text")
    if summary.distinct == summary.filled:
        return column("categorical", "another text in each row: an identifier", "ignored")
    unsure = summary.distinct > _LONG_COUNTS or summary.distinct > 0.5 * summary.filled
    return column("categorical", f"{summary.distinct} distinct texts are many" if unsure else "")


def _with_one_of_each_role(columns: dict[str, Column], target: str | None) -> dict[str, Column]:
    """The target that is asked for or named like one; of other roles the first column only."""
    if target is None:
        named = [n for n in columns if n.casefold() in _WORDS["target"]]
        target = named[0] if named else None
        note = "the target by its name"
    else:
        note = ""
    chosen = dict(columns)
    if target is not None:
        kind = columns[target].kind
        discrete = kind if kind in ("categorical", "ordinal") else "continuous"
        chosen[target] = Column(target, None, discrete, "target", note=note)
    for role in ("group", "weight", "time"):
        names = [name for name, column in chosen.items() if column.role == role]
        for name in names[1:]:
            note = f"a {role}, too, by its name; '{names[0]}' has that role"
            chosen[name] = replace(chosen[name], role="ignored", note=note)
    return {
        name: column if column.role == "feature" else replace(column, modality=None)
        for name, column in chosen.items()
    }


def _modalities(names: Sequence[str]) -> dict[str, str]:
    """The modality of each name: the shortest prefix that some names share, but not all."""
    modalities: dict[str, str] = {}
    for depth in (1, 2):
        candidates = {name: _prefixes(name, depth) for name in names}
        counts = Counter(prefix for some in candidates.values() for prefix in some)
        modalities = {
            name: next((prefix for prefix in some if counts[prefix] > 1), _UNPREFIXED)
            for name, some in candidates.items()
        }
        if len(set(modalities.values())) > 1:
            break
    return modalities


def _prefixes(name: str, depth: int) -> list[str]:
    """What a name may begin with: its first words, and the letters before its first digit."""
    words = [word for word in _SEPARATORS.split(name) if word]
    prefixes = ["_".join(words[:depth])] if len(words) > depth else []
    letters = _LETTERS_BEFORE_DIGIT.match(name)
    return [*prefixes, letters[1]] if letters else prefixes
