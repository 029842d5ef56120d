"""Bayesian networks as the XDSL files of GeNIe and SMILE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from xml.sax.saxutils import escape, quoteattr

import networkx as nx
from torch import Tensor

from mmgraph.formats.notes import XDSL, Spelled, is_plain_text, spelled_variables
from mmgraph.formats.tables import conditional_values
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic
from mmgraph.graph.conditionals.noisy_max import NoisyMax
from mmgraph.graph.factor import Factor
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.networks.bayesian_network import BayesianNetwork

_COLUMNS = 8
"""How many nodes stand side by side in the drawing."""


def write_xdsl(net: BayesianNetwork, path: str | PathLike[str]) -> None:
    """Write a Bayesian network of tables to an XDSL file (gzipped where it ends in ``.gz``).

    ``Deterministic`` distributions and ``NoisyMax`` ones in descending order remain what they are;
    all others are written as their tables, with the digits that give back the same double. Names
    and states that are no identifiers are written as such, with the true name for the eye and a
    note that :func:`~mmgraph.formats.xml.xdsl.read_xdsl` understands: a network in double precision
    whose rows sum to one within 1e-12 is read back to the last bit, with its names, states,
    modalities and families.

    Raises
    ------
    FormatError
        If a distribution is not a table, or the file cannot be written.
    """
    spelled = spelled_variables(net, XDSL, path)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<smile version="1.0" id="network" numsamples="10000" discsamples="10000">',
        "  <nodes>",
    ]
    factors = {factor.child.name: factor for factor in net.factors if factor.child is not None}
    for name in _parents_first(net):
        lines += _node_lines(factors[name], spelled)
    lines += ["  </nodes>", "  <extensions>"]
    lines.append('    <genie version="1.0" app="mmgraph" name="network">')
    for i, (name, spelling) in enumerate(spelled.items()):
        lines += _drawing_lines(name, spelling.name, i)
    lines += ["    </genie>", "  </extensions>", "</smile>", ""]
    write_text(path, "\n".join(lines))


def _parents_first(net: BayesianNetwork) -> Iterator[str]:
    """Yield the names as SMILE wants its nodes, otherwise in the order of the network."""
    position = {name: i for i, name in enumerate(net.variables)}
    yield from nx.lexicographical_topological_sort(net.directed(), position.__getitem__)


def _node_lines(factor: Factor, spelled: Mapping[str, Spelled]) -> Iterator[str]:
    child, parents, table = conditional_values(factor, XDSL.format)
    spelling = spelled[child.name]
    kind, content = "cpt", {"probabilities": " ".join(map(repr, table.flatten().tolist()))}
    parameters, settings = factor.parameters(), factor.settings()
    if factor.kind == Deterministic.kind:
        states = (spelling.states[i] for i in parameters["index"].flatten().tolist())
        kind, content = "deterministic", {"resultingstates": " ".join(states)}
    elif factor.kind == NoisyMax.kind and settings.get("descending"):
        effects = [parameters[f"effects_{i}"] for i in range(len(parents))]
        kind = "noisymax"
        content = _noisy_max_content(effects, parameters["leak"], settings["absent"])
    yield f'    <{kind} id="{spelling.name}">'
    for state in spelling.states:
        yield f'      <state id="{state}" />'
    if parents:
        yield f"      <parents>{' '.join(spelled[p.name].name for p in parents)}</parents>"
    for tag, text in content.items():
        yield f"      <{tag}>{text}</{tag}>"
    for key, text in spelling.properties.items():
        yield f"      <property id={quoteattr(key)}>{escape(text)}</property>"
    yield f"    </{kind}>"


def _noisy_max_content(
    effects: Sequence[Tensor], leak: Tensor, absent: Sequence[int]
) -> dict[str, str]:
    """Return the strengths and the columns, the absent state of each parent last."""
    strengths: list[int] = []
    columns: list[float] = []
    for effect, last in zip(effects, absent, strict=True):
        order = [*(i for i in range(len(effect)) if i != last), last]
        strengths += order
        columns += effect.detach().double()[order].flatten().tolist()
    columns += leak.detach().double().tolist()
    content = {"strengths": " ".join(map(str, strengths))} if strengths else {}
    return content | {"parameters": " ".join(map(repr, columns))}


def _drawing_lines(name: str, identifier: str, position: int) -> Iterator[str]:
    row, column = divmod(position, _COLUMNS)
    left, top = 20 + 120 * column, 20 + 80 * row
    shown = escape(name) if is_plain_text(name) else identifier
    yield f'      <node id="{identifier}">'
    yield f"        <name>{shown}</name>"
    yield f"        <position>{left} {top} {left + 96} {top + 48}</position>"
    yield "      </node>"
