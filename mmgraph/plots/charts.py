"""Charts of predictions: which classes are confused, and how far probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.metrics import BINS, ReliabilityBins, reliability_bins
from mmgraph.plots.figures import (
    INK,
    PALETTE,
    as_chart,
    colour_bar,
    legend,
    name_axes,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERS = 25
"""Matrices of more rows or columns have no numbers in their cells."""
_MARKERS = "osD^vPX"
_FEW = 5
_SHORT = 5
"""Names of so many characters stand side by side below the cells."""
_SUM_TOLERANCE = 1e-3


def confusion_matrix(
    truth: object,
    predicted: object,
    labels: Sequence[object] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw how often each true class is taken for each other one.

    The colour is the share of the true class (of the row), the number is the count.

    Parameters
    ----------
    truth, predicted : array-like of int, shape (rows,)
        State indices.
    labels : sequence, optional
        The states' names; by default their indices.
    title : str, optional
        A line above the picture.

    Raises
    ------
    MmgraphError
        If the arrays differ in length, are empty, or an index has no label.
    """
    true, guess = _codes(truth, "truth"), _codes(predicted, "predicted")
    if len(true) != len(guess):
        raise MmgraphError(f"truth has {len(true)} rows, predicted has {len(guess)}")
    names = list(range(max(true.max(), guess.max()) + 1)) if labels is None else list(labels)
    for what, codes in (("truth", true), ("predicted", guess)):
        if codes.max() >= len(names):
            raise MmgraphError(
                f"{what} holds the index {codes.max()}; there are {len(names)} labels"
            )
    counts = np.bincount(true * len(names) + guess, minlength=len(names) ** 2)
    counts = counts.reshape(len(names), len(names))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(0.55 * len(names), 2.6), 16.0)
    figure = new_figure(side + 2.2, side + 1.4)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if len(names) <= MOST_NUMBERS:
        _write_counts(axes, counts, shares)
    name_cells(axes, names, names)
    name_axes(axes, "predicted", "true")
    colour_bar(figure, image, axes, "share of the true class", shrink=0.8)
    accuracy = float(np.trace(counts) / counts.sum())
    measured = f"accuracy {accuracy:.1%} of {counts.sum():,} rows"
    axes.set_title(
        plain(f"{title}\n{measured}") if title else measured, color=INK, fontsize=11, pad=10
    )
    return figure


def name_cells(axes: Axes, rows: Sequence[object], columns: Sequence[object]) -> None:
    """Name the rows and columns of a matrix, and part its cells by thin white lines."""
    texts = [plain(name) for name in columns]
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(texts)), texts, **(slanted if max(map(len, texts)) > _SHORT else {}))
    axes.set_yticks(range(len(rows)), [plain(name) for name in rows])
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.0)
    axes.tick_params(which="minor", length=0)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)


def _curve(truth: object, probabilities: object, bins: int) -> ReliabilityBins:
    """Check predictions, and sort them into bins."""
    if bins < 1:
        raise MmgraphError(f"there must be at least one bin, not {bins}")
    true = _codes(truth, "truth")
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(true):
        raise MmgraphError(
            f"probabilities have shape {table.shape}; ({len(true)}, states) was expected"
        )
    if true.max() >= table.shape[1]:
        raise MmgraphError(f"truth holds the index {true.max()} of {table.shape[1]} states")
    wrong = ~((table >= 0).all(1) & (np.abs(table.sum(1) - 1.0) <= _SUM_TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        raise MmgraphError(f"the probabilities of row {row} are no distribution: {table[row][:8]}")
    return reliability_bins(table, true, bins)


def reliability_diagram(
    truth: object,
    probabilities: Mapping[str, Any] | object,
    bins: int = BINS,
    *,
    title: str | None = None,
) -> Figure:
    """Draw how often predictions of each confidence are right, one curve a situation.

    Below the curves stands how many predictions each bin holds; a point that rests on fewer than
    five is hollow, and no line leads to it. The axis begins near the smallest confidence.

    Parameters
    ----------
    truth : array-like of int, shape (rows,)
        State indices.
    probabilities : mapping of str to array-like, or array-like, shape (rows, states)
        The predicted distributions in each situation, such as each set of modalities given.
    bins : int
        How many bins share the range from 0 to 1.
    title : str, optional
        A line above the picture.

    Raises
    ------
    MmgraphError
        If shapes differ, an index is out of range, or a row is no distribution (which one).
    """
    situations = probabilities if isinstance(probabilities, Mapping) else {"": probabilities}
    if not situations:
        raise MmgraphError("a reliability diagram needs at least one situation")
    curves = {name: _curve(truth, table, bins) for name, table in situations.items()}
    figure = new_figure(6.0, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
    upper.plot([0, 1], [0, 1], color="#8C8C8C", linewidth=1.0, linestyle=(0, (4, 3)))
    for i, (name, curve) in enumerate(curves.items()):
        colour = PALETTE[i % len(PALETTE)]
        error = f"calibration error {curve.expected_calibration_error:.3f}"
        marker = _MARKERS[i % len(_MARKERS)]
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5.5}
        if i >= len(PALETTE):  # a colour and marker that is there already
            style |= {"linestyle": (0, (2, 1.2)), "markersize": 4.0}
        label = f"{name} ({error})" if name else error
        few = curve.counts < _FEW
        firm = np.ma.masked_where(few, curve.accuracy)
        upper.plot(curve.confidence, firm, linewidth=1.8, label=plain(label), **style)
        hollow = {**style, "markerfacecolor": "white", "linestyle": "none"}
        upper.plot(curve.confidence[few], curve.accuracy[few], **hollow)
        lower.plot(curve.confidence, curve.counts, linewidth=1.2, **style)
    name_axes(upper, "", "share that is right")
    upper.set_ylim(-0.02, 1.02)
    lower.set_yscale("log")
    lower.yaxis.set_major_formatter("{x:,.0f}")
    lower.set_ylim(0.7, 2.0 * max(curve.counts.max() for curve in curves.values()))
    name_axes(lower, "confidence: the probability of the predicted state", "predictions\na bin")
    smallest = min(float(curve.confidence.min()) for curve in curves.values())
    for axes in (upper, lower):
        axes.set_xlim(max(smallest - 0.02, 0.0), 1.02)
        as_chart(axes)
    # Above the axes, where no curve can run through it; its title is the figure's.
    place = {"loc": "outside upper center", "fontsize": 9}
    legend(figure, title=title, title_fontsize=12, **place)
    return figure


def _codes(values: object, what: str) -> Int[np.ndarray, " rows"]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iu":
        raise MmgraphError(
            f"{what} must be a one-dimensional array of state indices, "
            f"not {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0:
        raise MmgraphError(f"{what} holds the negative index {array.min()}")
    return array.astype(np.int64)
