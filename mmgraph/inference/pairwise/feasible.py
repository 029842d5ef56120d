"""A labelling without hard zeros, where reading one off messages has led into a contradiction."""

# The kernels of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

# mypy: disable-error-code="call-arg"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.energy_kernels import edge_energy
from mmgraph.inference.pairwise.graph import SELECTS_FIRST, TABLE, PairwiseGraph
from mmgraph.inference.possible_rows import named_rows

FOUND, INFEASIBLE, GAVE_UP = 0, 1, 2


def feasible_labelling(
    pairwise: PairwiseGraph, energies: Float[np.ndarray, " states"], contradictions: int = 10_000
) -> Int32[np.ndarray, " nodes"]:
    """Search for a labelling of finite energy: depth first, keeping edges consistent.

    States that have lost every partner across an edge are struck out (arc consistency: Mackworth
    1977, "Consistency in networks of relations"); each node takes the best state that is left, and
    the search goes back where a node has none.

    Parameters
    ----------
    energies : ndarray
        Of each state of each node, infinite where it is forbidden: the lowest is tried first.
    contradictions : int
        Give up after so many.

    Raises
    ------
    ZeroProbabilityError
        If there is no such labelling.
    MmgraphError
        If none was found before the search gave up.
    """
    p = pairwise
    labelling = np.zeros(p.nodes, np.int32)
    adjacency = (p.adjacency.start, p.adjacency.edges)
    outcome = _search(p.offsets, energies, *p.edge_arrays, *adjacency, contradictions, labelling)
    if outcome == INFEASIBLE:
        raise infeasible()
    if outcome == GAVE_UP:
        raise MmgraphError(
            f"no assignment of positive probability was found after {contradictions:,} "
            "contradictions between hard zeros; method='junction_tree' or 'branch_and_bound' can "
            "tell whether there is one"
        )
    return labelling


def consistent_states(
    pairwise: PairwiseGraph, energies: Float[np.ndarray, " states"]
) -> Bool[np.ndarray, " states"]:
    """Return the states that keep a partner across every edge: the others are impossible."""
    p = pairwise
    possible = energies < np.inf
    _make_consistent(p.offsets, possible, *p.edge_arrays, p.adjacency.start, p.adjacency.edges)
    return possible


def infeasible() -> ZeroProbabilityError:
    """Return the error for a graph and evidence that contradict each other."""
    return ZeroProbabilityError(
        "no assignment has positive probability: the hard zeros of the model and the evidence "
        "contradict each other",
        (),
        (),
    )


@contextmanager
def of_row(row: int) -> Iterator[None]:
    """Let what finds its evidence impossible say which row that is.

    Raises
    ------
    ZeroProbabilityError
        With the row's number, and in its message.
    """
    try:
        yield
    except ZeroProbabilityError as error:
        raise error if error.rows else _numbered(error, (row,)) from None


def check_rows(is_infeasible: Bool[Tensor, "batch ..."]) -> None:
    """Raise ZeroProbabilityError for the rows in which anything is infeasible."""
    rows = is_infeasible.flatten(1).any(1).nonzero().flatten().tolist()
    if rows:
        raise _numbered(infeasible(), tuple(rows))


def _numbered(error: ZeroProbabilityError, rows: tuple[int, ...]) -> ZeroProbabilityError:
    return ZeroProbabilityError(
        f"{named_rows(rows)} of the evidence: {error}", rows, error.variables
    )


@compiled
def _strike_out(
    queue, queued, waiting, possible, left, trail, struck, offsets, first, second, function, weight,
    kind, truncation, place, tables, start, incident,
):  # fmt: skip
    """Strike out states without a partner until none is left; return the trail's length, or -1.

    ``left`` counts the possible states of each node. -1 means that a node has none.
    """
    consistent = True
    while waiting > 0:
        waiting -= 1
        a = queue[waiting]
        queued[a] = False
        if not consistent:
            continue
        for i in range(start[a], start[a + 1]):
            e = incident[i]
            f = function[e]
            if kind[f] < SELECTS_FIRST and kind[f] != TABLE:
                continue  # finite for every pair
            b = second[e] if first[e] == a else first[e]
            size_first = offsets[first[e] + 1] - offsets[first[e]]
            size_second = offsets[second[e] + 1] - offsets[second[e]]
            changed = False
            for y in range(offsets[b + 1] - offsets[b]):
                if not possible[offsets[b] + y]:
                    continue
                partner = False
                for x in range(offsets[a + 1] - offsets[a]):
                    if possible[offsets[a] + x]:
                        u, v = (x, y) if first[e] == a else (y, x)
                        if edge_energy(
                            kind[f], weight[e], truncation[f], place[f], tables,
                            u, v, size_first, size_second,
                        ) < np.inf:  # fmt: skip
                            partner = True
                            break
                if not partner:
                    possible[offsets[b] + y] = False
                    trail[struck] = offsets[b] + y
                    struck += 1
                    left[b] -= 1
                    changed = True
            if left[b] == 0:
                consistent = False
                break
            if changed and not queued[b]:
                queue[waiting] = b
                queued[b] = True
                waiting += 1
    return struck if consistent else -struck - 1


@compiled
def _make_consistent(
    offsets, possible, first, second, function, weight, kind, truncation, place, tables,
    start, incident,
):  # fmt: skip
    nodes = len(offsets) - 1
    left = np.zeros(nodes, np.int64)
    queue, queued = np.arange(nodes), np.ones(nodes, np.bool_)
    for n in range(nodes):
        for k in range(offsets[n], offsets[n + 1]):
            left[n] += possible[k]
    _strike_out(
        queue, queued, nodes, possible, left, np.empty(len(possible), np.int64), 0, offsets, first,
        second, function, weight, kind, truncation, place, tables, start, incident,
    )  # fmt: skip


@compiled
def _search(
    offsets, unary, first, second, function, weight, kind, truncation, place, tables,
    start, incident, contradictions, labelling,
):  # fmt: skip
    nodes = len(offsets) - 1
    possible = unary < np.inf
    owner = np.empty(len(unary), np.int32)
    left = np.zeros(nodes, np.int64)
    queue, queued = np.empty(nodes, np.int64), np.zeros(nodes, np.bool_)
    trail = np.empty(len(unary), np.int64)
    for n in range(nodes):
        for k in range(offsets[n], offsets[n + 1]):
            owner[k] = n
            left[n] += possible[k]
        if left[n] == 0:
            return INFEASIBLE
        queue[n] = n
        queued[n] = True
    marks, chosen = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    depth = 0
    struck = _strike_out(
        queue, queued, nodes, possible, left, trail, 0, offsets, first, second, function, weight,
        kind, truncation, place, tables, start, incident,
    )  # fmt: skip
    if struck < 0:
        return INFEASIBLE
    n = 0
    while True:
        while n < nodes and left[n] == 1:
            n += 1
        if n == nodes:
            break
        best = -1
        for k in range(offsets[n], offsets[n + 1]):
            if possible[k] and (best < 0 or unary[k] < unary[best]):
                best = k
        marks[depth], chosen[depth] = struck, best
        depth += 1
        for k in range(offsets[n], offsets[n + 1]):
            if possible[k] and k != best:
                possible[k] = False
                trail[struck] = k
                struck += 1
        left[n] = 1
        queue[0], queued[n] = n, True
        struck = _strike_out(
            queue, queued, 1, possible, left, trail, struck, offsets, first, second, function,
            weight, kind, truncation, place, tables, start, incident,
        )  # fmt: skip
        while struck < 0:  # the last choice was wrong: undo it, and strike it out
            contradictions -= 1
            if contradictions < 0:
                return GAVE_UP
            if depth == 0:
                return INFEASIBLE
            depth -= 1
            for i in range(marks[depth], -struck - 1):
                possible[trail[i]] = True
                left[owner[trail[i]]] += 1
            struck = marks[depth]
            wrong = chosen[depth]
            n = owner[wrong]
            possible[wrong] = False
            left[n] -= 1
            trail[struck] = wrong
            struck += 1
            if left[n] == 0:
                struck = -struck - 1
                continue
            queue[0], queued[n] = n, True
            struck = _strike_out(
                queue, queued, 1, possible, left, trail, struck, offsets, first, second, function,
                weight, kind, truncation, place, tables, start, incident,
            )  # fmt: skip
    for n in range(nodes):
        for k in range(offsets[n], offsets[n + 1]):
            if possible[k]:
                labelling[n] = k - offsets[n]
    return FOUND
