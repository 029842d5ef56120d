"""Hedges: the witnesses of graphs in which an effect is not identifiable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import networkx as nx

from mmgraph.causal.graph.causal_graph import CausalGraph


@dataclass(frozen=True, repr=False)
class Hedge:
    """Two C-forests with the same roots, the inner one free of the variables that are set.

    A C-forest is a graph whose nodes are all joined by bidirected edges (a tree of them here) and
    have one child at most; the nodes without a child are its roots. Two models can agree in the
    joint of all observed variables and differ in the effect on the roots, and on what these cause
    (Shpitser and Pearl 2006, theorem 4).

    Attributes
    ----------
    forest, inner : CausalGraph
        F and F', subgraphs of the causal graph; F' is one of F.
    roots : tuple of str
    do : tuple of str
        The variables of F that are set.
    """

    forest: CausalGraph
    inner: CausalGraph
    roots: tuple[str, ...]
    do: tuple[str, ...]

    def words(self) -> str:
        """Return in a sentence what stands in the way."""
        outer = [n for n in self.forest.nodes if n not in self.inner.nodes]
        return (
            f"hidden common causes join {_listed(self.forest.nodes)}, and among them "
            f"{_listed(self.inner.nodes)} also without {_listed(outer)}, all of which lead to "
            f"{_listed(self.roots)}: models that agree in the joint distribution can differ in "
            f"what setting {_listed(self.do)} does to {_listed(self.roots)}"
        )

    def __repr__(self) -> str:
        return self.words()


def _listed(names: Collection[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def hedge(
    graph: CausalGraph, outer: Collection[str], inner: Collection[str], do: Collection[str]
) -> Hedge:
    """Return the hedge of two districts, the outer of which holds the inner.

    Every node of the outer one leads to one of the inner within it, and no node of the inner is
    set: what line 5 of the algorithm ID finds.
    """
    outer, inner = ([n for n in graph.nodes if n in some] for some in (outer, inner))
    joined_inner = _bidirected_tree(graph, inner, ())
    roots = [n for n in inner if not set(graph.directed.successors(n)).intersection(inner)]
    inside = _towards(graph, inner, roots)
    around = inside | _towards(graph, outer, inner)
    joined = _bidirected_tree(graph, outer, joined_inner)
    return Hedge(
        CausalGraph(outer, around.items(), joined),
        CausalGraph(inner, inside.items(), joined_inner),
        tuple(roots),
        tuple(n for n in outer if n in do),
    )


def _towards(graph: CausalGraph, within: Collection[str], ends: Sequence[str]) -> dict[str, str]:
    """The next node on a shortest way to one of some ends, of each node that leads there."""
    onward: dict[str, str] = {}
    reached = list(ends)
    for node in reached:
        for cause in graph.parents(node):
            if cause in within and cause not in onward and cause not in ends:
                onward[cause] = node
                reached.append(cause)
    return onward


def _bidirected_tree(
    graph: CausalGraph, nodes: Collection[str], first: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The edges of a spanning tree of some nodes, ``first`` among them."""
    tree: nx.Graph = nx.Graph(first)
    kept = list(first)
    for a, b in graph.bidirected.edges:
        if a not in nodes or b not in nodes:
            continue
        tree.add_nodes_from((a, b))
        if not nx.has_path(tree, a, b):
            tree.add_edge(a, b)
            kept.append((a, b))
    return kept
