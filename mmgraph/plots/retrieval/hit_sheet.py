"""A sheet of hits: a row for each query, and in it the pictures that were found."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import INK, PALETTE, entitle, new_figure, plain, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TILE, _LINE = 1.15, 0.14
"""Inches of a picture, and of a line of text below it."""
_CHARACTERS = 19
"""So many stand in a line below a picture."""
_RIGHT, _WRONG = PALETTE[0], "#D9D9D9"


def hit_sheet(
    queries: Sequence[object],
    pictures: Sequence[Sequence[object]],
    *,
    probabilities: Sequence[Sequence[float]] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    right: Sequence[Sequence[bool]] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw what was found of each query, best first.

    Parameters
    ----------
    queries : sequence of str or array
        Words, or pictures as below.
    pictures : sequence of sequence of array, shape (height, width) or (height, width, 3)
        By query: what was found, as bytes or numbers from 0 to 1, of any sizes.
    probabilities, captions, right : sequence of sequence, optional
        Of each hit: its probability and its caption, which stand below it, and whether it is right:
        such a picture has a blue frame and a tick.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If nothing was found at all, the lists differ in length, or a picture is none (which).
    """
    columns = max(map(len, pictures), default=0)
    if len(pictures) != len(queries) or not columns:
        raise MmgraphError(f"{len(queries)} queries have {len(pictures)} lists of hits, {columns=}")
    lengths = list(map(len, pictures))
    for what, told in (("probabilities", probabilities), ("captions", captions), ("right", right)):
        if told is not None and list(map(len, told)) != lengths:
            raise MmgraphError(f"{what} are told of {[*map(len, told)]} hits, found were {lengths}")
    lines = (probabilities is not None or right is not None) + 2 * (captions is not None)
    height = len(queries) * (_TILE + _LINE * lines + 0.12) + (0.4 if title else 0)
    figure = new_figure((columns + 1.3) * _TILE, height)
    widths = [1.3, *[1] * columns]
    axes = figure.subplots(len(queries), columns + 1, squeeze=False, width_ratios=widths)
    for row, (query, found) in enumerate(zip(queries, pictures, strict=True)):
        _draw_query(axes[row, 0], query, row)
        for place, picture in enumerate(found):
            cell = axes[row, place + 1]
            _draw(cell, picture, f"hit {place} of query {row}")
            is_right = right is not None and bool(right[row][place])
            mark = [f"{probabilities[row][place]:.2f}"] if probabilities is not None else []
            words = _wrapped(captions[row][place], 2) if captions is not None else ""
            below = " ".join([*(["✓"] if is_right else []), *mark])
            cell.set_xlabel(plain(f"{below}\n{words}".strip()), color=INK, fontsize=7.5, labelpad=3)
            cell.spines[:].set(visible=True, color=_RIGHT if is_right else _WRONG)
            cell.spines[:].set_linewidth(2.4 if is_right else 0.6)
        for spare in axes[row, len(found) + 1 :]:
            spare.set_visible(False)
    entitle(figure, title, 11)
    return figure


def _draw_query(axes: Any, query: object, row: int) -> None:
    if isinstance(query, str):
        axes.axis("off")
        words = plain(_wrapped(f"“{query}”", 6))
        axes.text(0.5, 0.5, words, ha="center", va="center", color=INK, fontsize=10)
    else:
        _draw(axes, query, f"query {row}")


def _draw(axes: Any, picture: object, what: str) -> None:
    pixels = np.asarray(picture)
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise MmgraphError(f"{what} is no picture (height, width, 3), but has shape {pixels.shape}")
    white = 255 if pixels.dtype == np.uint8 else 1
    show_image(axes, pixels, cmap="gray", vmin=0, vmax=white)
    # All are squares, so that what stands below them is on one line.
    height, width = pixels.shape[:2]
    side = max(height, width)
    axes.set_xlim((width - side - 1) / 2, (width + side - 1) / 2)
    axes.set_ylim((height + side - 1) / 2, (height - side - 1) / 2)


def _wrapped(text: str, lines: int) -> str:
    return textwrap.fill(text, _CHARACTERS, max_lines=lines, placeholder=" …")
