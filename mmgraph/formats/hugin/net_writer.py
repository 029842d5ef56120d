"""Bayesian networks of tables as Hugin NET files."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

from mmgraph.data.whole_files import write_text
from mmgraph.formats.notes import NET, NOTE, is_quotable, note_of, spellings
from mmgraph.formats.tables import check_discrete, conditional_values
from mmgraph.graph.errors import FormatError
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork


def write_net(net: BayesianNetwork, path: str | PathLike[str]) -> None:
    """Write a Bayesian network of tables to a NET file (gzipped where the name ends in ``.gz``).

    Numbers are written with the digits that give back the same double. Names that are no
    identifiers are written as such, with the true name as ``label`` and in a note that
    :func:`~mmgraph.formats.hugin.net.read_net` understands: a network in double precision whose
    rows sum to one within 1e-12 is read back to the last bit, with its names, states, modalities
    and families.

    Raises
    ------
    FormatError
        If a distribution is not a table, or the file cannot be written.
    """
    if not net.variables:
        raise FormatError(f"{path}: a network without variables cannot be written as NET")
    names = dict(zip(net.variables, spellings(list(net.variables), NET.is_name), strict=True))
    blocks = ["net\n{\n}\n"]
    blocks += [_node(variable, names[name]) for name, variable in net.variables.items()]
    for factor in net.factors:
        child, parents, table = conditional_values(factor, "NET")
        given = f" | {' '.join(names[p.name] for p in parents)}" if parents else ""
        data = "".join(_nested(table.tolist()))
        blocks.append(f"potential ({names[child.name]}{given})\n{{\n  data = {data};\n}}\n")
    write_text(path, "\n".join(blocks))


def _node(variable: Variable, name: str) -> str:
    check_discrete(variable, "NET")
    states = spellings([str(label) for label in variable.labels], NET.is_state)
    modality = variable.modality if is_quotable(variable.modality or "") else None
    listed = " ".join(f'"{state}"' for state in states)
    lines = [f"node {name}", "{", f"  states = ({listed});"]
    if is_quotable(variable.name):
        lines.append(f'  label = "{variable.name}";')
    if modality is not None:
        lines.append(f'  modality = "{modality}";')
    note = note_of(variable, Variable(name, tuple(states), modality=modality))
    if note is not None:
        lines.append(f'  {NOTE} = "{note}";')
    return "\n".join((*lines, "}\n"))


def _nested(values: list[Any]) -> Iterator[str]:
    yield "("
    if isinstance(values[0], list):
        for inner in values:
            yield from _nested(inner)
    else:
        yield " ".join(map(repr, values))
    yield ")"
