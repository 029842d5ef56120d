"""Bayesian networks of tables as Hugin NET files."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

from mmgraph.formats.notes import NET, Spelled, is_quotable, spelled_variables
from mmgraph.formats.tables import conditional_values
from mmgraph.graph.storage.whole_files import write_text
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
    spelled = spelled_variables(net, NET, path)
    blocks = ["net\n{\n}\n", *(_node(name, s) for name, s in spelled.items())]
    for factor in net.factors:
        child, parents, table = conditional_values(factor, NET.format)
        scope = spelled[child.name].name
        if parents:
            scope += f" | {' '.join(spelled[p.name].name for p in parents)}"
        data = "".join(_nested(table.tolist()))
        blocks.append(f"potential ({scope})\n{{\n  data = {data};\n}}\n")
    write_text(path, "\n".join(blocks))


def _node(name: str, spelled: Spelled) -> str:
    listed = " ".join(f'"{state}"' for state in spelled.states)
    lines = [f"node {spelled.name}", "{", f"  states = ({listed});"]
    if is_quotable(name):
        lines.append(f'  label = "{name}";')
    lines += [f'  {key} = "{text}";' for key, text in spelled.properties.items()]
    return "\n".join((*lines, "}\n"))


def _nested(values: list[Any]) -> Iterator[str]:
    yield "("
    if isinstance(values[0], list):
        for inner in values:
            yield from _nested(inner)
    else:
        yield " ".join(map(repr, values))
    yield ")"
