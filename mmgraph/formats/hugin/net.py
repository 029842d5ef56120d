"""Bayesian networks in Hugin's NET language (the revisions that begin with ``net`` or ``class``).

Read is what Hugin and other programs write: ``%`` and C comments, states with blanks, quoted or
not, attributes of any name, nested or flat data. Numbers of a table stand with the child moving
fastest and, before it, the last parent. They are weights: Hugin divides each row by its sum.

Hugin fixes what is left out: the two states of a boolean node, and a uniform table without
``data``. States without labels are named by their ``state_values``, else counted; a node without
``states`` has as many as the data of its own potential tell. Text that is not UTF-8 is ISO 8859-1.

The format: "The NET language" in the *HUGIN API Reference Manual* (Hugin Expert), and
https://download.hugin.com/webdocs/manuals/GUI/pages/Tutorials/CaseAndData/NetLanguage.html
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from os import PathLike

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.hugin.net_syntax import Document, Node, Potential, parse
from mmgraph.formats.notes import NET, NOTE, annotated
from mmgraph.formats.rows import ROUNDING
from mmgraph.formats.tables import TableBuilder, bayesian_network
from mmgraph.formats.text import Fail, fail, line_of, nearest
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

LEGACY_ENCODING = "iso-8859-1"
"""What these files hold where they are not UTF-8."""

_NUMERAL = re.compile(r"[^\s(),]+")


class UnnormalisedTableWarning(UserWarning):
    """A row of fractions does not sum to one, and has been divided by its sum."""


def read_net(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network of discrete nodes from a NET file.

    Parameters and errors are those of :func:`~mmgraph.formats.bif.bif.read_bif`. Rows are divided
    by their sum; those within 1e-12 of one are kept to the last bit. An attribute ``modality`` of a
    node is the variable's modality.

    Warns
    -----
    UnnormalisedTableWarning
        If a row is neither a distribution, up to rounding, nor made of counts.

    Raises
    ------
    FormatError
        Also if the file holds decisions, utilities, continuous or function nodes, expressions in
        place of numbers, joint potentials or instances of other networks, with the name.
    """
    text = read_text(path, size_limit, legacy=LEGACY_ENCODING)
    document = parse(path, text)
    if not document.nodes:
        raise FormatError(f"{path}: expected a block 'node', found none")

    def at(start: int) -> Fail:
        return partial(fail, path, text, start)

    potentials: dict[str, Potential] = {}
    for potential in document.potentials:
        if potential.child in potentials:
            at(potential.start)(f"the potential of '{potential.child}' is given twice")
        potentials[potential.child] = potential
    builder = TableBuilder()
    variables = _variables(document, potentials, builder, at)
    odd: list[str] = []
    factors: list[Factor] = []
    for potential in document.potentials:
        factor, normal = _factor(potential, variables, builder, at(potential.start))
        factors.append(factor)
        if not normal:
            odd.append(f"'{potential.child}' (line {line_of(text, potential.start)})")
    if odd:
        warnings.warn(
            f"{path}: rows that do not sum to one are divided by their sums, as Hugin does: "
            f"{', '.join(odd[:5])}{', …' if len(odd) > 5 else ''}",
            UnnormalisedTableWarning,
            stacklevel=2,
        )
    return bayesian_network(path, variables.values(), factors)


def _variables(
    document: Document,
    potentials: Mapping[str, Potential],
    builder: TableBuilder,
    at: Callable[[int], Fail],
) -> dict[str, Variable]:
    """Return the variables by the names of their nodes."""
    variables: dict[str, Variable] = {}
    names: set[str] = set()
    for node in document.nodes:
        at_node = at(node.start)
        if node.name in variables:
            at_node(f"the node '{node.name}' is given twice")
        plain = _variable(node, potentials.get(node.name), builder, at_node)
        note = node.properties.get(NOTE)
        variable = annotated(plain, note, NET, at_node) if note is not None else plain
        if variable.name in names:
            at_node(f"a second variable is called '{variable.name}'")
        names.add(variable.name)
        variables[node.name] = variable
    return variables


def _variable(
    node: Node, potential: Potential | None, builder: TableBuilder, fail: Fail
) -> Variable:
    states = node.states
    if states is None or isinstance(states, int):
        states = _unlabelled(node, states, potential, fail)
    elif states and not any(states):
        states = _unlabelled(node, len(states), potential, fail)
    if states is None:
        fail(f"expected the states of '{node.name}', found neither them nor data that tell")
    if isinstance(states, int):
        builder.reserve_states(node.name, states, fail)
    try:
        return Variable(node.name, states, modality=node.properties.get("modality") or None)
    except GraphError as error:
        fail(str(error))


def _unlabelled(
    node: Node, count: int | None, potential: Potential | None, fail: Fail
) -> tuple[str, ...] | int | None:
    """Return the states of a node whose labels are left out or empty."""
    subtype = node.properties.get("subtype")
    values = _NUMERAL.findall(node.properties.get("state_values", ""))
    if subtype == "boolean":
        if count not in (None, 2):
            fail(f"'{node.name}' is boolean, which has two states; found {count}")
        return ("false", "true")
    if subtype == "interval" and count in (None, len(values) - 1) and len(values) > 1:
        return tuple(f"{low} - {high}" for low, high in pairwise(values))
    if subtype == "number" and count in (None, len(values)) and values:
        return tuple(values)
    if count is None and potential is not None and potential.data is not None:
        count = potential.row or (None if potential.parents else len(potential.data))
    return count


def _factor(
    potential: Potential, variables: Mapping[str, Variable], builder: TableBuilder, fail: Fail
) -> tuple[Factor, bool]:
    """Return the distribution, and whether its rows were distributions or counts."""
    for name in (potential.child, *potential.parents):
        if name not in variables:
            fail(f"expected the name of a node, found '{name[:60]}'{nearest(name, variables)}")
    child = variables[potential.child]
    parents = [variables[name] for name in potential.parents]
    if potential.data is not None:
        if potential.row not in (None, child.cardinality):
            fail(
                f"expected rows of {child.cardinality} numbers in the data of '{potential.child}', "
                f"found {potential.row}"
            )
        normal = _divide_rows(potential.data, child.cardinality)
        return builder.table(child, parents, potential.data, fail), normal
    if potential.has_model:
        fail(f"the potential of '{potential.child}' is given by expressions, without 'data'")
    return builder.uniform(child, parents, fail), True


def _divide_rows(numbers: Float64[np.ndarray, " numbers"], states: int) -> bool:
    """Divide rows of weights by their sums, in place; False if some are not whole numbers."""
    if len(numbers) % states:
        return True
    rows = numbers.reshape(-1, states)
    with np.errstate(over="ignore"):
        sums = rows.sum(axis=1)
    weights = (rows >= 0).all(axis=1) & (sums > 0) & (sums < np.inf) & (np.abs(sums - 1) > ROUNDING)
    counts = bool((rows[weights] == np.floor(rows[weights])).all())
    rows[weights] /= sums[weights, None]
    return counts
