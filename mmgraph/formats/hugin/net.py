"""Bayesian networks in Hugin's NET language (the revisions that begin with ``net`` or ``class``).

Read is what Hugin and other programs write: ``%`` and C comments, states with blanks, quoted or
not, attributes of any name, nested or flat data. Numbers of a table stand with the child moving
fastest and, before it, the last parent. Hugin's documentation fixes what is left out: the two
states of a boolean node, and a uniform table without ``data``. Other nodes without ``states`` have
as many as the data of their own potential tell. Text that is not UTF-8 is ISO 8859-1.

The format: "The NET language" in the *HUGIN API Reference Manual* (Hugin Expert), and
https://download.hugin.com/webdocs/manuals/GUI/pages/Tutorials/CaseAndData/NetLanguage.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os import PathLike

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.hugin.net_syntax import Node, Potential, parse
from mmgraph.formats.notes import NOTE, annotated
from mmgraph.formats.tables import Fail, TableBuilder, bayesian_network
from mmgraph.formats.text import fail, nearest
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

LEGACY_ENCODING = "iso-8859-1"
"""What these files hold where they are not UTF-8."""


def read_net(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network of discrete nodes from a NET file.

    Rows of counts, and rows that are off one by rounding (within 0.01), are divided by their sum;
    those within 1e-12 are kept to the last bit. An attribute ``modality`` of a node is the
    variable's modality.

    Parameters
    ----------
    path : path
        The file; gzipped content is unpacked.
    size_limit : int
        The most bytes that it may hold, unpacked.

    Raises
    ------
    FormatError
        With file, line, what was expected and what was found; and if the file holds decisions,
        utilities, continuous or function nodes, expressions in place of numbers, joint potentials
        or instances of other networks, with the name.
    """
    text = read_text(path, size_limit, legacy=LEGACY_ENCODING)
    document = parse(path, text)
    if not document.nodes:
        raise FormatError(f"{path}: expected a block 'node', found none")
    potentials: dict[str, Potential] = {}
    for potential in document.potentials:
        if potential.child in potentials:
            problem = f"the potential of '{potential.child}' is given twice"
            fail(path, text, potential.start, problem)
        potentials[potential.child] = potential
    builder = TableBuilder()
    variables: dict[str, Variable] = {}
    names: set[str] = set()
    for node in document.nodes:
        at_node = partial(fail, path, text, node.start)
        if node.name in variables:
            at_node(f"the node '{node.name}' is given twice")
        plain = _variable(node, potentials.get(node.name), builder, at_node)
        note = node.properties.get(NOTE)
        variable = annotated(plain, note, at_node) if note is not None else plain
        if variable.name in names:
            at_node(f"a second variable is called '{variable.name}'")
        names.add(variable.name)
        variables[node.name] = variable
    factors = [
        _factor(potential, variables, builder, partial(fail, path, text, potential.start))
        for potential in document.potentials
    ]
    return bayesian_network(path, variables.values(), factors)


def _variable(
    node: Node, potential: Potential | None, builder: TableBuilder, fail: Fail
) -> Variable:
    states: tuple[str, ...] | int | None = node.states
    if states is None and node.properties.get("subtype") == "boolean":
        states = ("false", "true")
    elif states is None and potential is not None and potential.data is not None:
        states = potential.row or (None if potential.parents else len(potential.data))
    if states is None:
        fail(f"expected the states of '{node.name}', found neither them nor data that tell")
    if isinstance(states, int):
        builder.reserve_states(node.name, states, fail)
    try:
        return Variable(node.name, states, modality=node.properties.get("modality") or None)
    except GraphError as error:
        fail(str(error))


def _factor(
    potential: Potential, variables: Mapping[str, Variable], builder: TableBuilder, fail: Fail
) -> Factor:
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
        _divide_counts(potential.data, child.cardinality)
        return builder.table(child, parents, potential.data, fail)
    if potential.has_model:
        fail(f"the potential of '{potential.child}' is given by expressions, without 'data'")
    return builder.uniform(child, parents, fail)


def _divide_counts(numbers: Float64[np.ndarray, " numbers"], states: int) -> None:
    """Divide rows of whole numbers by their sums, in place, as Hugin does.

    A row of fractions whose sum is not one is left alone: that is more likely a slip.
    """
    if len(numbers) % states:
        return
    rows = numbers.reshape(-1, states)
    with np.errstate(over="ignore"):
        sums = rows.sum(axis=1)
    counts = ((rows == np.floor(rows)) & (rows >= 0)).all(axis=1) & (sums > 1) & (sums < np.inf)
    rows[counts] /= sums[counts, None]
