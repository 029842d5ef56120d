"""Where in time labels are wrong: a line for each recording, coloured by what is said instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import INK, entitle, name_axes, new_figure
from mmgraph.plots.label_maps import class_colours
from mmgraph.plots.sequences.state_paths import name_states

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RIGHT, _UNLABELLED = "#E4E4E4", "#FFFFFF"
_MOST = 60
"""So many recordings have a line."""


def time_confusion(
    truths: Sequence[Int[np.ndarray, " steps"]],
    predicted: Sequence[Int[np.ndarray, " steps"]],
    labels: Sequence[object],
    *,
    rate: float = 1.0,
    names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the steps of recordings: grey where the label is right, else in the colour of the wrong.

    Parameters
    ----------
    truths, predicted : list of array of int
        The states of each recording's steps; where the truth is below zero nothing is drawn.
    labels : sequence
        The states' names.
    rate : float
        Steps a second.
    names : sequence of str, optional
        What recordings are called; by default they are counted.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is no recording, or the two differ in length (which).
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    if not truths or len(truths) != len(predicted):
        raise MmgraphError(f"{len(truths)} recordings have truths, {len(predicted)} predictions")
    for number, (true, said) in enumerate(zip(truths, predicted, strict=True)):
        if len(true) != len(said):
            raise MmgraphError(f"recording {number}: {len(said)} labels, {len(true)} truths")
    count = min(len(truths), _MOST)
    labelled = [np.flatnonzero(np.asarray(true) >= 0) for true in truths[:count]]
    longest = max([int(steps[-1]) + 1 for steps in labelled if len(steps)], default=1)
    picture = np.zeros((count, longest), np.int64)  # 0: no label, 1: right, from 2 on: wrong
    for line, true, said in zip(picture, truths, predicted, strict=False):
        codes = np.where(true < 0, 0, np.where(true == said, 1, said + 2))[:longest]
        line[: len(codes)] = codes
    colours = class_colours(len(labels))
    figure = new_figure(13, 1.6 + 0.16 * count)
    axes = figure.subplots()
    axes.imshow(
        picture,
        cmap=ListedColormap([_UNLABELLED, _RIGHT, *colours]),
        vmin=0,
        vmax=len(colours) + 1,
        aspect="auto",
        interpolation="nearest",
        extent=(0, longest / rate, count, 0),
    )
    names = list(map(str, range(count))) if names is None else list(names)[:count]
    axes.set_yticks(np.arange(count) + 0.5, names, fontsize=7)
    axes.tick_params(colors=INK, length=0)
    axes.spines[:].set_visible(False)
    name_axes(axes, "seconds" if rate != 1.0 else "step", "")
    axes.legend(
        handles=[Patch(color=_RIGHT, label="right; else the colour of what is said instead")],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        labelcolor=INK,
    )
    name_states(figure, labels, colours)
    entitle(figure, title)
    return figure
