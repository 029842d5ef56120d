"""Pictures of Boltzmann machines: receptive fields, samples and imputations as images, monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import INK, PALETTE, entitle, legend, new_figure, panels, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TILE = 0.62
_CHART = (4.4, 2.9)
Images = Float[np.ndarray, "images height width"]


def image_grid(
    rows: Mapping[str, object],
    *,
    title: str | None = None,
    headings: Sequence[str] = (),
    signed: bool = False,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw rows of small images, all on one scale.

    Parameters
    ----------
    rows : mapping of str to array-like, shape (images, height, width)
        By what stands at the left of each row.
    title : str, optional
        Above everything.
    headings : sequence of str, optional
        Above the columns.
    signed : bool, default False
        Whether zero is the middle of the colours, as for weights; else grey from least to largest.
    limits : tuple of float, optional
        The values of white and black, instead of the least and the largest.

    Raises
    ------
    MmgraphError
        If there is no image, the images are not of one shape or hold what is no number, or the
        limits are no range.
    """
    planes = _checked(rows)
    columns = max(len(plane) for plane in planes.values())
    values = np.concatenate([plane.ravel() for plane in planes.values()])
    style = _colours(values, signed, limits)
    height, width = next(iter(planes.values())).shape[1:]
    named = any(planes)
    figure = new_figure(
        columns * _TILE + (1.6 if named else 0.2),
        len(planes) * _TILE * height / width + (0.45 if title else 0.1) + (0.2 if headings else 0),
    )
    axes = figure.subplots(len(planes), columns, squeeze=False)
    for places, (name, plane) in zip(axes, planes.items(), strict=True):
        for place, image in zip_longest(places, plane):
            place.set_visible(image is not None)
            if image is not None:
                show_image(place, image, interpolation="nearest", **style)
        places[0].set_ylabel(name, rotation=0, ha="right", va="center", color=INK, fontsize=9)
    for place, heading in zip(axes[0], headings, strict=False):
        place.set_title(heading, color=INK, fontsize=9)
    entitle(figure, title, 11)
    return figure


def _colours(
    values: np.ndarray, signed: bool, limits: tuple[float, float] | None
) -> dict[str, Any]:
    """The colours of values, as matplotlib takes them."""
    if signed:
        reach = float(np.quantile(np.abs(values), 0.995)) or 1.0
        return {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
    if limits is not None and not limits[0] < limits[1]:
        raise MmgraphError(
            f"white must stand for less than black, not {limits[0]:g} for {limits[1]:g}"
        )
    low, high = limits or (float(values.min()), float(values.max()))
    return {"cmap": "gray_r", "vmin": low, "vmax": high if high > low else low + 1}


def _checked(rows: Mapping[str, object]) -> dict[str, Images]:
    planes = {name: np.asarray(images, np.float64) for name, images in rows.items()}
    shapes = {plane.shape[1:] for plane in planes.values()}
    if len(shapes) != 1 or any(p.ndim != 3 or not p.size for p in planes.values()):
        raise MmgraphError(
            f"rows of images are (images, height, width) of one size, not "
            f"{[p.shape for p in planes.values()] or 'none'}"
        )
    for name, plane in planes.items():
        if not np.isfinite(plane).all():
            raise MmgraphError(f"an image of the row '{name}' holds NaN or infinity")
    return planes


def in_rows(images: object, columns: int) -> dict[str, Images]:
    """Return images as rows without names, for :func:`image_grid`."""
    planes = np.asarray(images, np.float64)
    if planes.ndim != 3 or not len(planes) or columns < 1:
        raise MmgraphError(f"(images, height, width) were expected, not {planes.shape}")
    starts = range(0, len(planes), columns)
    # Names must differ, and none is to be seen.
    return {" " * i: planes[first : first + columns] for i, first in enumerate(starts)}


def training_curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
    monitors: Sequence[str] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw the monitors of training against the epochs, a chart for each.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        By run, such as a fold: the monitors after each epoch.
    monitors : sequence of str, optional
        Those to show; by default all that occur.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is nothing to show.
    """
    epochs = [epoch for history in histories.values() for epoch in history]
    occurring = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    shown = [n for n in (occurring if monitors is None else monitors) if n in occurring]
    if not shown:
        raise MmgraphError(f"no epoch has one of the monitors {monitors or '(none given)'}")
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    size = _CHART[0] * columns, _CHART[1] * rows + (0.4 if title else 0)
    figure, places = panels(len(shown), columns, *size)
    for place, monitor in zip(places, shown, strict=True):
        for number, (name, history) in enumerate(histories.items()):
            points = [(e, m[monitor]) for e, m in enumerate(history, 1) if monitor in m]
            if points:
                colour = PALETTE[number % len(PALETTE)]
                place.plot(*zip(*points, strict=True), lw=1.2, label=name, color=colour)
        place.set_title(_words(monitor), color=INK, fontsize=10)
        place.set_xlabel("epoch", color=INK, fontsize=9)
        place.tick_params(colors=INK, labelsize=8)
        place.spines[["top", "right"]].set_visible(False)
    if len(histories) > 1:
        legend(places[0], fontsize=8)
    entitle(figure, title)
    return figure


def _words(monitor: str) -> str:
    """The name of a monitor as people read it."""
    name, _, variable = monitor.partition(":")
    return name.replace("_", " ") + (f" of '{variable}'" if variable else "")
