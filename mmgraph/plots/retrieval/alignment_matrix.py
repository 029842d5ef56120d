"""A soft alignment as a matrix: how surely each row belongs to each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.charts import MOST_NUMBERS, name_cells
from mmgraph.plots.figures import INK, PALETTE, colour_bar, entitle, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AROUND = np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
_CELL = 0.42
_NAME = 0.075
"""Inches of a cell, and of a character of a name."""


def alignment_matrix(
    alignment: object,
    rows: Sequence[object],
    columns: Sequence[object],
    *,
    label: str = "probability",
    title: str | None = None,
) -> Figure:
    """Draw how surely each row belongs to each column; a frame marks the best of a row.

    Parameters
    ----------
    alignment : array-like, shape (rows, columns)
        Probabilities or other weights, zero or more; what has no partner may be a column as well.
    rows, columns : sequence
        Names at the left and below.
    label : str
        What the colours stand for.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If the matrix is empty, of another shape than the names, negative or not finite.
    """
    weights = np.asarray(alignment, np.float64)
    if weights.shape != (len(rows), len(columns)) or not weights.size:
        raise MmgraphError(
            f"the alignment has shape {weights.shape}; names are of {len(rows)}, {len(columns)}"
        )
    if not (weights >= 0).all() or not np.isfinite(weights).all():
        row = int((~(weights >= 0) | ~np.isfinite(weights)).any(1).argmax())
        raise MmgraphError(f"weights are zero or more and finite, not so in the row '{rows[row]}'")
    most = float(weights.max()) or 1.0
    longest = [_NAME * max(len(str(name)) for name in names) for names in (rows, columns)]
    figure = new_figure(
        max(3.0, _CELL * len(columns) + longest[0] + 1.4),
        max(2.2, _CELL * len(rows) + 0.75 * longest[1] + 0.6),
    )
    axes = figure.add_subplot()
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=most)
    for row, best in enumerate(weights.argmax(1)):
        if weights[row, best] > 0:
            axes.plot(best + 0.47 * _AROUND[0], row + 0.47 * _AROUND[1], color=PALETTE[5], lw=1.5)
    if max(weights.shape) <= MOST_NUMBERS:
        for (row, column), weight in np.ndenumerate(weights):
            if (text := f"{weight:.2f}") != "0.00":
                ink = "white" if weight > 0.55 * most else INK
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    name_cells(axes, rows, columns)
    colour_bar(figure, image, axes, label, shrink=0.8)
    entitle(figure, title, 11)
    return figure
