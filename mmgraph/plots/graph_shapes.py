"""Where the nodes and edges of a drawn graph lie, in inches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float

from mmgraph.plots.figures import plain
from mmgraph.plots.layout import Point, layered_layout

MOST_LABELS = 200
"""A graph with more nodes is drawn as dots without names."""

FONT = 9.0  # points; all else is in inches
_HEIGHT = 0.34
_LINE = 0.16
_PADDING = 0.3
_DOT = 0.09
_PORTS_APART = 0.18

Course = Float[np.ndarray, "points 2"]
Edge = tuple[str, str]


@dataclass(frozen=True)
class Drawing:
    """What is drawn of a graph.

    Attributes
    ----------
    modalities : mapping of str to str or None
        The nodes, and the modality of each.
    edges : mapping of (str, str) to str
        What stands at the two ends of each edge, as in ``"->"``, ``"--"``, ``"o>"``: an arrowhead
        (``<`` or ``>``), a circle or nothing.
    square : set of str
        The nodes in boxes with square corners.
    layered : bool, default True
        Whether edges run downwards, in which case they have no cycle; by forces otherwise.
    widths : mapping of (str, str) to float, optional
        Of edges, from 0 to 1.
    width_words : str
        What the legend says of a width, with the share's place.
    """

    modalities: Mapping[str, str | None]
    edges: Mapping[Edge, str]
    square: frozenset[str] = frozenset()
    layered: bool = True
    widths: Mapping[Edge, float] = field(default_factory=dict)
    width_words: str = "in {:.0%} of replicates"

    @property
    def order(self) -> tuple[str, ...]:
        """The modalities, in the order of their colours."""
        return tuple(dict.fromkeys(m for m in self.modalities.values() if m is not None))


@dataclass(frozen=True)
class Node:
    """A node's shape: a box around ``(x, y)`` with rounded corners, in inches."""

    x: float
    y: float
    width: float
    height: float
    radius: float

    def ports(self, towards: Sequence[float]) -> list[float]:
        """Where edges touch the upper or lower border: side by side, in the order of their ends."""
        flat = self.width / 2 - self.radius
        apart = min(2 * flat / max(len(towards) - 1, 1), _PORTS_APART)
        reach = flat - apart * (len(towards) - 1) / 2
        lean = 0.25 * (sum(towards) / len(towards) - self.x)
        first = self.x + min(max(lean, -reach), reach) - apart * (len(towards) - 1) / 2
        order = sorted(range(len(towards)), key=lambda i: towards[i])
        places = {i: first + apart * rank for rank, i in enumerate(order)}
        return [places[i] for i in range(len(towards))]


def shapes(drawing: Drawing) -> tuple[dict[str, Node], dict[Edge, Course]]:
    """Return every node's shape, and the course of every edge between the shapes it joins."""
    small = len(drawing.modalities) > MOST_LABELS
    sizes = {n: (_DOT, _DOT) if small else _label_size(n) for n in drawing.modalities}
    if not drawing.layered:
        return _undirected_shapes(drawing, sizes)
    graph: nx.DiGraph[Any] = nx.DiGraph()
    graph.add_nodes_from(drawing.modalities)
    graph.add_edges_from(drawing.edges)
    widths = {name: width for name, (width, _) in sizes.items()}
    gap = 0.07 if small else 0.28
    layout = layered_layout(graph, widths, gap, 0.0 if small else 0.06)
    taller = max(height for _, height in sizes.values()) - _HEIGHT
    step = _layer_step(layout.places, small) + max(taller, 0.0)
    nodes = {
        name: _node(drawing, name, (x, -layer * step), sizes[name])
        for name, (x, layer) in layout.places.items()
        if isinstance(name, str)
    }
    bends = {
        (str(parent), str(child)): [(x, -layer * step) for x, layer in points]
        for (parent, child), points in layout.bends.items()
    }
    return nodes, _courses(nodes, bends)


def _courses(nodes: Mapping[str, Node], bends: Mapping[Edge, list[Point]]) -> dict[Edge, Course]:
    """The courses of directed edges, from lower border to upper border."""
    start, end = (_ports(nodes, bends, side) for side in (0, 1))
    courses = {}
    for edge, points in bends.items():
        upper, lower = (nodes[name] for name in edge)
        half = upper.height / 2
        # An edge passes a layer straight down, so that it touches no node there.
        passes = [p for x, y in points for p in ((x, y + half), (x, y - half))]
        first, last = (start[edge], upper.y - half), (end[edge], lower.y + lower.height / 2)
        courses[edge] = _course([first, *passes, last])
    return courses


def _ports(
    nodes: Mapping[str, Node], bends: Mapping[Edge, list[Point]], side: int
) -> dict[Edge, float]:
    """Where each edge leaves its parent (side 0), or arrives at its child (side 1)."""
    edges: dict[str, list[Edge]] = {}
    for edge in bends:
        edges.setdefault(edge[side], []).append(edge)
    ports: dict[Edge, float] = {}
    for name, joined in edges.items():
        towards = [bends[e][-side][0] if bends[e] else nodes[e[1 - side]].x for e in joined]
        ports.update(zip(joined, nodes[name].ports(towards), strict=True))
    return ports


def _layer_step(places: Mapping[Any, Point], small: bool) -> float:
    """The distance of layers: wide drawings need more, or their edges would lie too flat."""
    xs = [x for x, _ in places.values()]
    depth = 1 + max((layer for _, layer in places.values()), default=0.0)
    width = max(xs, default=0.0) - min(xs, default=0.0)
    if small:
        return min(max(0.5 * width / depth, 0.4), 2.0)
    return _HEIGHT + min(max(0.45 * width / depth, 0.45), 0.8)


def _label_size(name: str) -> tuple[float, float]:
    from matplotlib.textpath import TextPath

    lines = shown(name).split("\n")
    widest = max(TextPath((0, 0), line or " ", size=FONT).get_extents().width for line in lines)
    height = _HEIGHT + (len(lines) - 1) * _LINE
    return max(widest / 72 + _PADDING, 1.4 * _HEIGHT), height


def shown(name: str) -> str:
    """A name, its lines shortened and without mathematics for matplotlib."""
    lines = [line if len(line) <= 24 else f"{line[:23]}…" for line in name.split("\n")]
    return plain("\n".join(lines))


def _node(drawing: Drawing, name: str, place: Point, size: tuple[float, float]) -> Node:
    return Node(*place, *size, min(size[1], _HEIGHT) * (0.15 if name in drawing.square else 0.5))


def _undirected_shapes(
    drawing: Drawing, sizes: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, Node], dict[Edge, Course]]:
    """Components side by side, each by its own forces; edges straight, from centre to centre."""
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(drawing.modalities)
    graph.add_edges_from(drawing.edges)
    nodes: dict[str, Node] = {}
    left = 0.0
    for component in nx.connected_components(graph):
        part: nx.Graph[str] = nx.Graph()
        part.add_nodes_from(
            n for n in drawing.modalities if n in component
        )  # sets have no fixed order
        part.add_edges_from(graph.edges(list(part)))
        if len(part) <= MOST_LABELS:
            places = nx.kamada_kawai_layout(part)
        else:
            places = nx.spring_layout(part, seed=0)
        spread = 1.3 * max(sizes[n][0] for n in part) * len(part) ** 0.5 / 2
        edge = min(float(places[n][0]) * spread - sizes[n][0] / 2 for n in part)
        for name in part:
            x, y = (float(value) * spread for value in places[name])
            nodes[name] = _node(drawing, name, (left + x - edge, y), sizes[name])
        left = 0.4 + max(nodes[n].x + nodes[n].width / 2 for n in part)
    courses = {
        (a, b): np.array([[nodes[a].x, nodes[a].y], [nodes[b].x, nodes[b].y]])
        for a, b in drawing.edges
    }
    return nodes, courses


def _course(points: list[Point]) -> Course:
    """A smooth line: every second stretch lies between layers, and begins and ends upright."""
    pieces = []
    at = np.linspace(0.0, 1.0, 25)[:, None]
    for start, end in zip(points[::2], points[1::2], strict=True):
        a, b = np.array(start), np.array(end)
        pull = np.array([0.0, 0.38 * (end[1] - start[1])])
        pieces.append(
            (1 - at) ** 3 * a
            + 3 * (1 - at) ** 2 * at * (a + pull)
            + 3 * (1 - at) * at**2 * (b - pull)
            + at**3 * b
        )
    return np.concatenate(pieces)
