"""The path of a hidden state over time: the truth, what is likeliest, and posterior bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import INK, entitle, name_axes, new_figure
from mmgraph.plots.label_maps import UNLABELLED, class_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEGEND_ROWS = 14


def state_paths(
    posterior: Float[np.ndarray, "steps states"],
    labels: Sequence[object],
    truth: Int[np.ndarray, " steps"] | None = None,
    *,
    rate: float = 1.0,
    title: str | None = None,
) -> Figure:
    """Draw the probability of each state over time as bands that fill the height.

    Parameters
    ----------
    posterior : ndarray, shape (steps, states)
        Rows sum to 1.
    labels : sequence
        The states' names.
    truth : ndarray of int, optional
        The state of each step, drawn as a strip above; below zero it is unknown.
    rate : float
        Steps a second.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is no step, or shapes do not fit.
    """
    table = np.asarray(posterior, float)
    if table.ndim != 2 or not len(table) or table.shape[1] != len(labels):
        raise MmgraphError(
            f"a posterior is (steps, {len(labels)} states), not of shape {table.shape}"
        )
    strips = {"likeliest": table.argmax(1)}
    if truth is not None:
        if np.shape(truth) != (len(table),):
            raise MmgraphError(f"the truth has shape {np.shape(truth)}, not ({len(table)},)")
        strips = {"truth": np.asarray(truth), **strips}
    colours = class_colours(len(labels))
    figure = new_figure(13, 4.2)
    ratios = [*[0.6] * len(strips), 5]
    *above, below = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    seconds = len(table) / rate
    for axes, (name, codes) in zip(above, strips.items(), strict=True):
        strip(axes, codes, colours, seconds)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
    # A band is as wide as its step.
    edges = np.arange(len(table) + 1) / rate
    tops = np.vstack([table, table[-1:]]).cumsum(1)
    for state, colour in enumerate(colours):
        bottom = tops[:, state - 1] if state else np.zeros(len(tops))
        below.fill_between(edges, bottom, tops[:, state], step="post", color=colour, lw=0)
    below.set_ylim(0, 1)
    below.set_xlim(0, seconds)
    name_axes(below, "seconds" if rate != 1.0 else "step", "probability")
    below.tick_params(colors=INK)
    name_states(figure, labels, colours)
    entitle(figure, title)
    return figure


def strip(axes: Any, codes: Int[np.ndarray, " steps"], colours: Sequence[str], end: float) -> None:
    """Draw states as a strip of colours from 0 to an end; grey where there is none."""
    from matplotlib.colors import ListedColormap

    shown = ListedColormap([UNLABELLED, *colours])
    picture = np.maximum(np.asarray(codes), -1)[None] + 1
    axes.imshow(
        picture,
        cmap=shown,
        vmin=0,
        vmax=len(colours),
        aspect="auto",
        interpolation="nearest",
        extent=(0, end, 0, 1),
    )
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    axes.spines[:].set_visible(False)


def name_states(figure: Figure, labels: Sequence[object], colours: Sequence[str]) -> None:
    """Write a legend of states on the right of a figure."""
    from matplotlib.patches import Patch

    handles = [Patch(color=c, label=str(name)) for name, c in zip(labels, colours, strict=True)]
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        labelcolor=INK,
        fontsize=9,
        ncols=-(-len(handles) // _LEGEND_ROWS),
    )
