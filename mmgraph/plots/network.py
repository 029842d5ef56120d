"""A picture of a network: what depends on what, coloured by modality."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.plots.graph_drawing import draw_graph
from mmgraph.plots.graph_shapes import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_network(
    net: FactorGraph,
    target: str | os.PathLike[str] | Axes | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw a network: parents above their children, coloured by modality.

    A model that is not a Bayesian network is drawn as its Markov network, with lines for arrows.
    Continuous variables stand in boxes with square corners.

    Parameters
    ----------
    net : FactorGraph
        With more than 200 variables they are drawn as dots without names.
    target : str, path or matplotlib.axes.Axes, optional
        The file to write (``.png``, ``.svg`` or ``.pdf``), or the axes to draw on.
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
    directed = isinstance(net, BayesianNetwork)
    graph = net.directed() if isinstance(net, BayesianNetwork) else net.markov_network()
    drawing = Drawing(
        {v.name: v.modality for v in net.variables.values()},
        dict.fromkeys(graph.edges, "->" if directed else "--"),
        frozenset(v.name for v in net.variables.values() if not v.is_discrete),
        layered=directed,
    )
    return draw_graph(drawing, target, title)
