"""Pictures of predictive checks: where data and what a network replicates fall apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.predictive_check import Comparison, PredictiveCheck
from mmgraph.plots.figures import (
    INK,
    PALETTE,
    as_chart,
    entitle,
    legend,
    name_axes,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 40
_LEVEL = 0.9
_LOW = 0.05


def predictive_checks(
    check: PredictiveCheck, *, most: int = _MOST, title: str | None = None
) -> Figure:
    """Draw each statistic of the data beside the range that replicated data sets have.

    A line is the central 90% of them, in their standard deviations from their mean, and the point
    is the data; statistics that few of them reach (p < 0.05) stand out.

    Parameters
    ----------
    check : PredictiveCheck
        From ``net.predictive_check(frame)``.
    most : int
        So many statistics are drawn: those with the lowest p-values, in the order of the check.
    title : str, optional
        A line above the picture.

    Raises
    ------
    MmgraphError
        If it is no check, or nothing is to be drawn.
    """
    if not isinstance(check, PredictiveCheck):
        raise MmgraphError(f"a picture of a predictive check needs one, not {check!r:.80}")
    if most < 1:
        raise MmgraphError(f"at least one statistic is drawn, not {most}")
    ranked = sorted(range(len(check)), key=lambda i: check.comparisons[i].p_value)[:most]
    shown = [check.comparisons[i] for i in sorted(ranked)]
    figure = new_figure(7.0, 1.4 + 0.26 * len(shown))
    axes = figure.add_subplot()
    places = np.arange(len(shown))[::-1]
    low, high, points = np.array([_standardised(c) for c in shown]).T
    far = np.array([c.p_value < _LOW for c in shown])
    axes.hlines(places, low, high, color="#B8B8B8", linewidth=5, label=f"{_LEVEL:.0%} of replicas")
    for chosen, colour, label in (
        (~far, PALETTE[0], "the data"),
        (far, PALETTE[5], f"the data, p < {_LOW:g}"),
    ):
        if chosen.any():
            style: dict[str, Any] = {
                "color": colour,
                "markersize": 5.5,
                "linestyle": "none",
                "label": label,
            }
            axes.plot(points[chosen], places[chosen], marker="o", **style)
    names = [plain(f"{c.variable}: {c.statistic}") for c in shown]
    axes.set_yticks(places, names, fontsize=9)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    for place, comparison in zip(places, shown, strict=True):
        text = f"{comparison.p_value:.2f}" if comparison.p_value >= 0.01 else "< 0.01"
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.text(1.02, len(shown) - 0.2, "p", transform=axes.get_yaxis_transform(), color=INK)
    name_axes(axes, "standard deviations of replicas from their mean", "")
    as_chart(axes)
    legend(figure, loc="outside lower center", ncols=3, fontsize=9)
    few = f"the {len(shown)} of {len(check)} statistics that fit least" if len(check) > most else ""
    entitle(figure, "\n".join(filter(None, (title, few))), 11)
    return figure


def _standardised(comparison: Comparison) -> tuple[float, float, float]:
    """The ends of the interval and the data, in standard deviations of replicas."""
    spread = float(comparison.replicated.std())
    mean = float(comparison.replicated.mean())
    scale = spread if spread > 1e-12 * max(1.0, abs(mean)) else 1.0
    low, high = comparison.interval(_LEVEL)
    return (low - mean) / scale, (high - mean) / scale, (comparison.observed - mean) / scale
