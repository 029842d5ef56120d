"""Drawing a graph: boxes coloured by modality, edges with heads and widths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.graph.storage.whole_files import checked_suffix
from mmgraph.plots.figures import INK, PALETTE, SUFFIXES, legend, lighter, new_figure, plain, save
from mmgraph.plots.graph_shapes import FONT, MOST_LABELS, Course, Drawing, Edge, Node, shapes, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

_LEGEND_COLUMNS = 4
_LARGEST = 30.0
_HATCHES = ("", "////", "....")
_NO_MODALITY = "#9A9A9A"
_LINE = "#5A5A5A"


def draw_graph(
    drawing: Drawing,
    target: str | os.PathLike[str] | Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a graph to a file, on axes or on a figure of its own."""
    path = target if isinstance(target, str | os.PathLike) else None
    if path is not None:
        checked_suffix(path, SUFFIXES)
    figure = new_figure(1.0, 1.0)
    nodes, courses = shapes(drawing)
    xs = [s * n.width / 2 + n.x for n in nodes.values() for s in (-1, 1)]
    xs += [float(x) for course in courses.values() for x in course[:, 0]]
    ys = [s * n.height / 2 + n.y for n in nodes.values() for s in (-1, 1)]
    left, right = min(xs, default=0.0), max(xs, default=1.0)
    bottom, top = min(ys, default=0.0), max(ys, default=1.0)
    width, height = right - left, top - bottom
    if target is None or path is not None:
        scale = min(1.0, _LARGEST / max(width, height))
        axes = _framed_axes(figure, drawing, scale * width, scale * height, title is not None)
    else:
        axes = target  # type: ignore[assignment]
        figure = axes.get_figure(root=True)  # type: ignore[assignment]
        room = axes.get_window_extent()
        scale = min(room.width / width, room.height / height) / figure.dpi
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(left - 0.05, right + 0.05)
    axes.set_ylim(bottom - 0.05, top + 0.05)
    _draw_edges(axes, drawing, courses, scale)
    _draw_nodes(axes, drawing, nodes, scale)
    if target is not None and path is None:
        _draw_legend(axes, drawing, loc="upper center", bbox_to_anchor=(0.5, -0.01))
    else:
        _draw_legend(figure, drawing, loc="lower center")
    if title is not None:
        axes.set_title(plain(title), color=INK, fontsize=12)
    if path is not None:
        save(figure, path)
    return figure


def _framed_axes(
    figure: Figure, drawing: Drawing, width: float, height: float, titled: bool
) -> Axes:
    """Make axes of just the drawing's size in inches, so that labels keep to their nodes.

    The figure grows around them by what the legend and the title need.
    """
    handles = _legend_handles(drawing)
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


def _draw_edges(axes: Axes, drawing: Drawing, courses: Mapping[Edge, Course], scale: float) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    small = len(drawing.modalities) > MOST_LABELS
    colour, width = ("#8C8C8C", 0.4) if small else (_LINE, 0.9)
    head = 0.05 if small else 0.11
    lines, heads, circles, widths = [], [], [], []
    for edge, course in courses.items():
        share = drawing.widths.get(edge)
        widths.append(width * max(scale, 0.4) * (1.0 if share is None else _relative(share)))
        for mark in drawing.edges[edge][::-1]:  # the end, then the start
            if mark in "<>":
                wide = head * (1.0 if share is None else 0.7 + 0.6 * share)
                course, triangle = _with_head(course, wide)
                heads.append(triangle)
            elif mark == "o":
                course, circle = _with_circle(course, head / 2)
                circles.append(circle)
            course = course[::-1]
        lines.append(course)
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=widths, zorder=1))
    axes.add_collection(PolyCollection(heads, facecolors=colour, edgecolors="none", zorder=1.5))
    if circles:
        style: dict[str, Any] = {"facecolors": "white", "edgecolors": colour, "zorder": 1.5}
        axes.add_collection(PolyCollection(circles, linewidths=width, **style))


def _relative(share: float) -> float:
    """How much wider an edge of some confidence is drawn than a plain one."""
    return 0.35 + 2.9 * share**1.5


def _with_circle(course: Course, radius: float) -> tuple[Course, Course]:
    """Cut a line short by a circle at its end, and return the circle."""
    line, triangle = _with_head(course, 2 * radius)
    centre = (triangle[0] + line[-1]) / 2
    angles = np.linspace(0.0, 2 * np.pi, 25)[:-1]
    return line, centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


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


def _styles(drawing: Drawing) -> dict[str | None, tuple[str, str]]:
    """Colour and hatching of each modality; the variables without one are grey."""
    styles: dict[str | None, tuple[str, str]] = {
        modality: (PALETTE[i % len(PALETTE)], _HATCHES[i // len(PALETTE) % len(_HATCHES)])
        for i, modality in enumerate(drawing.order)
    }
    styles[None] = (_NO_MODALITY, "")
    return styles


def _draw_nodes(axes: Axes, drawing: Drawing, nodes: Mapping[str, Node], scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    small = len(nodes) > MOST_LABELS
    styles = _styles(drawing)
    for name, node in nodes.items():
        colour, hatch = styles[drawing.modalities[name]]
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
            style: dict[str, Any] = {"color": INK, "fontsize": FONT * scale, "zorder": 3}
            axes.text(node.x, node.y, shown(name), ha="center", va="center_baseline", **style)


def _legend_handles(drawing: Drawing) -> list[Patch | Line2D]:
    """A patch for each modality, one for square corners where there are some, and two widths."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    styles = _styles(drawing)
    if not drawing.order or None not in drawing.modalities.values():
        del styles[None]
    handles: list[Patch | Line2D] = [
        Patch(
            facecolor=lighter(colour, 0.62),
            edgecolor=colour,
            hatch=hatch,
            label=shown(modality or "no modality"),
        )
        for modality, (colour, hatch) in styles.items()
    ]
    if 0 < len(drawing.square) < len(drawing.modalities):
        handles.append(Patch(facecolor="none", edgecolor="none", label="square: continuous"))
    if drawing.widths:
        for share in (1.0, 0.5):
            line: dict[str, Any] = {"color": _LINE, "linewidth": 0.9 * _relative(share)}
            handles.append(Line2D([], [], **line, label=drawing.width_words.format(share)))
    return handles


def _draw_legend(place: Axes | Figure, drawing: Drawing, **where: Any) -> None:
    handles = _legend_handles(drawing)
    if handles:
        columns = min(len(handles), _LEGEND_COLUMNS)
        legend(place, handles=handles, **where, ncols=columns, fontsize=FONT)
