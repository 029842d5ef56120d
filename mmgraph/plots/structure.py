"""A picture of a learned structure: what drives what, and how sure that is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import networkx as nx

from mmgraph.plots.graph_drawing import draw_graph
from mmgraph.plots.graph_shapes import Drawing, Edge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mmgraph.learning.structure.learned_structure import LearnedStructure


def draw_structure(
    structure: LearnedStructure,
    target: str | os.PathLike[str] | Axes | None = None,
    *,
    consensus: bool = False,
    title: str | None = None,
) -> Figure:
    """Draw a learned structure: nodes coloured by modality, edges as wide as they are sure.

    An edge that may run either way in an equivalent graph has no head; what FCI leaves open is a
    circle. After a bootstrap an edge's width is the share of replicates in which its ends are
    joined, whichever way.

    Parameters
    ----------
    structure : LearnedStructure
        With more than 200 variables they are drawn as dots without names.
    target : str, path or matplotlib.axes.Axes, optional
        The file to write (``.png``, ``.svg`` or ``.pdf``), or the axes to draw on.
    consensus : bool, default False
        Draw the averaged graph of the bootstrap, if there is one, not the best graph.
    title : str, optional
        A line above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    FormatError
        If the file's ending is not known or it cannot be written.
    """
    if consensus and structure.consensus is not None:
        edges = dict.fromkeys(structure.consensus, "->")
    elif structure.pag is not None:
        edges = _downwards(structure)
    else:
        open_pairs = set(map(frozenset, structure.cpdag[1]))
        edges = {e: "--" if frozenset(e) in open_pairs else "->" for e in structure.edges}
    shares = structure.edge_confidence or {}
    widths = {e: shares.get(frozenset(e), 0.0) for e in edges} if shares else {}
    nodes = {name: structure.modalities.get(name) for name in structure.names}
    return draw_graph(Drawing(nodes, edges, widths=widths), target, title)


def _downwards(structure: LearnedStructure) -> dict[Edge, str]:
    """The edges of a partial ancestral graph, so named that they have no cycle."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(structure.names)
    edges: dict[Edge, str] = {}
    for a, mark, b in sorted(structure.pag or (), key=lambda edge: edge[1] != "-->"):
        ends = mark[0] + mark[-1]
        if nx.has_path(graph, b, a):
            a, b, ends = b, a, ends[::-1].translate(str.maketrans("<>", "><"))
        graph.add_edge(a, b)
        edges[a, b] = ends
    return edges
