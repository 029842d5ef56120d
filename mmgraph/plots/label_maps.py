"""Pictures of labelled images: the labels over the image, their uncertainty, and the search."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import (
    INK,
    PALETTE,
    as_chart,
    colour_bar,
    legend,
    name_axes,
    new_figure,
    panels,
    show_image,
)
from mmgraph.plots.image_pictures import as_picture, blended, with_strokes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mmgraph.inference.assignment import TracePoint

UNLABELLED = "#D9D9D9"
"""The colour of pixels without a label."""

_LONGEST = 5.2
_GOLDEN_RATIO = 0.618033988749895
_LEGEND_ROWS = 18


def class_colours(count: int) -> list[str]:
    """Return colours, as ``#RRGGBB``, that tell so many classes apart.

    The first seven are those of Okabe and Ito; after them come darker and lighter ones of the same
    hues, and then hues in steps of the golden ratio.
    """
    base = [tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)) for colour in PALETTE]
    lighter = [tuple(x + (1 - x) * 0.5 for x in colour) for colour in base]
    darker = [tuple(x * 0.55 for x in colour) for colour in base]
    colours: list[tuple[float, ...]] = [*base, *darker, *lighter]
    for i in range(count - len(colours)):
        hue = (0.05 + i * _GOLDEN_RATIO) % 1.0
        colours.append(colorsys.hsv_to_rgb(hue, (0.85, 0.5)[i % 2], (0.9, 0.7, 0.45)[i % 3]))
    return ["#" + "".join(f"{round(255 * x):02X}" for x in colour) for colour in colours[:count]]


def label_map(
    axes: Axes | None,
    labels: object,
    classes: Sequence[object] | None = None,
    *,
    image: object = None,
    annotations: object = None,
    colours: Sequence[str] | None = None,
    legend: bool = True,
    title: str | None = None,
) -> Figure:
    """Draw the labels of an image, with a legend of the classes that occur.

    Parameters
    ----------
    axes : matplotlib.axes.Axes or None
        Where to draw; None makes a figure of its own.
    labels : array-like of int, shape (height, width) or (depth, height, width)
        Class indices; negative or NaN where there is none. Of a volume the middle slice is drawn.
    classes : sequence, optional
        The names of the classes; by default their indices.
    image : array-like, optional
        Shape ``(height, width)``, with or without a last axis of bands (of a volume likewise): the
        labels lie over it. Without ``axes`` it is also drawn beside them. Its colours are those of
        :func:`~mmgraph.plots.image_pictures.as_picture`.
    annotations : array-like of int, optional
        Of the shape of the labels: class indices of the pixels whose labels were given, negative
        elsewhere, such as ``annotations.codes``. They are drawn on top.
    colours : sequence of str, optional
        One for each class, by default :func:`class_colours`.
    legend : bool, default True
        Whether to name the classes.
    title : str, optional
        Above the labels.

    Raises
    ------
    MmgraphError
        If the array is no image of labels, or an index has no name.
    """
    codes = _codes(labels)
    plane, slice_name = _middle_slice(codes, 2)
    top = int(codes.max(initial=-1)) + 1
    names = [str(c) for c in (range(top) if classes is None else classes)]
    paints = class_colours(len(names)) if colours is None else list(colours)
    if top > len(names) or len(names) > len(paints):
        raise MmgraphError(
            f"the labels go up to {top - 1}; there are {len(names)} classes and "
            f"{len(paints)} colours"
        )
    strokes = _strokes(annotations, codes, len(names))
    below = None if image is None else _picture(image, codes.ndim)
    beside = below is not None and axes is None
    figure, places = _panels(axes, 1 + beside, plane.shape, 2.0 if legend else 0.0)
    map_drawn = _painted(plane, paints)
    if below is not None:
        if beside:
            alone = blended(below, map_drawn, np.zeros(plane.shape, bool))
            show_image(places[0], with_strokes(alone, strokes, _rgb(paints)), "image")
            _outline(places[0], strokes)
        map_drawn = blended(below, map_drawn, plane >= 0)
    picture = with_strokes(map_drawn, strokes, _rgb(paints))
    show_image(places[-1], picture, (title or "labels") + slice_name, interpolation="nearest")
    _outline(places[-1], strokes)
    if legend:
        counts = np.bincount(plane[plane >= 0], minlength=len(names))
        occurring = {name: c for name, c, n in zip(names, paints, counts, strict=False) if n}
        where = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "fontsize": 9}
        name_classes(places[-1], occurring, unlabelled=bool((plane < 0).any()), **where)
    return figure


def uncertainty_map(
    axes: Axes | None,
    uncertainty: object,
    *,
    largest: float | None = None,
    label: str = "entropy, nats",
    title: str = "uncertainty",
) -> Figure:
    """Draw how uncertain the label of each pixel is.

    Parameters
    ----------
    axes : matplotlib.axes.Axes or None
        Where to draw; None makes a figure of its own.
    uncertainty : array-like, shape (height, width) or (depth, height, width)
        Of a volume the middle slice is drawn; NaN is left white.
    largest : float, optional
        The value that the darkest colour stands for; by default the largest that occurs.
    label : str
        What is measured, and in which unit.
    title : str
        Above the map.

    Raises
    ------
    MmgraphError
        If the array is no image.
    """
    array = np.asarray(uncertainty, dtype=np.float64)
    plane, where = _middle_slice(array, 2)
    if largest is None:
        largest = float(array[np.isfinite(array)].max(initial=0.0)) or 1.0
    figure, (place,) = _panels(axes, 1, plane.shape, 1.1)
    style = {"cmap": "magma_r", "vmin": 0.0, "vmax": largest, "interpolation": "nearest"}
    drawn = show_image(place, plane, title + where, **style)
    colour_bar(figure, drawn, place, label, shrink=0.85, fraction=0.06, pad=0.03)
    return figure


def energy_trace(
    traces: Sequence[TracePoint] | Mapping[str, Sequence[TracePoint]],
    axes: Axes | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw energy and lower bound of a search against time.

    Parameters
    ----------
    traces : sequence of TracePoint, or mapping of str to those
        ``assignment.trace``; several by the name of their method.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a figure of its own.
    title : str, optional
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Energies are full lines, bounds broken ones.

    Raises
    ------
    MmgraphError
        If there is no point to draw.
    """
    curves = dict(traces) if isinstance(traces, Mapping) else {"": traces}
    if not any(len(points) for points in curves.values()):
        raise MmgraphError("there is no trace to draw; the method may not keep one")
    figure: Any = new_figure(6.4, 4.2) if axes is None else axes.get_figure()
    place = figure.add_subplot() if axes is None else axes
    for i, (name, points) in enumerate(curves.items()):
        seconds, energy, bound = np.array(points, dtype=np.float64).reshape(-1, 3).T
        colour = PALETTE[i % len(PALETTE)]
        style: dict[str, Any] = {"color": colour, "linewidth": 1.8, "drawstyle": "steps-post"}
        marker = "o" if len(seconds) == 1 else ""
        head = f"{name}: " if name else ""
        place.plot(seconds, energy, label=f"{head}energy", marker=marker, **style)
        finite = np.isfinite(bound)
        if finite.any():
            style |= {"linestyle": (0, (4, 2)), "label": f"{head}bound"}
            place.plot(seconds[finite], bound[finite], **style)
    name_axes(place, "seconds", "energy")
    place.ticklabel_format(axis="y", useOffset=False)
    as_chart(place)
    legend(place, fontsize=9)
    if title:
        place.set_title(title, color=INK, fontsize=11)
    return figure


def _codes(labels: object) -> Int[np.ndarray, "*shape"]:
    array = np.asarray(labels)
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "iufb":
        raise MmgraphError(
            "labels are an array of class indices of shape (height, width) or (depth, height, "
            f"width), not {array.dtype} of shape {array.shape}"
        )
    return np.where(np.isfinite(array), array, -1).astype(np.int64)


def _strokes(
    annotations: object, labels: Int[np.ndarray, "*shape"], classes: int
) -> Int[np.ndarray, "height width"]:
    """Return the plane of the annotations that is drawn; negative everywhere without any."""
    if annotations is None:
        return np.full(labels.shape[-2:], -1)
    strokes = _codes(annotations)
    if strokes.shape != labels.shape or strokes.max() >= classes:
        raise MmgraphError(
            f"annotations of shape {strokes.shape} up to class {strokes.max()} do not fit labels "
            f"of shape {labels.shape} and {classes} classes"
        )
    return _middle_slice(strokes, 2)[0]


def _picture(image: object, axes: int) -> Float[np.ndarray, "height width *colours"]:
    array = image if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    return as_picture(_middle_slice(array, array.ndim - axes + 2)[0])


def _middle_slice(array: np.ndarray, axes: int) -> tuple[np.ndarray, str]:
    """Return an image as it is and of a volume the middle slice, with words for the title."""
    if array.ndim not in (axes, axes + 1) or not array.size:
        raise MmgraphError(f"an image or a volume was expected, not an array of {array.shape}")
    if array.ndim == axes:
        return array, ""
    middle = len(array) // 2
    return array[middle], f" (slice {middle + 1} of {len(array)})"


def _panels(
    axes: Axes | None, count: int, shape: tuple[int, ...], margin: float
) -> tuple[Any, list[Any]]:
    """Return the figure and the places to draw images of one shape in."""
    if axes is not None:
        return axes.get_figure(), [axes]
    height, width = shape
    scale = _LONGEST / max(height, width)
    wide, high = max(width * scale, 1.6), max(height * scale, 1.2)
    # Wide images stand one above the other.
    columns = 1 if width > 2 * height else count
    return panels(count, columns, columns * wide + margin, count // columns * (high + 0.4))


def _outline(axes: Any, strokes: Int[np.ndarray, "height width"]) -> None:
    """Draw a thin white line around strokes, which may be as dark as what they lie on."""
    drawn = strokes >= 0
    if drawn.any() and min(drawn.shape) > 1:
        axes.contour(drawn.astype(np.float64), levels=[0.5], colors="white", linewidths=0.7)


def _painted(
    codes: Int[np.ndarray, "height width"], colours: Sequence[str]
) -> Float[np.ndarray, "height width 3"]:
    table = np.array(_rgb((*colours, UNLABELLED)))
    return np.asarray(table[np.where(codes >= 0, codes, len(colours))])


def _rgb(colours: Sequence[str]) -> list[tuple[float, ...]]:
    from matplotlib.colors import to_rgb

    return [to_rgb(colour) for colour in colours]


def name_classes(
    place: Axes | Figure, colours: Mapping[str, str], *, unlabelled: bool, **where: Any
) -> None:
    """Write a legend of classes by their colours and, if asked, of pixels without a label."""
    from matplotlib.patches import Patch

    entries = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    if unlabelled:
        entries.append(Patch(facecolor=UNLABELLED, label="unlabelled"))
    columns = math.ceil(len(entries) / _LEGEND_ROWS)
    legend(place, handles=entries, handlelength=1.0, handleheight=1.0, ncols=columns, **where)
