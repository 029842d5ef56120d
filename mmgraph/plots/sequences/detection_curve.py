"""Curves of false alarms against delay, and against the share of events that are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.figures import (
    PALETTE,
    as_chart,
    entitle,
    legend,
    name_axes,
    new_figure,
    plain,
)
from mmgraph.sequences.events.detection_curve import DetectionCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKED = 6
"""Thresholds that are written beside a curve, at most."""


def draw_detection_curves(
    curves: Mapping[str, DetectionCurve], *, title: str | None = None
) -> Figure:
    """Draw how late events are noticed, and how many, against false alarms an hour.

    Parameters
    ----------
    curves : mapping of str to DetectionCurve
        By rule; a point for each threshold, with a few of these written beside their points.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is no curve.
    """
    if not curves:
        raise MmgraphError("there is no curve to draw")
    figure = new_figure(8.0, 4.0)
    late, found = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(curves.items()):
        style = {"color": PALETTE[number % len(PALETTE)], "marker": "o", "markersize": 4}
        late.plot(curve.false_alarms, curve.delays, label=plain(name), **style)
        found.plot(curve.false_alarms, 100 * curve.found, label=plain(name), **style)
        _mark_thresholds(late, curve, curve.delays, style["color"])
        _mark_thresholds(found, curve, 100 * curve.found, style["color"])
    name_axes(late, "false alarms an hour", "median delay (s)")
    name_axes(found, "false alarms an hour", "events noticed (%)")
    found.set_ylim(-3, 103)
    late.set_ylim(bottom=0)
    if all(np.isnan(curve.delays).all() for curve in curves.values()):
        late.text(0.5, 0.5, "no true event was noticed", transform=late.transAxes, ha="center")
    for axes in (late, found):
        as_chart(axes)
        axes.set_xlim(left=-0.02 * axes.get_xlim()[1])
        legend(axes, fontsize=9, title="rule; numbers: thresholds", title_fontsize=8)
    entitle(figure, title)
    return figure


def _mark_thresholds(
    axes: Any, curve: DetectionCurve, heights: Float64[np.ndarray, " thresholds"], colour: Any
) -> None:
    """Write thresholds beside points: the lowest of those at one place, and at most six."""
    points = np.round(np.stack([curve.false_alarms, heights], axis=1), 9)
    there = np.flatnonzero(np.isfinite(points).all(axis=1))
    places = there[np.sort(np.unique(points[there], axis=0, return_index=True)[1])]
    for i in places[:: 1 + max(len(places) - 1, 0) // _MARKED]:
        text = f"{curve.thresholds[i]:.3g}"
        axes.annotate(
            text, points[i], xytext=(4, 4), textcoords="offset points", color=colour, fontsize=7
        )
