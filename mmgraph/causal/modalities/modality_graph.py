"""The graph of modalities: variables of one modality as one node, with strengths of arcs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx
import numpy as np

from mmgraph.causal.modalities.information.tables import mutual_information
from mmgraph.graph.errors import MmgraphError, TreewidthError
from mmgraph.inference.query import joint, joint_moments
from mmgraph.networks.bayesian_network import BayesianNetwork

Arc = tuple[str, str]


def modality_graph(
    groups: Mapping[str, Iterable[str]],
    target: str,
    arcs: Iterable[Arc],
    net: BayesianNetwork | None = None,
    confidence: Mapping[Arc, float] | None = None,
) -> nx.DiGraph:
    """Return a graph whose nodes are modalities, and the target.

    An edge stands for the arcs from variables of one to those of the other: ``arcs`` lists them,
    ``strength`` is the largest information in bits between the ends of one (None where the network
    does not say), ``confidence`` the largest share of bootstrap replicates that have one. Edges
    are in the order of their first arcs, and may run both ways. What is in no modality stands
    for itself.
    """
    home = {name: modality for modality, members in groups.items() for name in members}
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(groups)
    graph.add_node(target)
    for a, b in dict.fromkeys(arcs):
        ends = home.get(a, a), home.get(b, b)
        if ends[0] == ends[1]:
            continue
        strength = None if net is None else _strength(net, a, b)
        share = None if confidence is None else confidence.get((a, b), 0.0)
        if not graph.has_edge(*ends):
            graph.add_edge(*ends, arcs=[], strength=None, confidence=None)
        edge: dict[str, Any] = graph.edges[ends]
        edge["arcs"].append((a, b))
        edge["strength"] = _larger(edge["strength"], strength)
        edge["confidence"] = _larger(edge["confidence"], share)
    for *_, edge in graph.edges(data=True):
        edge["arcs"].sort()
    return graph


def _larger(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _strength(net: BayesianNetwork, a: str, b: str) -> float | None:
    """The information between two variables in bits: of states, or of numbers as if normal."""
    variables = [net.variables.get(name) for name in (a, b)]
    if any(v is None or v.shape for v in variables):
        return None
    discrete = [v is not None and v.is_discrete for v in variables]
    try:
        if all(discrete):
            return mutual_information(joint(net, [a, b])[0].numpy())
        if any(discrete):
            return None
        covariance = joint_moments(net, [a, b]).covariance[0].numpy()
    except (TreewidthError, MmgraphError):
        return None
    spread = covariance[0, 0] * covariance[1, 1]
    share = covariance[0, 1] ** 2 / spread if spread > 0 else 0.0
    return float(-np.log2(max(1 - share, 1e-15)) / 2)
