"""Pictures of disparity: how far each pixel lies shifted, near surfaces bright."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import colour_bar, entitle, panels, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = 4.2
_UNKNOWN = "#D9D9D9"


def disparity_maps(
    maps: Mapping[str, object],
    *,
    image: object = None,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw disparity maps side by side, all in the same colours.

    Parameters
    ----------
    maps : mapping of str to array-like, shape (height, width)
        Disparities in pixels by what stands above them; NaN or infinite, which is drawn grey, where
        they are not known.
    image : array-like, optional
        Shape ``(height, width)`` or ``(height, width, 3)``: drawn first.
    limits : tuple of float, optional
        The disparities that the darkest and the brightest colour stand for; by default the least
        and the largest that occur in the first map.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is no map, or one is no image of the shape of the others.
    """
    planes = {name: np.asarray(values, dtype=np.float64) for name, values in maps.items()}
    shapes = {plane.shape for plane in planes.values()}
    if len(shapes) != 1 or any(plane.ndim != 2 or not plane.size for plane in planes.values()):
        raise MmgraphError(
            f"disparity maps are images of one shape, not {sorted(map(str, shapes)) or 'none'}"
        )
    (shape,) = shapes
    first = next(iter(planes.values()))
    finite = first[np.isfinite(first)]
    low, high = limits or (float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf)))
    if not low < high:
        low, high = (low, low + 1) if np.isfinite(low) else (0.0, 1.0)
    count = len(planes) + (image is not None)
    columns = min(count, 2)
    rows = -(-count // columns)
    height = _PANEL * shape[0] / shape[1]
    size = columns * _PANEL + 0.9, rows * (height + 0.35) + (0.4 if title else 0.0)
    figure, places = panels(count, columns, *size)
    if image is not None:
        show_image(places[0], np.asarray(image), "image", cmap="gray")
    drawn: Any = None
    used = places[int(image is not None) :]
    for place, (name, plane) in zip(used, planes.items(), strict=True):
        place.set_facecolor(_UNKNOWN)
        shown = np.where(np.isfinite(plane), plane, np.nan)
        style = {"cmap": "inferno", "vmin": low, "vmax": high, "interpolation": "nearest"}
        drawn = show_image(place, shown, name, **style)
    colour_bar(figure, drawn, places, "disparity, pixels", shrink=0.75, fraction=0.04, pad=0.02)
    entitle(figure, title)
    return figure
