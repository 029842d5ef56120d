"""A labelling without hard zeros, where reading one off messages has led into a contradiction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
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

    ``energies`` are infinite where a state is forbidden; the lowest are tried first.

    Raises
    ------
    ZeroProbabilityError
        If there is no such labelling.
    MmgraphError
        If none was found before so many contradictions.
    """
    p = pairwise
    labelling = np.zeros(p.nodes, np.int32)
    outcome = _search(energies, p.edge_arrays, p.adjacency, contradictions, labelling)
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
    possible = energies < np.inf
    _make_consistent(possible, pairwise.edge_arrays, pairwise.adjacency)
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
    """Let a ZeroProbabilityError that is raised inside say which row of evidence is impossible."""
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


class _Domains(NamedTuple):
    """The ``possible`` states that are left, how many each node has, and what striking out needs.

    ``queue`` is a stack of nodes whose neighbours are to be looked at, ``queued`` whether each node
    lies on it, ``trail`` the states struck out, in that order.
    """

    possible: Bool[np.ndarray, " states"]
    left: Int64[np.ndarray, " nodes"]
    queue: Int64[np.ndarray, " nodes"]
    queued: Bool[np.ndarray, " nodes"]
    trail: Int64[np.ndarray, " states"]


@compiled
def _all_domains(possible, offsets):
    """The domains of all nodes, all of which wait to be looked at."""
    nodes = len(offsets) - 1
    left = np.zeros(nodes, np.int64)
    for n in range(nodes):
        for k in range(offsets[n], offsets[n + 1]):
            left[n] += possible[k]
    queue, queued = np.arange(nodes), np.ones(nodes, np.bool_)
    return _Domains(possible, left, queue, queued, np.empty(len(possible), np.int64))


@uncounted
def _has_partner(edge, tables, from_first, y, possible, begin, states):
    """Whether a state ``y`` goes with a possible state of the node at the other end of an edge."""
    for x in range(states):
        if possible[begin + x]:
            u, v = (x, y) if from_first else (y, x)
            if edge_energy(edge, tables, u, v) < np.inf:
                return True
    return False


@uncounted
def _strike_out(domains, waiting, struck, edges, adjacency):
    """Strike out states without a partner until none is left; return the trail's length, or -1.

    The first ``waiting`` nodes of the queue are looked at; ``struck`` is the trail's length before.
    Where a node has no state left the result is minus one minus the trail's length.
    """
    possible, left, queue, queued, trail = domains
    offsets, consistent = edges.offsets, True
    while waiting > 0:
        waiting -= 1
        a = queue[waiting]
        queued[a] = False
        if not consistent:
            continue
        for i in range(adjacency.start[a], adjacency.start[a + 1]):
            e = adjacency.edges[i]
            edge = edge_at(edges, e, edges.weight[e])
            if edge.kind < SELECTS_FIRST and edge.kind != TABLE:
                continue  # finite for every pair
            from_first = edges.first[e] == a
            b = edges.second[e] if from_first else edges.first[e]
            changed, begin, states = False, offsets[a], offsets[a + 1] - offsets[a]
            for y in range(offsets[b + 1] - offsets[b]):
                if possible[offsets[b] + y] and not _has_partner(
                    edge, edges.tables, from_first, y, possible, begin, states
                ):
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
def _make_consistent(possible, edges, adjacency):
    domains = _all_domains(possible, edges.offsets)
    _strike_out(domains, len(domains.queue), 0, edges, adjacency)


@compiled
def _search(unary, edges, adjacency, contradictions, labelling):
    """Search depth first; return the outcome, and the labelling in place if there is one."""
    offsets, nodes = edges.offsets, len(edges.offsets) - 1
    domains = _all_domains(unary < np.inf, offsets)
    possible, left, queue, queued, trail = domains
    owner = np.empty(len(unary), np.int32)
    for n in range(nodes):
        owner[offsets[n] : offsets[n + 1]] = n
        if left[n] == 0:
            return INFEASIBLE
    marks, chosen = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    n = depth = 0
    struck = _strike_out(domains, nodes, 0, edges, adjacency)
    if struck < 0:
        return INFEASIBLE
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
        struck = _strike_out(domains, 1, struck, edges, adjacency)
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
            struck = _strike_out(domains, 1, struck, edges, adjacency)
    for n in range(nodes):
        for k in range(offsets[n], offsets[n + 1]):
            if possible[k]:
                labelling[n] = k - offsets[n]
    return FOUND
