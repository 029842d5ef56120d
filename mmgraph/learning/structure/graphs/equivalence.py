"""Classes of directed acyclic graphs that data cannot tell apart, and graphs of a class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from mmgraph.graph.errors import GraphError
from mmgraph.learning.structure.constraints import Constraints, cycle_in_words
from mmgraph.learning.structure.graphs import kernels

Adjacency = Bool[np.ndarray, "parents children"]


class PartialGraph(NamedTuple):
    """A graph with directed edges, ``[parent, child]``, and undirected ones (symmetric)."""

    directed: Adjacency
    undirected: Adjacency

    @classmethod
    def of_marks(cls, marks: Adjacency) -> PartialGraph:
        """Return the graph in which ``marks`` says which way each edge may run."""
        return cls(marks & ~marks.T, marks & marks.T)

    @property
    def marks(self) -> Adjacency:
        """Which way each edge may run; both where it is undirected."""
        return self.directed | self.undirected


def topological_order(
    adjacency: Adjacency, names: Sequence[str] | None = None
) -> Int64[np.ndarray, " nodes"]:
    """Return the nodes of a directed acyclic graph, parents first.

    Raises
    ------
    GraphError
        If there is a cycle; with the names of its nodes, or else their numbers.
    """
    order = kernels.parents_first(np.ascontiguousarray(adjacency, dtype=bool))
    if len(order) < len(adjacency):
        cycle = cycle_in_words(adjacency, names or [str(a) for a in range(len(adjacency))])
        raise GraphError(f"the edges have a cycle: {cycle}")
    return order


def cpdag(
    adjacency: Adjacency,
    constraints: Constraints | None = None,
    targets: Iterable[Collection[int]] = (),
) -> PartialGraph:
    """Return the completed partially directed graph: what all equivalent graphs have in common.

    An edge is directed where it is part of a collider, where background knowledge says so, or where
    one of Meek's rules (1995, "Causal inference and causal explanation with background knowledge")
    follows from these; the other direction would leave the class.

    Parameters
    ----------
    adjacency : array of bool, shape (parents, children)
        A directed acyclic graph.
    constraints : Constraints, optional
        Which the graph keeps. An edge whose reverse they forbid is directed, and so is a required
        one.
    targets : iterable of collections of int, optional
        What each experiment has set, as numbers of nodes. An edge of which an experiment sets one
        end is directed: the interventional essential graph (Hauser and Bühlmann 2012). As there,
        for every node there should be rows in which it is not set.

    Raises
    ------
    GraphError
        If the graph has a cycle.
    """
    dag = np.ascontiguousarray(adjacency, dtype=bool)
    topological_order(dag, None if constraints is None else constraints.names)
    compelled = np.zeros_like(dag)
    if constraints is not None:
        compelled |= constraints.required | ~constraints.allowed.T
    for target in targets:
        is_set = np.zeros(len(dag), dtype=bool)
        is_set[list(target)] = True
        compelled |= is_set[:, None] != is_set[None, :]
    return PartialGraph.of_marks(kernels.orient_further(kernels.with_colliders(dag, compelled)))


def extension(graph: PartialGraph, constraints: Constraints | None = None) -> Adjacency:
    """Return a directed acyclic graph with the edges and colliders of a partially directed one.

    The algorithm is that of Dor and Tarsi (1992). Constraints direct edges before it begins, and
    colliders that they make stay; the number of parents is not among what it minds.

    Raises
    ------
    GraphError
        If there is no such graph, or none that the constraints allow.
    """
    marks = np.ascontiguousarray(graph.marks)
    skeleton = marks | marks.T
    if constraints is not None:
        marks &= constraints.allowed & ~constraints.required.T
        lost = skeleton & ~(marks | marks.T)
        lost |= constraints.required & ~marks
        if lost.any():
            names = " - ".join(constraints.names[i] for i in np.argwhere(lost)[0])
            raise GraphError(f"the constraints do not allow what the graph says of {names}")
        kernels.orient_further(marks)
    dag, complete = kernels.extend(marks)
    if not complete:
        raise GraphError("no directed acyclic graph has these edges and colliders")
    return dag


def without_cycles(
    arcs: Iterable[tuple[int, int]], may_be: Adjacency, max_parents: int | None = None
) -> Adjacency:
    """Return the acyclic graph of arcs that are added in their order.

    An arc that would close a cycle is reversed where the reverse may be, and left out otherwise; so
    is one to a node that has ``max_parents`` parents.
    """
    most = len(may_be) if max_parents is None else max_parents
    graph = np.zeros(may_be.shape, dtype=bool)
    reaches = np.eye(len(may_be), dtype=bool)
    for arc in arcs:
        a, b = arc[::-1] if reaches[arc[::-1]] else arc
        if may_be[a, b] and graph[:, b].sum() < most:
            graph[a, b] = True
            reaches |= reaches[:, a, None] & reaches[None, b]
    return graph


def structural_hamming_distance(first: PartialGraph, second: PartialGraph) -> int:
    """Return the number of pairs of nodes between which two graphs say different things.

    A missing edge, an extra one, a reversed one and one that is directed in one graph alone count
    one each (Tsamardinos, Brown and Aliferis 2006).
    """
    differs = (first.directed != second.directed) | (first.undirected != second.undirected)
    return int(np.triu(differs | differs.T).sum())
