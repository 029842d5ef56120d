"""What all pictures share: figures without pyplot, colours, and files written whole."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from mmgraph.graph.errors import needs
from mmgraph.graph.storage.whole_files import checked_suffix, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#262626"
"""The colour of text and of what carries no meaning by its colour."""

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Colours that people with any kind of colour vision tell apart.

From Okabe and Ito, "Color universal design" (2008).
"""

SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    with needs("plots", "matplotlib", "drawing"):
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """Return a figure of a size in inches, and so many axes in rows of some columns."""
    figure = new_figure(width, height)
    rows = -(-count // columns)
    places = list(figure.subplots(rows, min(count, columns), squeeze=False).ravel())
    for spare in places[count:]:
        spare.set_visible(False)
    return figure, places[:count]


def show_image(axes: Any, picture: Any, title: str | None = None, **style: Any) -> Any:
    """Draw an image without ticks and frame; return what matplotlib makes of it."""
    drawn = axes.imshow(picture, **style)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if title is not None:
        axes.set_title(plain(title), color=INK, fontsize=11)
    return drawn


def colour_bar(figure: Figure, drawn: Any, axes: Any, label: str, **place: float) -> None:
    """Draw beside axes what the colours of an image stand for."""
    bar: Any = figure.colorbar(drawn, ax=axes, **place)  # type: ignore[arg-type]
    bar.set_label(label, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=9)
    bar.outline.set_visible(False)


def plain(text: object) -> str:
    """Return a text in which matplotlib reads no mathematics."""
    return str(text).replace("$", r"\$")


def legend(place: Any, **style: Any) -> None:
    """Write the legend of axes or of a figure, without a frame."""
    place.legend(frameon=False, labelcolor=INK, **style)


def entitle(figure: Figure, title: str | None, size: float = 12) -> None:
    """Write a title, if there is one, above everything."""
    if title:
        figure.suptitle(plain(title), color=INK, fontsize=size)


def name_axes(axes: Any, x: str, y: str) -> None:
    """Say what the two axes measure."""
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)


def as_chart(axes: Any) -> None:
    """Give axes a light grid below their curves, and no frame but the lines that are read."""
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)


def lighter(colour: str, share: float) -> tuple[float, float, float]:
    """Return a colour mixed with a share of white."""
    from matplotlib.colors import to_rgb

    red, green, blue = (channel + (1 - channel) * share for channel in to_rgb(colour))
    return red, green, blue


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : str or path
        A name that ends in ``.png``, ``.svg`` or ``.pdf``. Equal figures make equal files.

    Raises
    ------
    FormatError
        If the ending is another, or the place cannot be written.
    """
    suffix = checked_suffix(path, SUFFIXES)
    without_date: dict[str, dict[str, Any]] = {
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "mmgraph"}):
        figure.savefig(
            buffer,
            format=suffix[1:],
            dpi=_DPI,
            bbox_inches="tight",
            pad_inches=0.15,
            metadata=without_date.get(suffix),
        )
    write_bytes(path, buffer.getvalue())
