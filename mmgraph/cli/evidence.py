"""Evidence as the command line gives it: NAME=STATE or NAME=NUMBER, and the rows of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import ReadOption
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    from mmgraph.data.table import Table
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.variable import Variable


@dataclass(frozen=True)
class EvidenceOptions:
    """Options of a command that give evidence."""

    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence",
            "-e",
            help="NAME=STATE or NAME=NUMBER, one or several, as often as needed.",
        ),
    ] = None
    evidence_file: Annotated[
        Path | None,
        typer.Option(
            help="A CSV, TSV or Parquet file: a column a variable, a row a case, empty where "
            "missing."
        ),
    ] = None
    read: ReadOption = None

    def evidence_for(self, graph: FactorGraph) -> tuple[dict[str, Any], bool]:
        """As :func:`read_evidence`."""
        return read_evidence(graph, self.evidence, self.evidence_file, **reading(self.read))


def reading(options: Sequence[str] | None) -> dict[str, Any]:
    """Return what ``--read`` says of a table, as options of ``open_table``."""
    from mmgraph.data.encoding import READING

    options_named: dict[str, Any] = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        if name not in READING or not equals:
            raise EvidenceError(
                f"--read {option!r} is none of missing=…, encoding=…, separator=…, decimal=… and "
                "extra=…"
            )
        if len(value) > 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]  # written as in Python or TOML
        options_named[name] = [*options_named.get(name, ()), value] if name == "missing" else value
    return options_named


def read_evidence(
    graph: FactorGraph, arguments: Sequence[str] | None, file: Path | None, **reading: Any
) -> tuple[dict[str, Any], bool]:
    """Return evidence for the library, and whether it is a file's rows.

    Arguments are ``NAME=STATE``, ``NAME=NUMBER`` of a continuous variable, ``x[0]=55`` of an
    element; a file has a column a variable or element, and is read as ``open_table`` does.
    """
    evidence: dict[str, Any] = {}
    for argument in arguments or ():
        name, text = _split(graph, argument)
        if name in evidence:
            raise EvidenceError(f"'{name}' is given twice as evidence")
        evidence[name] = _value(_variable(graph, name), text)
    if file is None:
        if reading:
            raise EvidenceError("--read says how a file is read, and there is no --evidence-file")
        return evidence, False
    for name, values in _columns(graph, file, reading).items():
        if name in evidence:
            raise EvidenceError(f"'{name}' is given both by --evidence and in {file}")
        evidence[name] = values
    return evidence, True


def _split(graph: FactorGraph, argument: str) -> tuple[str, str]:
    """Split NAME=STATE at the last ``=`` that has the name of a variable before it."""
    from mmgraph.graph.element_evidence import elements_in

    parts = argument.split("=")
    if len(parts) == 1:
        raise EvidenceError(f"--evidence {argument!r} is not of the form NAME=STATE")
    names = ["=".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
    elements = elements_in(names, graph.variables)
    for name in names:
        if name in graph.variables or name in elements:
            return name, argument[len(name) + 1 :]
    return graph.variable(parts[0]).name, ""  # raises: the first part is no name either


def _variable(graph: FactorGraph, name: str) -> Variable:
    """The scalar variable of that name, or one like the element that it names."""
    from mmgraph.graph.element_evidence import element_of, scalar_like
    from mmgraph.graph.variable import element_names

    place = element_of(name, graph.variables)
    if place is not None:
        return scalar_like(graph.variables[place[0]], name)
    variable = graph.variable(name)
    if variable.shape:
        names = element_names(variable)
        raise EvidenceError(
            f"'{name}' is an array of shape {variable.shape}; its elements are {names[0]} … "
            f"{names[-1]}"
        )
    return variable


def _value(variable: Variable, text: str) -> object:
    """A label as the model spells it, or a number."""
    if variable.is_discrete:
        return variable.labels[variable.code(text)]
    from mmgraph.graph.value_evidence import number_in

    try:
        return number_in(text)
    except ValueError as error:
        raise EvidenceError(f"--evidence {variable.name}={text}: {error}") from None


def _columns(graph: FactorGraph, file: Path, reading: dict[str, Any]) -> dict[str, Any]:
    """The columns of a file: state indices, marked as such, and numbers."""
    from mmgraph.data.tables import open_table

    return evidence_columns(graph, open_table(file, **reading))


def evidence_columns(graph: Any, table: Table) -> dict[str, Any]:
    """Return the columns of a table that are variables or elements of a graph: indices, numbers."""
    from mmgraph.data.encoding import columns_of, encode
    from mmgraph.graph.state_labels import index

    variables = {c: _variable(graph, c) for c in columns_of(table, graph.variables)}
    if not variables:
        return {}
    rows = encode(table.select(variables), variables)
    codes = {name: index(rows.column(name)) for name in rows.columns}
    return codes | {name: values.numpy() for name, values in rows.values.items()}
