"""The causal model: a graph, where there is one its network, and the questions put to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import networkx as nx

from mmgraph.causal.graph.causal_graph import CausalGraph, Edge
from mmgraph.causal.identification.answer import Identification, identify
from mmgraph.networks.bayesian_network import BayesianNetwork


class CausalModel:
    """A causal graph over observed variables, and the causal questions that it answers.

    Parameters
    ----------
    nodes : sequence of str
        The observed variables; their order is that of axes wherever tables are given.
    directed : iterable of (cause, effect)
    bidirected : iterable of (str, str), optional
        Pairs of variables that share a hidden cause.
    modalities : mapping of str to str, optional
        The modality of some variables.

    Raises
    ------
    GraphError, UnknownVariableError
        As :class:`~mmgraph.causal.graph.causal_graph.CausalGraph`; or if ``modalities`` names what
        is no node.

    Attributes
    ----------
    graph : CausalGraph
    modalities : dict of str to str
    network : BayesianNetwork or None
        Where numbers come from if no table and no data are given; its variables may be more than
        the observed ones.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        directed: Iterable[Edge] = (),
        bidirected: Iterable[Edge] = (),
        modalities: Mapping[str, str] | None = None,
    ) -> None:
        self._take(CausalGraph(nodes, directed, bidirected), modalities or {}, None)

    def _take(
        self, graph: CausalGraph, modalities: Mapping[str, str], network: BayesianNetwork | None
    ) -> None:
        graph.check_nodes(modalities, "modalities")
        self.graph = graph
        self.modalities = dict(modalities)
        self.network = network

    @classmethod
    def _of(
        cls,
        graph: CausalGraph,
        modalities: Mapping[str, str] | None = None,
        network: BayesianNetwork | None = None,
    ) -> CausalModel:
        model = cls.__new__(cls)
        model._take(graph, modalities or {}, network)
        return model

    @classmethod
    def from_network(cls, net: BayesianNetwork, latent: Collection[str] = ()) -> CausalModel:
        """Return the model of a Bayesian network, whose exact answers give the numbers.

        Parameters
        ----------
        net : BayesianNetwork
        latent : collection of str, optional
            Variables that nobody observes: they are projected out of the graph (Verma and Pearl
            1990), and stay in the network.

        Raises
        ------
        UnknownVariableError
            If ``latent`` names what is no variable of the network.
        """
        graph = CausalGraph.projected(list(net.variables), net.edges, latent)
        named = {n: net.variables[n].modality for n in graph.nodes}
        return cls._of(graph, {n: m for n, m in named.items() if m is not None}, net)

    @classmethod
    def from_structure(cls, found: Any) -> CausalModel:
        """Return the model of a learned structure's edges: every common cause is observed.

        Parameters
        ----------
        found : LearnedStructure
            What :func:`mmgraph.learn_structure` returns: ``names``, ``edges`` and, where it has
            them, ``modalities``.
        """
        modalities = {n: m for n, m in (getattr(found, "modalities", None) or {}).items() if m}
        return cls(found.names, found.edges, modalities=modalities)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The observed variables, in the order of a table's axes."""
        return self.graph.nodes

    def __repr__(self) -> str:
        graph = self.graph
        return (
            f"CausalModel({len(graph.nodes)} nodes, {graph.directed.number_of_edges()} directed, "
            f"{graph.bidirected.number_of_edges()} bidirected edges)"
        )

    def identify(
        self,
        outcome: Sequence[str] | str,
        do: Sequence[str] | str = (),
        given: Sequence[str] | str = (),
    ) -> Identification:
        """Return whether and how the observed joint determines P(outcome | do(do), given).

        Complete, by the algorithms ID and IDC (Shpitser and Pearl 2006): the answer holds a
        formula, or a hedge where none exists. Not to be identifiable is an answer, and no error.

        Raises
        ------
        CausalError
            If a variable is named twice, an outcome is set, or a variable is latent.
        UnknownVariableError
            If a name is no node; with the nearest name.
        """
        return identify(self.graph, outcome, do, given, self.network)

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return the graph as multigraph of networkx.

        Nodes carry ``modality``, edges ``kind``: ``"directed"`` or ``"bidirected"``; a bidirected
        edge stands once in each direction.
        """
        made: nx.MultiDiGraph = nx.MultiDiGraph()
        for node in self.nodes:
            made.add_node(node, modality=self.modalities.get(node))
        made.add_edges_from(self.graph.directed.edges, kind="directed")
        for a, b in self.graph.bidirected.edges:
            made.add_edges_from([(a, b), (b, a)], kind="bidirected")
        return made
