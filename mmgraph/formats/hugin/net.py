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
from functools import partial
from itertools import pairwise
from os import PathLike

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.hugin.net_syntax import Node, Potential, parse
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.notes import NET, NOTE
from mmgraph.formats.rows import ROUNDING
from mmgraph.formats.text import Fail, fail, line_of
from mmgraph.graph.errors import warn_caller
from mmgraph.graph.factor import Factor
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
    file = NetworkFile[Potential](path, spelling=NET)
    for potential in document.potentials:
        at_block = partial(fail, path, text, potential.start)
        file.distribute(potential.child, potential, at_block, "potential")
    for node in document.nodes:
        _declare(file, node, partial(fail, path, text, node.start))
    odd: list[str] = []

    def factor(child: str, potential: Potential) -> Factor:
        table, normal = _factor(file, potential, partial(fail, path, text, potential.start))
        if not normal:
            odd.append(f"'{child}' (line {line_of(text, potential.start)})")
        return table

    net = file.network(factor)
    if odd:
        warn_caller(
            f"{path}: rows that do not sum to one are divided by their sums, as Hugin does: "
            f"{', '.join(odd[:5])}{', …' if len(odd) > 5 else ''}",
            UnnormalisedTableWarning,
        )
    return net


def _declare(file: NetworkFile[Potential], node: Node, fail: Fail) -> None:
    potential = file.distributions.get(node.name)
    states = node.states
    if states is None or isinstance(states, int):
        states = _unlabelled(node, states, potential, fail)
    elif states and not any(states):
        states = _unlabelled(node, len(states), potential, fail)
    if states is None:
        fail(f"expected the states of '{node.name}', found neither them nor data that tell")
    if isinstance(states, int):
        file.reserve_states(node.name, states, fail)
    properties = node.properties
    file.declare(node.name, states, fail, properties.get("modality"), properties.get(NOTE))


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


def _factor(file: NetworkFile[Potential], potential: Potential, fail: Fail) -> tuple[Factor, bool]:
    """Return the distribution, and whether its rows were distributions or counts."""
    child, parents = file.family((potential.child, *potential.parents), fail)
    if potential.data is not None:
        if potential.row not in (None, child.cardinality):
            fail(
                f"expected rows of {child.cardinality} numbers in the data of '{potential.child}', "
                f"found {potential.row}"
            )
        normal = _divide_rows(potential.data, child.cardinality)
        return file.table(child, parents, potential.data, fail), normal
    if potential.has_model:
        fail(f"the potential of '{potential.child}' is given by expressions, without 'data'")
    return file.uniform(child, parents, fail), True


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
