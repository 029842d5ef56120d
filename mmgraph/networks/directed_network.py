"""Conditional distributions along a directed acyclic graph, and what that graph says."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.networks.conditional_tables import check_acyclic, checked_by_child, with_child_last


class DirectedNetwork(FactorGraph):
    """A factor graph of one conditional distribution a variable; see :class:`BayesianNetwork`."""

    def __init__(self, variables: Iterable[Variable], distributions: Iterable[Factor]) -> None:
        super().__init__(variables, (with_child_last(d) for d in distributions))
        self._by_child = checked_by_child(self.variables, self.factors)
        check_acyclic(self.directed())

    def distribution(self, name: str) -> Factor:
        """Return the conditional distribution of a variable."""
        return self._by_child[self.variable(name).name]

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the parents of a variable, in the order of its distribution's axes."""
        return tuple(v.name for v in self.distribution(name).parents)

    @property
    def is_normalised(self) -> bool:
        """True: the factors are conditional distributions along a directed acyclic graph."""
        return True

    def children(self, name: str) -> tuple[str, ...]:
        """Return the children of a variable."""
        return tuple(self.directed().successors(self.variable(name).name))

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """All (parent, child) pairs, child by child."""
        return tuple((p.name, f.child.name) for f in self.factors if f.child for p in f.parents)

    def directed(self) -> nx.DiGraph:
        """Return the directed graph; nodes carry ``variable`` and ``modality``."""
        return self.cached_structure(_directed)

    def to_networkx(self) -> nx.DiGraph:
        """Return a copy of the directed graph; nodes carry ``variable`` and ``modality``.

        The graph of variables and distributions is :meth:`to_factor_graph`.
        """
        return self.directed().copy()

    def topological_order(self) -> tuple[str, ...]:
        """Return the variables so that parents come before their children."""
        return tuple(nx.topological_sort(self.directed()))

    def moral_graph(self) -> nx.Graph:
        """Return the undirected graph in which parents of a common child are joined."""
        return self.markov_network()

    def markov_blanket(self, name: str) -> frozenset[str]:
        """Return parents, children and the children's other parents."""
        children = self.children(name)
        spouses = (p for child in children for p in self.parents(child))
        return frozenset((*self.parents(name), *children, *spouses)) - {name}

    def is_d_separated(
        self, first: str | Iterable[str], second: str | Iterable[str], given: Iterable[str] = ()
    ) -> bool:
        """Whether two sets of variables are d-separated by a third (Pearl 1988, section 3.3).

        Raises
        ------
        UnknownVariableError
            If a name is not in the network.
        GraphError
            If the sets overlap.
        """
        sets = [{s} if isinstance(s, str) else set(s) for s in (first, second, given)]
        for name in set().union(*sets):
            self.variable(name)
        if sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2]:
            raise GraphError("d-separation asks for three disjoint sets of variables")
        return bool(nx.is_d_separator(self.directed(), *sets))


def _directed(net: DirectedNetwork) -> nx.DiGraph:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, variable in net.variables.items():
        graph.add_node(name, variable=variable, modality=variable.modality)
    graph.add_edges_from(net.edges)
    return graph
