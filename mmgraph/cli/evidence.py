"""Evidence as the command line gives it: NAME=STATE, and the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.graph.errors import (
    EvidenceError,
    FormatError,
    MmgraphError,
    UnknownVariableError,
    suggestion,
)

if TYPE_CHECKING:
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.variable import Variable

_LONGEST_INDEX = 9


@dataclass(frozen=True)
class Table:
    """The text of a CSV file, by column.

    Attributes
    ----------
    file : Path
        The file.
    columns : dict of str to list of str
        Each column's cells.
    lines : list of int
        The line of the file on which each row ends.
    """

    file: Path
    columns: dict[str, list[str]]
    lines: list[int]


def read_evidence(
    graph: FactorGraph, given: Sequence[str] | None, file: Path | None
) -> tuple[dict[str, Any], bool]:
    """Return evidence for the library, and whether it is a file's rows.

    Raises
    ------
    UnknownVariableError, UnknownStateError
        With the nearest name, and the line of a file.
    EvidenceError
        If an argument is not NAME=STATE or a variable is given twice.
    FormatError
        If the file cannot be read as CSV.
    """
    evidence: dict[str, Any] = {}
    for argument in given or ():
        name, state = _split(graph, argument)
        if name in evidence:
            raise EvidenceError(f"'{name}' is given twice as evidence")
        evidence[name] = _state(_variable(graph, name), state)
    if file is None:
        return evidence, False
    table = read_table(file)
    for name, values in _rows(graph, table).items():
        if name in evidence:
            raise EvidenceError(f"'{name}' is given both by --evidence and in {file}")
        evidence[name] = values
    rows = len(table.lines)
    return {n: v if isinstance(v, list) else [v] * rows for n, v in evidence.items()}, True


def _split(graph: FactorGraph, argument: str) -> tuple[str, str]:
    """Split NAME=STATE at the last ``=`` that has the name of a variable before it."""
    from mmgraph.graph.element_evidence import element_of

    parts = argument.split("=")
    if len(parts) == 1:
        raise EvidenceError(f"--evidence {argument!r} is not of the form NAME=STATE")
    for count in range(len(parts) - 1, 0, -1):
        name = "=".join(parts[:count])
        if name in graph.variables or element_of(name, graph.variables) is not None:
            return name, "=".join(parts[count:])
    return graph.variable(parts[0]).name, ""  # raises: the first part is no name either


def _variable(graph: FactorGraph, name: str) -> Variable:
    """The variable of that name, or a scalar one like the element that it names."""
    from mmgraph.graph.element_evidence import element_of
    from mmgraph.graph.variable import Variable

    place = element_of(name, graph.variables)
    if place is None:
        return graph.variable(name)
    array = graph.variables[place[0]]
    return Variable(name, array.states, family=array.family)


def _state(variable: Variable, text: str) -> object:
    """A state as the model spells it; a number may be a label that is no string, or an index."""
    if not variable.is_discrete or variable.shape:
        what = "continuous" if not variable.is_discrete else f"an array of shape {variable.shape}"
        from mmgraph.graph.variable import element_names

        hint = f", as in {element_names(variable)[0]}=STATE" if variable.is_discrete else ""
        raise EvidenceError(f"'{variable.name}' is {what}: --evidence takes one state{hint}")
    by_text = {str(label): label for label in variable.labels}
    if text in by_text:
        return by_text[text]
    whole = text.removesuffix(".0")  # how a column of whole numbers with gaps is often written
    if whole in by_text:
        return by_text[whole]
    is_index = whole.isascii() and whole.isdigit() and len(whole) <= _LONGEST_INDEX
    return int(whole) if is_index else text


def read_table(file: Path) -> Table:
    """Read a CSV file, perhaps gzipped, as text.

    Lines without any character are skipped.

    Raises
    ------
    FormatError
        If there is no header or row, a column stands there twice, or a row has not as many cells
        as the header (with its line).
    """
    from mmgraph.formats.files import read_text

    reader = csv.reader(io.StringIO(read_text(file), newline=""), strict=True)
    rows, lines = [], []
    try:
        header = next(reader, [])
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise FormatError(
                    f"{file}, line {reader.line_num}: expected {len(header)} cells, "
                    f"found {len(row)}"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise FormatError(f"{file}, line {reader.line_num}: {error}") from None
    if not rows:
        raise FormatError(f"{file}: expected a header and at least one row")
    repeated = [name for i, name in enumerate(header) if name in header[:i]]
    if repeated:
        raise FormatError(f"{file}: the column '{repeated[0]}' stands there twice")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    return Table(file, columns, lines)


def _rows(graph: FactorGraph, table: Table) -> dict[str, list[Any]]:
    """Columns as evidence: labels, numbers, and vectors gathered from ``x[0]``, ``x[1]``, …."""
    evidence: dict[str, list[Any]] = {}
    vectors: dict[str, dict[int, list[float]]] = {}
    for column in table.columns:
        variable = graph.variables.get(column)
        if variable is None:
            name, index = _element(graph, table, column)
            vectors.setdefault(name, {})[index] = _numbers(table, column)
        elif variable.shape:
            last = ", ".join(str(n - 1) for n in variable.shape)
            raise EvidenceError(
                f"{table.file}: '{column}' is an array; its columns are {column}[0] … "
                f"{column}[{last}]"
            )
        elif variable.is_discrete:
            evidence[column] = _labels(table, variable)
        else:
            evidence[column] = _numbers(table, column)
    for name, elements in vectors.items():
        length = graph.variables[name].size
        if len(elements) < length:
            missing = next(i for i in range(length) if i not in elements)
            raise EvidenceError(f"{table.file}: '{name}' lacks the column {name}[{missing}]")
        cells = (elements[i] for i in range(length))
        evidence[name] = [list(row) for row in zip(*cells, strict=True)]
    return evidence


def _element(graph: FactorGraph, table: Table, column: str) -> tuple[str, int]:
    """The vector variable and the place in it that a column such as ``x[3]`` speaks of."""
    name, _, rest = column.partition("[")
    digits = rest.removesuffix("]")
    variable = graph.variables.get(name)
    if variable is None or digits == rest or not (digits.isascii() and digits.isdigit()):
        raise UnknownVariableError(
            f"{table.file}: the column '{column}' is not a variable of the model"
            f"{suggestion(column, graph.variables)}"
        )
    if variable.is_discrete or len(variable.shape) != 1 or int(digits) >= variable.size:
        kind = "discrete" if variable.is_discrete else f"of shape {variable.shape}"
        raise UnknownVariableError(
            f"{table.file}: '{name}' is {kind} and has no element '{column}'"
        )
    return name, int(digits)


def _labels(table: Table, variable: Variable) -> list[object]:
    """A discrete column's labels; an empty cell is missing."""
    known: dict[str, object] = {"": None}
    for line, cell in zip(table.lines, table.columns[variable.name], strict=True):
        if cell in known:
            continue
        try:
            known[cell] = variable.labels[variable.code(_state(variable, cell))]
        except MmgraphError as error:
            raise type(error)(f"{table.file}, line {line}: {error}") from None
    return [known[cell] for cell in table.columns[variable.name]]


def _numbers(table: Table, column: str) -> list[float]:
    """A continuous column's values; an empty cell is missing."""
    values = []
    for line, cell in zip(table.lines, table.columns[column], strict=True):
        try:
            values.append(float(cell) if cell else math.nan)
        except ValueError:
            raise EvidenceError(
                f"{table.file}, line {line}: the column '{column}' holds {cell!r}, no number"
            ) from None
    return values
