"""A picture of a network: what depends on what, coloured by modality."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from jaxtyping import Float

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.storage.whole_files import checked_suffix
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.plots.figures import INK, PALETTE, SUFFIXES, legend, lighter, new_figure, save
from mmgraph.plots.layout import Point, layered_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

MOST_LABELS = 200
"""A network with more variables is drawn as dots without names."""

_FONT = 9.0  # points; all else is in inches
_HEIGHT = 0.34
_LINE = 0.16
_PADDING = 0.3
_LEGEND_COLUMNS = 4
_DOT = 0.09
_PORTS_APART = 0.18
_LARGEST = 30.0
_HATCHES = ("", "////", "....")
_NO_MODALITY = "#9A9A9A"

Course = Float[np.ndarray, "points 2"]


@dataclass(frozen=True)
class _Node:
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
        With more than ``MOST_LABELS`` variables they are drawn as dots without names.
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
    path = target if isinstance(target, str | os.PathLike) else None
    if path is not None:
        checked_suffix(path, SUFFIXES)
    figure = new_figure(1.0, 1.0)
    nodes, courses = _shapes(net)
    xs = [s * n.width / 2 + n.x for n in nodes.values() for s in (-1, 1)]
    xs += [float(x) for course in courses.values() for x in course[:, 0]]
    ys = [s * n.height / 2 + n.y for n in nodes.values() for s in (-1, 1)]
    left, right = min(xs, default=0.0), max(xs, default=1.0)
    bottom, top = min(ys, default=0.0), max(ys, default=1.0)
    width, height = right - left, top - bottom
    if target is None or path is not None:
        scale = min(1.0, _LARGEST / max(width, height))
        axes = _framed_axes(figure, net, scale * width, scale * height, title is not None)
    else:
        axes = target  # type: ignore[assignment]
        figure = axes.get_figure(root=True)  # type: ignore[assignment]
        room = axes.get_window_extent()
        scale = min(room.width / width, room.height / height) / figure.dpi
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(left - 0.05, right + 0.05)
    axes.set_ylim(bottom - 0.05, top + 0.05)
    _draw_edges(axes, courses, isinstance(net, BayesianNetwork), len(nodes) > MOST_LABELS, scale)
    _draw_nodes(axes, net, nodes, scale)
    if target is not None and path is None:
        _draw_legend(axes, net, loc="upper center", bbox_to_anchor=(0.5, -0.01))
    else:
        _draw_legend(figure, net, loc="lower center")
    if title is not None:
        axes.set_title(title, color=INK, fontsize=12)
    if path is not None:
        save(figure, path)
    return figure


def _framed_axes(
    figure: Figure, net: FactorGraph, width: float, height: float, titled: bool
) -> Axes:
    """Make axes of just the drawing's size in inches, so that labels keep to their nodes.

    The figure grows around them by what the legend and the title need.
    """
    handles = _legend_handles(net)
    columns = max(1, min(len(handles), _LEGEND_COLUMNS))
    rows = -(-len(handles) // columns)
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    below, above = (0.32 * rows + 0.1 if rows else 0.05), 0.4 if titled else 0.05
    whole_width = max(width, columns * (0.09 * longest + 0.6) if rows else 0.0, 1.0) + 0.1
    whole_height = height + below + above
    figure.set_layout_engine("none")
    figure.set_size_inches(whole_width, whole_height)
    left = (whole_width - width) / 2
    return figure.add_axes(
        (
            left / whole_width,
            below / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def _shapes(net: FactorGraph) -> tuple[dict[str, _Node], dict[tuple[str, str], Course]]:
    """Every node's shape, and the course of every edge between the shapes it joins."""
    small = len(net.variables) > MOST_LABELS
    sizes = {n: (_DOT, _DOT) if small else _label_size(n) for n in net.variables}
    if not isinstance(net, BayesianNetwork):
        return _undirected_shapes(net, sizes)
    widths = {name: width for name, (width, _) in sizes.items()}
    gap = 0.07 if small else 0.28
    layout = layered_layout(net.directed(), widths, gap, 0.0 if small else 0.06)
    taller = max(height for _, height in sizes.values()) - _HEIGHT
    step = _layer_step(layout.places, small) + max(taller, 0.0)
    nodes = {
        name: _node(net.variables[name], x, -layer * step, sizes[name])
        for name, (x, layer) in layout.places.items()
        if isinstance(name, str)
    }
    bends = {
        (str(parent), str(child)): [(x, -layer * step) for x, layer in points]
        for (parent, child), points in layout.bends.items()
    }
    return nodes, _courses(nodes, bends)


def _courses(
    nodes: Mapping[str, _Node], bends: Mapping[tuple[str, str], list[Point]]
) -> dict[tuple[str, str], Course]:
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
    nodes: Mapping[str, _Node], bends: Mapping[tuple[str, str], list[Point]], side: int
) -> dict[tuple[str, str], float]:
    """Where each edge leaves its parent (side 0), or arrives at its child (side 1)."""
    edges: dict[str, list[tuple[str, str]]] = {}
    for edge in bends:
        edges.setdefault(edge[side], []).append(edge)
    ports: dict[tuple[str, str], float] = {}
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

    lines = _shown(name).split("\n")
    widest = max(TextPath((0, 0), line or " ", size=_FONT).get_extents().width for line in lines)
    height = _HEIGHT + (len(lines) - 1) * _LINE
    return max(widest / 72 + _PADDING, 1.4 * _HEIGHT), height


def _shown(name: str) -> str:
    """A name, its lines shortened and without mathematics for matplotlib."""
    lines = [line if len(line) <= 24 else f"{line[:23]}…" for line in name.split("\n")]
    return "\n".join(lines).replace("$", r"\$")


def _node(variable: Variable, x: float, y: float, size: tuple[float, float]) -> _Node:
    radius = min(size[1], _HEIGHT) * (0.5 if variable.is_discrete else 0.15)
    return _Node(x, y, *size, radius)


def _undirected_shapes(
    net: FactorGraph, sizes: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, _Node], dict[tuple[str, str], Course]]:
    """Components side by side, each by its own forces; edges straight, from centre to centre."""
    graph = net.markov_network()
    nodes: dict[str, _Node] = {}
    left = 0.0
    for component in nx.connected_components(graph):
        part: nx.Graph[str] = nx.Graph()
        part.add_nodes_from(n for n in net.variables if n in component)  # sets have no fixed order
        part.add_edges_from(graph.edges(list(part)))
        if len(part) <= MOST_LABELS:
            places = nx.kamada_kawai_layout(part)
        else:
            places = nx.spring_layout(part, seed=0)
        spread = 1.3 * max(sizes[n][0] for n in part) * len(part) ** 0.5 / 2
        edge = min(float(places[n][0]) * spread - sizes[n][0] / 2 for n in part)
        for name in part:
            x, y = (float(value) * spread for value in places[name])
            nodes[name] = _node(net.variables[name], left + x - edge, y, sizes[name])
        left = 0.4 + max(nodes[n].x + nodes[n].width / 2 for n in part)
    courses = {
        (a, b): np.array([[nodes[a].x, nodes[a].y], [nodes[b].x, nodes[b].y]])
        for a, b in graph.edges
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


def _draw_edges(
    axes: Axes, courses: Mapping[tuple[str, str], Course], directed: bool, small: bool, scale: float
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    head = 0.05 if small else 0.11
    lines, heads = [], []
    for course in courses.values():
        if not directed:
            lines.append(course)
            continue
        line, triangle = _with_head(course, head)
        lines.append(line)
        heads.append(triangle)
    colour, width = ("#8C8C8C", 0.4) if small else ("#5A5A5A", 0.9)
    axes.add_collection(
        LineCollection(lines, colors=colour, linewidths=width * max(scale, 0.4), zorder=1)
    )
    axes.add_collection(PolyCollection(heads, facecolors=colour, edgecolors="none", zorder=1.5))


def _with_head(course: Course, length: float) -> tuple[Course, Course]:
    """Cut a line short by an arrow's head, and return the head: a triangle whose tip is its end."""
    tip = course[-1]
    distance = np.linalg.norm(course - tip, axis=1)
    inside = np.flatnonzero(distance > length)
    shaft = course[: inside[-1] + 1] if len(inside) else course[:1]
    along = tip - shaft[-1]
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    across = np.array([-along[1], along[0]])
    base = tip - length * along
    triangle = np.array([tip, base + 0.38 * length * across, base - 0.38 * length * across])
    return np.concatenate([shaft, base[None]]), triangle


def _styles(net: FactorGraph) -> dict[str | None, tuple[str, str]]:
    """Colour and hatching of each modality; the variables without one are grey."""
    styles: dict[str | None, tuple[str, str]] = {
        modality: (PALETTE[i % len(PALETTE)], _HATCHES[i // len(PALETTE) % len(_HATCHES)])
        for i, modality in enumerate(net.modalities)
    }
    styles[None] = (_NO_MODALITY, "")
    return styles


def _draw_nodes(axes: Axes, net: FactorGraph, nodes: Mapping[str, _Node], scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    small = len(nodes) > MOST_LABELS
    styles = _styles(net)
    for name, node in nodes.items():
        colour, hatch = styles[net.variables[name].modality]
        patch = FancyBboxPatch(
            (node.x - node.width / 2, node.y - node.height / 2),
            node.width,
            node.height,
            boxstyle=f"round,pad=0,rounding_size={node.radius}",
            facecolor=colour if small else lighter(colour, 0.62),
            edgecolor="none" if small else colour,
            hatch=hatch,
            linewidth=1.4 * max(scale, 0.4),
            zorder=2,
        )
        axes.add_patch(patch)
        if not small:
            style: dict[str, Any] = {"color": INK, "fontsize": _FONT * scale, "zorder": 3}
            axes.text(node.x, node.y, _shown(name), ha="center", va="center_baseline", **style)


def _legend_handles(net: FactorGraph) -> list[Patch]:
    """A patch for each modality, and for the square corners where there are some."""
    from matplotlib.patches import Patch

    styles = _styles(net)
    if not net.modalities or all(v.modality is not None for v in net.variables.values()):
        del styles[None]
    handles = [
        Patch(
            facecolor=lighter(colour, 0.62),
            edgecolor=colour,
            hatch=hatch,
            label=modality or "no modality",
        )
        for modality, (colour, hatch) in styles.items()
    ]
    continuous = [not v.is_discrete for v in net.variables.values()]
    if any(continuous) and not all(continuous):
        handles.append(Patch(facecolor="none", edgecolor="none", label="square: continuous"))
    return handles


def _draw_legend(place: Axes | Figure, net: FactorGraph, **where: Any) -> None:
    handles = _legend_handles(net)
    if handles:
        columns = min(len(handles), _LEGEND_COLUMNS)
        legend(place, handles=handles, **where, ncols=columns, fontsize=_FONT)
