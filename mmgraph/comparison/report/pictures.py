"""Pictures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmgraph.comparison.report.compared_figures import ComparedFigures
from mmgraph.comparison.report.contributions import Contribution
from mmgraph.comparison.report.robustness import DISTURBANCES, Curve
from mmgraph.learning.prediction.metrics import reliability_bins
from mmgraph.plots.figures import (
    INK,
    PALETTE,
    as_chart,
    legend,
    name_axes,
    new_figure,
    panels,
)
from mmgraph.plots.graph_shapes import shown
from mmgraph.plots.pages.picture import Picture, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 7.2
_Z = 1.96
_MOST_PANELS = 8
_MARKERS = "osD^vPX"
_FAMILIES = {"graphical": 0, "deep": 1, "hybrid": 2, "reference": 3}


def interval_points(figures: ComparedFigures, split: str) -> Picture:
    """Return the log-loss of each model given everything, with its interval, by family."""
    ranked = figures.answers_given_all(split)
    figure = new_figure(_WIDTH, 1.1 + 0.3 * len(ranked))
    axes = figure.subplots()
    labelled: set[str] = set()
    for place, one in enumerate(ranked):
        row = figures.row(one)
        value = row["log_loss"]
        colour = PALETTE[_FAMILIES.get(one.family, len(_FAMILIES))]
        ends = figures.interval(one, "log_loss") or (value, value)
        axes.plot(ends, [place, place], color=colour, linewidth=2)
        label = None if one.family in labelled else one.family
        labelled.add(one.family)
        axes.plot([value], [place], "o", color=colour, label=label)
    axes.set_yticks(range(len(ranked)), [shown(one.model) for one in ranked])
    axes.invert_yaxis()
    as_chart(axes)
    name_axes(axes, "log-loss (nats): the less, the better", "")
    _legend(figure, sorted(labelled))
    said = ", ".join(f"{a.model} {figures.row(a)['log_loss']:.3f}" for a in ranked)
    return Picture(
        as_svg(figure, f"Log-loss by model, the best first: {said}"),
        "Log-loss given everything, with 95% intervals of each by itself: of two models that see "
        "the same rows, the table of differences says more.",
    )


def disturbance_curves(figures: ComparedFigures, found: Sequence[Curve]) -> Picture | None:
    """Return accuracy by the level of each disturbance; None where there was none."""
    places = list(dict.fromkeys((c.kind, c.modality) for c in found))[:_MOST_PANELS]
    if not places:
        return None
    figure, all_axes = panels(len(places), 2, _WIDTH, 1.0 + 2.6 * -(-len(places) // 2))
    for axes, (kind, modality) in zip(all_axes, places, strict=True):
        for curve in found:
            if (curve.kind, curve.modality) == (kind, modality):
                style = _style(figures, curve.model)
                axes.plot(curve.levels, curve.accuracy, **style)
        axes.set_title(shown(modality), color=INK, fontsize=11)
        name_axes(axes, DISTURBANCES[kind], "accuracy")
        as_chart(axes)
    _legend(figure, list(dict.fromkeys(c.model for c in found)), all_axes[0])
    ends = ", ".join(f"{c.model} {c.accuracy[0]:.2f} to {c.accuracy[-1]:.2f}" for c in found)
    return Picture(
        as_svg(figure, f"Accuracy from no disturbance to the highest level: {ends}"),
        "Accuracy as one modality is disturbed at test time; no model was fitted anew.",
    )


def label_curves(figures: ComparedFigures, found: Sequence[Curve]) -> Picture | None:
    """Return accuracy and log-loss by the share of training rows; None where all were used."""
    if not found:
        return None
    figure, (left, right) = panels(2, 2, _WIDTH, 3.4)
    for curve in found:
        style = _style(figures, curve.model)
        left.plot(curve.levels, curve.accuracy, **style)
        right.plot(curve.levels, curve.log_loss, **style)
    for axes, metric in ((left, "accuracy"), (right, "log-loss (nats)")):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.xaxis.set_minor_formatter("")
        name_axes(axes, "share of the training rows", metric)
        as_chart(axes)
    _legend(figure, [curve.model for curve in found], left)
    said = ", ".join(f"{c.model} {c.accuracy[0]:.2f} at {100 * c.levels[0]:.3g}%" for c in found)
    return Picture(
        as_svg(figure, f"Accuracy of models with few labels: {said}"),
        "What each model reaches when it learns from a share of the training rows.",
    )


def reliability_panels(figures: ComparedFigures, split: str) -> Picture:
    """Return how often each model, given everything, is right, by its confidence."""
    ranked = figures.answers_given_all(split)
    chosen = ranked[:12]
    figure, all_axes = panels(len(chosen), 4, _WIDTH, 0.4 + 2.0 * -(-len(chosen) // 4))
    codes = figures.of_split(split).codes
    for axes, one in zip(all_axes, chosen, strict=True):
        bins = reliability_bins(one.probabilities, codes)
        axes.plot([0, 1], [0, 1], color="#8C8C8C", linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(bins.confidence, bins.accuracy, color=PALETTE[0], linewidth=1.2)
        sizes = 4 + 60 * bins.counts / bins.counts.sum()
        axes.scatter(bins.confidence, bins.accuracy, s=sizes, color=PALETTE[0])
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        axes.set_title(shown(one.model), color=INK, fontsize=10)
        as_chart(axes)
    errors = [f"{a.model} {figures.row(a)['expected_calibration_error']:.3f}" for a in chosen]
    more = f" {len(ranked) - len(chosen)} more are in the JSON file." if ranked[12:] else ""
    return Picture(
        as_svg(figure, f"Reliability diagrams; expected calibration errors: {', '.join(errors)}"),
        "The share that is right (upwards) by the probability of the predicted class (to the "
        "right); points on the dashed line are calibrated, and larger ones hold more rows." + more,
    )


def contribution_bars(found: Sequence[Contribution], split: str) -> Picture | None:
    """Return the Shapley values of modalities by model, in nats; None where there are none."""
    told = [c for c in found if c.split == split and c.metric == "log_loss"]
    if not told:
        return None
    models = list(dict.fromkeys(c.model for c in told))
    modalities = list(dict.fromkeys(c.modality for c in told))
    thick = 0.8 / len(modalities)
    figure = new_figure(_WIDTH, 1.0 + len(models) * (0.15 + 0.17 * len(modalities)))
    axes = figure.subplots()
    for contribution in told:
        place = modalities.index(contribution.modality)
        height = models.index(contribution.model) + (place - (len(modalities) - 1) / 2) * thick
        value, error = contribution.value, _Z * (contribution.standard_error or 0.0)
        label = shown(contribution.modality) if contribution.model == models[0] else None
        axes.barh(height, value, thick * 0.9, color=PALETTE[place % len(PALETTE)], label=label)
        axes.plot([value - error, value + error], [height, height], color=INK, linewidth=1)
    axes.set_yticks(range(len(models)), [shown(model) for model in models])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    as_chart(axes)
    name_axes(axes, "fall of the log-loss (nats)", "")
    _legend(figure, modalities)
    said = ", ".join(f"{c.model} {c.modality} {c.value:.2f}" for c in told)
    return Picture(
        as_svg(figure, f"Shapley values: {said}"),
        "Shapley values: how far each modality lowers the log-loss, from that of the shares of the "
        "classes, on average over all orders in which modalities can come; with 95% intervals.",
    )


def cost_points(figures: ComparedFigures, split: str) -> Picture | None:
    """Return log-loss by the seconds of a fit, with the Pareto front; None without seconds."""
    timed = [a for a in figures.answers_given_all(split) if "train_seconds" in a.costs]
    if not timed:
        return None
    figure = new_figure(_WIDTH, 4.0)
    axes = figure.subplots()
    points = {a.model: (a.costs["train_seconds"], figures.row(a)["log_loss"]) for a in timed}
    front = [points[model] for model in figures.pareto_front(split)]
    axes.plot(*zip(*front, strict=True), color="#8C8C8C", linewidth=1, linestyle=(0, (4, 3)))
    for one in timed:
        colour = PALETTE[_FAMILIES.get(one.family, len(_FAMILIES))]
        axes.plot(*points[one.model], "o", color=colour)
        axes.annotate(
            shown(one.model), points[one.model], (5, 4), textcoords="offset points", fontsize=9
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.15)
    as_chart(axes)
    name_axes(axes, "CPU seconds of a fit", "log-loss (nats)")
    said = ", ".join(f"{model} {s:.3g} s {loss:.3f}" for model, (s, loss) in points.items())
    return Picture(
        as_svg(figure, f"Log-loss by seconds of a fit: {said}"),
        "What a fit costs and what it brings. The dashed line is the Pareto front: none of its "
        "models is beaten in both.",
    )


def _style(figures: ComparedFigures, model: str) -> dict[str, Any]:
    place = figures.models.index(model)
    again = place >= len(PALETTE)
    return {
        "color": PALETTE[place % len(PALETTE)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "markersize": 4,
        "linewidth": 1.5,
        "linestyle": (0, (2, 1.2)) if again else "-",
        "label": shown(model),
    }


def _legend(figure: Figure, names: Sequence[str], of: Any = None) -> None:
    longest = max(len(shown(name)) for name in names)
    columns = max(1, min(len(names), int(_WIDTH / (0.6 + 0.08 * longest))))
    style: dict[str, Any] = {"loc": "outside upper center", "ncols": columns, "fontsize": 9}
    if of is not None:  # panels share their curves
        style["handles"] = of.get_legend_handles_labels()[0]
    legend(figure, **style)
