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
from collections.abc import Iterator, Sequence
from itertools import islice
from os import PathLike

import numpy as np
import torch

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.notes import NOTE, XDSL
from mmgraph.formats.text import nearest
from mmgraph.formats.xml.elements import Element, read_xml
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic
from mmgraph.graph.conditionals.noisy_max import NoisyMax
from mmgraph.graph.errors import GraphError
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
    file = NetworkFile[Element](path, "a node", spelling=XDSL)
    for element in elements:
        _declare(file, element)
    if application == "mmgraph" and sorted(drawn) == sorted(file.variables):
        file.order(drawn)  # nodes stand parents first, drawings do not
    # aGrUM lists the parents in the order of its own tables, the first one fastest.
    turned = application.startswith("aGrUM")
    return file.network(lambda name, element: _factor(file, name, element, turned))


def _flat(group: Element) -> Iterator[Element]:
    """Yield the nodes of a group and, one after the other, of the submodels in it."""
    for element in group.children:
        if element.tag == "submodel":
            yield from _flat(element)
        else:
            yield element


def _declare(file: NetworkFile[Element], element: Element) -> None:
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
    file.declare(
        name, tuple(states), element.fail, properties.get("modality"), properties.get(NOTE)
    )
    file.distribute(name, element, element.fail)


def _factor(file: NetworkFile[Element], name: str, element: Element, turned: bool) -> Factor:
    listed = element.one("parents", file.variables[name].name)
    names = [name, *(listed.text.split() if listed is not None else ())]
    what = f"the name of a node among the parents of '{file.variables[name].name}'"
    child, parents = file.family(names, element.fail, what)
    tag = _READ[element.tag]
    content = element.one(tag, child.name)
    if content is None:
        element.fail(f"expected <{tag}> in '{child.name}', found none")
    if element.tag == "cpt":
        if not turned:
            return file.table(child, parents, content.numbers(child.name), content.fail)
        table = file.table(child, parents[::-1], content.numbers(child.name), content.fail)
        axes = (*reversed(range(len(parents))), len(parents))
        values = table.values.permute(axes).contiguous()
        return TableFactor((*parents, child), values, child=child)
    sizes = [_PASSES, *(v.cardinality for v in (*parents, child))]
    file.reserve(sizes, f"the table of '{child.name}'", element.fail)
    try:
        if element.tag == "deterministic":
            return _deterministic(element, child, parents, content)
        return _noisy_max(element, child, parents, content)
    except GraphError as error:
        content.fail(str(error))


def _deterministic(
    element: Element, child: Variable, parents: Sequence[Variable], content: Element
) -> Deterministic:
    states = (e.attributes["id"] for e in element.children if e.tag == "state")
    codes = {state: i for i, state in enumerate(states)}
    name = child.name
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
    return Deterministic(child, parents, index.reshape(shape))


def _noisy_max(
    element: Element, child: Variable, parents: Sequence[Variable], content: Element
) -> NoisyMax:
    states = child.cardinality
    numbers = content.numbers(child.name)
    columns = sum(v.cardinality for v in parents) + 1
    if len(numbers) != columns * states:
        content.fail(
            f"expected {columns * states:,} numbers in <parameters> of '{child.name}', one column "
            f"for each state of each parent and one for the leak, found {len(numbers):,}"
        )
    table = torch.from_numpy(numbers.reshape(columns, states))
    *blocks, leak = table.split([*(parent.cardinality for parent in parents), 1])
    strengths = _strengths(element, child.name, parents)
    effects = [b[np.argsort(order)] for b, order in zip(blocks, strengths, strict=True)]
    absent = {p.name: p.labels[order[-1]] for p, order in zip(parents, strengths, strict=True)}
    return NoisyMax(child, parents, effects, leak[0], absent, descending=True)


def _strengths(element: Element, name: str, parents: Sequence[Variable]) -> list[list[int]]:
    """Return the states of each parent, from the strongest to the one without effect."""
    content = element.one("strengths", name)
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
    remaining = iter(numbers)
    for parent in parents:
        order = list(islice(remaining, parent.cardinality))
        if sorted(order) != list(range(parent.cardinality)):
            content.fail(
                f"expected each state of '{parent.name}' once in <strengths> of '{name}', found "
                f"{' '.join(f'{n:g}' for n in order)[:60]}"
            )
        strengths.append([int(n) for n in order])
    return strengths
