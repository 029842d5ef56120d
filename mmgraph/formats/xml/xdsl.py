"""Bayesian networks in the XDSL files of GeNIe and SMILE.

Read are ``<cpt>``, ``<deterministic>`` and ``<noisymax>`` nodes, those of submodels as well, which
are only a way to draw. The numbers of a table stand with the child moving fastest and, before it,
the last parent; aGrUM writes files of this name with the first parent before the child instead,
and they are known by its name in them.

A noisy-MAX lists its states from the strongest to the last, which means that there is no effect.
Its ``<parameters>`` hold a column for each state of each parent in the order that ``<strengths>``
gives, the last one of each parent without effect, and then the leak: all in Díez's
parametrisation, as :class:`~mmgraph.graph.conditionals.noisy_max.NoisyMax` has it.

The format: "XDSL file format" and "Noisy-MAX" in the *SMILE Programmer's Manual* (BayesFusion),
https://support.bayesfusion.com/docs/
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.notes import NOTE, XDSL, annotated
from mmgraph.formats.tables import TableBuilder, bayesian_network, check_family
from mmgraph.formats.text import nearest
from mmgraph.formats.xml.elements import Element, read_xml
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic, NoisyMax
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

_REFUSED = {
    "decision": "a decision",
    "utility": "a utility",
    "mau": "a multi-attribute utility",
    "equation": "an equation node",
    "noisyadder": "a noisy-adder",
    "demorgan": "a DeMorgan gate",
}
_READ = {"cpt": "probabilities", "deterministic": "resultingstates", "noisymax": "parameters"}
"""The element that holds the distribution, by the kind of the node."""
_PASSES = 4
"""Arrays of the size of a table that computing it from parameters takes."""

_SILENT = ("state", "parents", "property", "cost", "comment")


@dataclass(frozen=True)
class Node:
    """A node and where it stands.

    Attributes
    ----------
    element : Element
    variable : Variable
    states : tuple of str
        As the file spells them.
    """

    element: Element
    variable: Variable
    states: tuple[str, ...]


def read_xdsl(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network of discrete nodes from an XDSL file.

    Parameters, rows and errors are those of :func:`~mmgraph.formats.bif.bif.read_bif`. A property
    ``modality`` of a node is the variable's modality.

    Returns
    -------
    BayesianNetwork
        Of ``TableFactor``, ``Deterministic`` and ``NoisyMax`` distributions.

    Raises
    ------
    FormatError
        Also if the network is dynamic, or a node is an equation, a decision, a utility or of
        another kind, with its name.
    """
    root = read_xml(path, "smile", size_limit)
    application = ""
    drawn: list[str] = []
    elements: list[Element] = []
    for child in root.children:
        if child.tag == "nodes":
            elements += _flat(child)
        elif child.tag == "dynamic":
            child.fail("the network is dynamic, with arcs between time slices; it cannot be read")
        elif child.tag == "extensions" and (genie := child.one("genie", "smile")) is not None:
            application = genie.attributes.get("app", "")
            drawn = [e.attributes.get("id", "") for e in genie.children]
        elif child.tag not in ("extensions", "property", "properties", "cases", "comment"):
            child.fail(f"expected <nodes> or <extensions>, found <{child.tag[:60]}>")
    nodes: dict[str, Node] = {}
    names: set[str] = set()
    for element in elements:
        node = _node(element)
        name = element.attributes["id"]
        if name in nodes or node.variable.name in names:
            element.fail(f"the node '{node.variable.name}' is given twice")
        names.add(node.variable.name)
        nodes[name] = node
    if not nodes:
        raise FormatError(f"{path}: expected a node, found none")
    if application == "mmgraph" and sorted(drawn) == sorted(nodes):
        nodes = {name: nodes[name] for name in drawn}  # nodes stand parents first, drawings do not
    builder = TableBuilder()
    # aGrUM lists the parents in the order of its own tables, the first one fastest.
    turned = application.startswith("aGrUM")
    factors = [_factor(node, nodes, builder, turned) for node in nodes.values()]
    return bayesian_network(path, [node.variable for node in nodes.values()], factors)


def _flat(group: Element) -> Iterator[Element]:
    """Yield the nodes of a group and, one after the other, of the submodels in it."""
    for element in group.children:
        if element.tag == "submodel":
            yield from _flat(element)
        else:
            yield element


def _node(element: Element) -> Node:
    name = element.attribute("id", "the name of the node")
    alone = "networks of discrete random variables alone can be read"
    if element.tag not in _READ:
        what = _REFUSED.get(element.tag, f"a node of the unknown kind <{element.tag[:60]}>")
        element.fail(f"'{name}' is {what}; {alone}")
    if "dynamic" in element.attributes:
        element.fail(f"'{name}' is a node of a dynamic network; {alone}")
    if not name:
        element.fail("expected the name of a node in the attribute 'id', found nothing")
    allowed = (*_SILENT, _READ[element.tag], "strengths" if element.tag == "noisymax" else "state")
    states: list[str] = []
    properties: dict[str, str] = {}
    for child in element.children:
        if child.tag not in allowed:
            child.fail(f"expected <{_READ[element.tag]}> in '{name}', found <{child.tag[:60]}>")
        if child.tag == "state":
            states.append(child.attribute("id", f"a state of '{name}'"))
        elif child.tag == "property":
            properties[child.attributes.get("id", "")] = child.text
    try:
        plain = Variable(name, tuple(states), modality=properties.get("modality") or None)
    except GraphError as error:
        element.fail(str(error))
    note = properties.get(NOTE)
    variable = annotated(plain, note, XDSL, element.fail) if note is not None else plain
    return Node(element, variable, tuple(states))


def _factor(node: Node, nodes: Mapping[str, Node], builder: TableBuilder, turned: bool) -> Factor:
    element, child = node.element, node.variable
    listed = element.one("parents", child.name)
    names = listed.text.split() if listed is not None else []
    for name in names:
        if name not in nodes:
            element.fail(
                f"expected the name of a node among the parents of '{child.name}', found "
                f"'{name[:60]}'{nearest(name, nodes)}"
            )
    parents = [nodes[name].variable for name in names]
    check_family(child, parents, element.fail)
    tag = _READ[element.tag]
    content = element.one(tag, child.name)
    if content is None:
        element.fail(f"expected <{tag}> in '{child.name}', found none")
    if element.tag == "cpt":
        if not turned:
            return builder.table(child, parents, content.numbers(child.name), content.fail)
        table = builder.table(child, parents[::-1], content.numbers(child.name), content.fail)
        axes = (*reversed(range(len(parents))), len(parents))
        values = table.values.permute(axes).contiguous()
        return TableFactor((*parents, child), values, child=child)
    sizes = [_PASSES, *(v.cardinality for v in (*parents, child))]
    builder.reserve(sizes, f"the table of '{child.name}'", element.fail)
    try:
        if element.tag == "deterministic":
            return _deterministic(node, parents, content)
        return _noisy_max(node, parents, content)
    except GraphError as error:
        content.fail(str(error))


def _deterministic(node: Node, parents: Sequence[Variable], content: Element) -> Deterministic:
    codes = {state: i for i, state in enumerate(node.states)}
    name = node.variable.name
    values = content.text.split()
    for value in values:
        if value not in codes:
            content.fail(
                f"expected a state of '{name}' in <resultingstates>, found '{value[:60]}'"
                f"{nearest(value, codes)}"
            )
    shape = [v.cardinality for v in parents]
    size = math.prod(shape)
    if len(values) != size:
        content.fail(
            f"expected {size:,} states in <resultingstates> of '{name}', found {len(values)}"
        )
    index = np.array([codes[value] for value in values], dtype=np.int64)
    return Deterministic(node.variable, parents, index.reshape(shape))


def _noisy_max(node: Node, parents: Sequence[Variable], content: Element) -> NoisyMax:
    child = node.variable
    states = child.cardinality
    numbers = content.numbers(child.name)
    columns = sum(v.cardinality for v in parents) + 1
    if len(numbers) != columns * states:
        content.fail(
            f"expected {columns * states:,} numbers in <parameters> of '{child.name}', one column "
            f"for each state of each parent and one for the leak, found {len(numbers):,}"
        )
    table = torch.from_numpy(numbers.reshape(columns, states))
    strengths = _strengths(node, parents)
    effects = []
    absent = {}
    first = 0
    for parent, order in zip(parents, strengths, strict=True):
        effect = torch.empty(parent.cardinality, states, dtype=torch.float64)
        effect[order] = table[first : first + len(order)]
        effects.append(effect)
        absent[parent.name] = parent.labels[order[-1]]
        first += len(order)
    return NoisyMax(child, parents, effects, table[-1], absent, descending=True)


def _strengths(node: Node, parents: Sequence[Variable]) -> list[list[int]]:
    """Return the states of each parent, from the strongest to the one without effect."""
    name = node.variable.name
    content = node.element.one("strengths", name)
    if content is None:
        return [list(range(parent.cardinality)) for parent in parents]
    numbers = content.numbers(name).tolist()
    expected = sum(parent.cardinality for parent in parents)
    if len(numbers) != expected:
        content.fail(
            f"expected {expected} numbers in <strengths> of '{name}', one for each state of each "
            f"parent, found {len(numbers)}"
        )
    strengths = []
    first = 0
    for parent in parents:
        order = numbers[first : first + parent.cardinality]
        first += parent.cardinality
        if sorted(order) != list(range(parent.cardinality)):
            content.fail(
                f"expected each state of '{parent.name}' once in <strengths> of '{name}', found "
                f"{' '.join(f'{n:g}' for n in order)[:60]}"
            )
        strengths.append([int(n) for n in order])
    return strengths
