"""The graph of a causal model: directed edges, and bidirected ones for hidden common causes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import combinations

import networkx as nx

from mmgraph.causal.graph.separation import Adjacency, bits
from mmgraph.graph.errors import GraphError, UnknownVariableError, suggestion
from mmgraph.interop.causal_graphs import hidden_causes

Edge = tuple[str, str]


Names = str | Collection[str]

HIDDEN_CAUSE = ("{} <-> {}", "'")
"""How a hidden cause of two nodes is called, and what is put after it where that is a node."""


def as_names(names: Names) -> tuple[str, ...]:
    """Return one name or several as tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


class CausalGraph:
    """An acyclic directed mixed graph (ADMG), the semi-Markovian graph of Tian and Pearl (2002).

    Parameters
    ----------
    nodes : sequence of str
        The observed variables; their order is that of axes wherever tables are given.
    directed : iterable of (cause, effect)
    bidirected : iterable of (str, str), optional
        Pairs of variables that share a hidden cause.

    Raises
    ------
    GraphError
        If a node is named by what is no text, a node or an edge is given twice, an edge joins a
        node to itself, or the directed edges have a cycle (which one).
    UnknownVariableError
        If an edge names what is no node; with the nearest name.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        directed: Iterable[Edge] = (),
        bidirected: Iterable[Edge] = (),
    ) -> None:
        if hasattr(nodes, "cpdag"):
            raise GraphError("a learned structure becomes a model by CausalModel.from_structure")
        self.nodes = tuple(nodes)
        for name in self.nodes:
            if not isinstance(name, str):
                raise GraphError(f"nodes are named by texts, not by {name!r}")
        if len(set(self.nodes)) < len(self.nodes):
            twice = next(n for n in self.nodes if self.nodes.count(n) > 1)
            raise GraphError(f"the node '{twice}' is given twice")
        self.directed: nx.DiGraph = nx.DiGraph()
        self.bidirected: nx.Graph = nx.Graph()
        for graph, edges, arrow in (
            (self.directed, directed, "->"),
            (self.bidirected, bidirected, "<->"),
        ):
            graph.add_nodes_from(self.nodes)
            for edge in edges:
                self._add(graph, edge, arrow)
        if not nx.is_directed_acyclic_graph(self.directed):
            cycle = [a for a, _ in nx.find_cycle(self.directed)]
            raise GraphError(f"the edges have a cycle: {' -> '.join([*cycle, cycle[0]])}")

    def __repr__(self) -> str:
        alone = nx.isolates(nx.compose(self.directed.to_undirected(), self.bidirected))
        edges = [f"{a} -> {b}" for a, b in self.directed.edges]
        edges += [f"{a} <-> {b}" for a, b in self.bidirected.edges]
        return f"CausalGraph({', '.join([*alone, *edges])})"

    def _add(self, graph: nx.Graph, edge: Edge, arrow: str) -> None:
        if isinstance(edge, str) or len(edge) != 2:
            raise GraphError(f"the edge {edge!r} is not a pair of nodes")
        self.check_nodes(edge, f"the edge {edge[0]} {arrow} {edge[1]}")
        if edge[0] == edge[1]:
            raise GraphError(f"the edge {edge[0]} {arrow} {edge[1]} joins a node to itself")
        if graph.has_edge(*edge):
            raise GraphError(f"the edge {edge[0]} {arrow} {edge[1]} is given twice")
        graph.add_edge(*edge)

    @classmethod
    def projected(
        cls, nodes: Sequence[str], directed: Iterable[Edge], latent: Names
    ) -> CausalGraph:
        """Return the latent projection of a DAG on its observed nodes (Verma and Pearl 1990).

        Observed nodes that a latent one reaches through latent nodes alone share a bidirected edge;
        where an observed node reaches another through latent nodes alone, there is a directed one.
        """
        whole = cls(nodes, directed)
        hidden = set(as_names(latent))
        whole.check_nodes(as_names(latent), "latent")
        observed = [n for n in whole.nodes if n not in hidden]
        through_latent: nx.DiGraph = nx.DiGraph(
            e for e in whole.directed.edges if hidden.intersection(e[:1])
        )
        through_latent.add_nodes_from(whole.nodes)

        def reached(node: str) -> list[str]:
            ends = set(whole.directed.successors(node))
            ends |= {d for c in ends & hidden for d in nx.descendants(through_latent, c)}
            return [n for n in observed if n in ends]

        pairs = {frozenset(p) for node in hidden for p in combinations(reached(node), 2)}
        return cls(
            observed,
            [(node, end) for node in observed for end in reached(node)],
            [(a, b) for a, b in combinations(observed, 2) if frozenset((a, b)) in pairs],
        )

    def projected_on(self, observed: Collection[str]) -> CausalGraph:
        """Return the latent projection on some of the nodes, as :meth:`projected`."""
        causes = hidden_causes(self.nodes, self.bidirected.edges, *HIDDEN_CAUSE)
        some = set(observed)
        return CausalGraph.projected(
            [*self.nodes, *causes],
            [*self.directed.edges, *((c, end) for c, pair in causes.items() for end in pair)],
            [*causes, *(n for n in self.nodes if n not in some)],
        )

    def check_nodes(self, names: Iterable[str], what: str) -> None:
        """Check that names are nodes; ``what`` says in messages where they stand."""
        for name in names:
            if name not in self.directed:
                hint = suggestion(name, self.nodes)
                raise UnknownVariableError(f"{what} names '{name}', which is no node{hint}")

    @cached_property
    def topological_order(self) -> tuple[str, ...]:
        """The nodes, causes first; in their given order where the edges leave it open."""
        return tuple(
            nx.lexicographical_topological_sort(self.directed, key=self._place.__getitem__)
        )

    def parents(self, node: str) -> tuple[str, ...]:
        """Return the direct causes of a node, in the order of the nodes."""
        causes = set(self.directed.predecessors(node))
        return tuple(n for n in self.nodes if n in causes)

    def ancestors(self, nodes: Iterable[str]) -> set[str]:
        """Return the nodes and all that have a directed path to one of them."""
        nodes = set(nodes)
        return nodes.union(*(nx.ancestors(self.directed, n) for n in nodes))

    def descendants(self, nodes: Iterable[str]) -> set[str]:
        """Return the nodes and all that one of them has a directed path to."""
        nodes = set(nodes)
        return nodes.union(*(nx.descendants(self.directed, n) for n in nodes))

    def subgraph(self, nodes: Collection[str]) -> CausalGraph:
        """Return the graph of some nodes and the edges between them."""
        some = set(nodes)
        return CausalGraph(
            [n for n in self.nodes if n in some],
            *([e for e in g.edges if some.issuperset(e)] for g in (self.directed, self.bidirected)),
        )

    def without_edges(
        self, into: Collection[str] = (), out_of: Collection[str] = ()
    ) -> CausalGraph:
        """Return the graph without edges into some nodes (bidirected ones too) and out of others.

        It is the graph with a bar over ``into`` and under ``out_of`` in Pearl's do-calculus.
        """
        into, out_of = set(into), set(out_of)
        return CausalGraph(
            self.nodes,
            [(a, b) for a, b in self.directed.edges if b not in into and a not in out_of],
            [e for e in self.bidirected.edges if not into.intersection(e)],
        )

    def districts(self) -> list[set[str]]:
        """Return the components of the bidirected edges, which partition the nodes."""
        return [set(c) for c in nx.connected_components(self.bidirected)]

    def separated(
        self, first: Iterable[str], second: Iterable[str], given: Iterable[str] = ()
    ) -> bool:
        """Return whether two sets of nodes are m-separated by a third (Richardson 2003)."""
        one, other, known = map(self.mask, (first, second, given))
        for a, b in combinations((one, other, known), 2):
            if a & b:
                raise GraphError(f"{sorted(self.named(a & b))} stand in two of the three sets")
        return not self.adjacency.connected(one, known) & other

    @cached_property
    def adjacency(self) -> Adjacency:
        """The edges as bit masks, a bit a node in their order."""
        place = self._place
        return Adjacency.of_edges(
            len(self.nodes),
            [(place[a], place[b]) for a, b in self.directed.edges],
            [(place[a], place[b]) for a, b in self.bidirected.edges],
        )

    @cached_property
    def _place(self) -> dict[str, int]:
        return {n: i for i, n in enumerate(self.nodes)}

    def mask(self, nodes: Iterable[str], what: str = "the question") -> int:
        """Return a set of nodes as bit mask; ``what`` says in messages where they stand."""
        nodes = tuple(nodes)
        self.check_nodes(nodes, what)
        return sum(1 << self._place[n] for n in set(nodes))

    def named(self, mask: int) -> frozenset[str]:
        """Return the nodes of a bit mask."""
        return frozenset(self.nodes[i] for i in bits(mask))
