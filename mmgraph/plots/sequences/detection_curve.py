"""Curves of false alarms against delay, and against the share of events that are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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


def draw_detection_curves(
    curves: Mapping[str, DetectionCurve], *, title: str | None = None
) -> Figure:
    """Draw how late events are noticed, and how many, against false alarms an hour.

    Parameters
    ----------
    curves : mapping of str to DetectionCurve
        By rule; a point for each threshold.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there is no curve.
    """
    if not curves:
        raise MmgraphError("there is no curve to draw")
    figure = new_figure(8.0, 3.6)
    late, found = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(curves.items()):
        style = {"color": PALETTE[number % len(PALETTE)], "marker": "o", "markersize": 4}
        late.plot(curve.false_alarms, curve.delays, label=plain(name), **style)
        found.plot(curve.false_alarms, 100 * curve.found, label=plain(name), **style)
    name_axes(late, "false alarms an hour", "median delay (s)")
    name_axes(found, "false alarms an hour", "events noticed (%)")
    found.set_ylim(-3, 103)
    for axes in (late, found):
        as_chart(axes)
        axes.set_xlim(left=-0.02 * axes.get_xlim()[1])
    late.set_ylim(bottom=0)
    legend(found, fontsize=9)
    entitle(figure, title)
    return figure
