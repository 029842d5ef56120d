"""Pictures of an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx

from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.experiments.analysis.words import unit, units
from mmgraph.plots.figures import INK, PALETTE, as_chart, legend, name_axes, new_figure
from mmgraph.plots.graph_drawing import draw_graph
from mmgraph.plots.graph_shapes import Drawing, shown
from mmgraph.plots.pages.picture import Picture, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mmgraph.learning.structure.learned_structure import LearnedStructure

_WIDTH = 7.2
_BAR = 0.8
_MOST_STATES = 20
_MOST_NAMES, _MOST_SERIES, _MOST_PAIRS = 15, 6, 10
"""Of names those are drawn that tell most."""


def information_bars(analysis: ModalityAnalysis) -> Picture:
    """Return bars of what each modality tells alone, given the others, and as its share."""
    series = {
        "alone": analysis.information,
        "given all others": analysis.given_others,
        **({} if analysis.shapley is None else {"Shapley value": analysis.shapley}),
    }
    names = _telling_most(analysis, _MOST_NAMES)
    figure = _bars(names, {key: [s[n] for n in names] for key, s in series.items()}, "bits")
    told = ", ".join(f"{n} {_number(analysis.information[n].value)}" for n in names)
    lines = any(_has_line(s[n]) for s in series.values() for n in names)
    whole = _number(analysis.whole.information.value)
    return Picture(
        as_svg(
            figure,
            f"Bars of information about {analysis.target} in bits; together {whole}; alone: {told}",
        ),
        f"Information about {analysis.target}. All together tell {whole} of "
        f"{analysis.entropy:.2f} bits.{_LINES if lines else ''}"
        f"{_left_out(len(analysis.names) - len(names), units(analysis))}",
    )


def state_bars(analysis: ModalityAnalysis) -> Picture:
    """Return bars of what each modality tells when the target is in each of its states."""
    names = _telling_most(analysis, _MOST_SERIES)
    sets = [analysis.sets[frozenset([n])] for n in names]
    if len(analysis.names) > 1:
        sets.append(analysis.whole)
    series = {
        "together" if len(f.members) > 1 else f.members[0]: list(f.by_state)[:_MOST_STATES]
        for f in sets
    }
    states = [str(state) for state in analysis.states][:_MOST_STATES]
    figure = _bars(states, series, "bits")
    told = [e.value for e in analysis.whole.by_state][:_MOST_STATES]
    ordered = sorted(zip(told, states, strict=True), key=lambda pair: -pair[0])
    said = ", ".join(f"{state} {_number(value)}" for value, state in ordered)
    drawn = [e for estimates in series.values() for e in estimates]
    below = " Below zero, answers foretell the state worse than its share of the rows does."
    return Picture(
        as_svg(figure, f"Bars of bits by state of {analysis.target}; all together: {said}"),
        f"What is told when {analysis.target} is in each of its states; on average over the rows "
        f"these are the bits above.{_LINES if any(map(_has_line, drawn)) else ''}"
        f"{below if any(e.value < 0 for e in drawn) and analysis.method == 'data' else ''}"
        f"{_left_out(len(analysis.names) - len(names), units(analysis))}",
    )


def decomposition_bars(analysis: ModalityAnalysis) -> Picture | None:
    """Return bars of redundant, unique and synergistic information; None where there are none."""
    pairs = dict(list(analysis.pairs.items())[:_MOST_PAIRS])
    if not pairs:
        return None
    figure = new_figure(_WIDTH, 0.9 + 0.45 * len(pairs))
    axes = figure.subplots()
    parts = {
        "in both": [p.redundant for p in pairs.values()],
        "only in the first": [p.unique[0] for p in pairs.values()],
        "only in the second": [p.unique[1] for p in pairs.values()],
        "only in the two together": [p.synergy for p in pairs.values()],
    }
    places, left = range(len(pairs)), [0.0] * len(pairs)
    for (part, values), colour in zip(parts.items(), PALETTE, strict=False):
        axes.barh(places, values, left=left, label=part, color=colour, height=0.6)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_yticks(places, [f"{shown(a)},\n{shown(b)}" for a, b in pairs])
    axes.invert_yaxis()
    _finish(figure, axes, "bits", list(parts))
    said = "; ".join(
        f"{a} and {b}: {_number(p.redundant)} in both, {_number(p.unique[0])} and "
        f"{_number(p.unique[1])} in one, {_number(p.synergy)} only together"
        for (a, b), p in pairs.items()
    )
    return Picture(
        as_svg(figure, f"Stacked bars of partial information in bits. {said}"),
        f"Partial information of pairs of {units(analysis)} (BROJA): what either tells, only one, "
        f"and only both.{_left_out(len(analysis.pairs) - len(pairs), 'pairs')}",
    )


def modality_picture(analysis: ModalityAnalysis, scale: float | None = None) -> Picture:
    """Return the graph of modalities, coloured, edges as wide as they are sure, or strong.

    ``scale`` is the strength in bits of the widest, by default of this graph.
    """
    graph = analysis.graph
    is_sure = any(d["confidence"] is not None for *_, d in graph.edges(data=True))
    key = "confidence" if is_sure else "strength"
    widest = 1.0 if is_sure else scale or strongest(analysis)
    marks: dict[tuple[str, str], str] = {}
    widths: dict[tuple[str, str], float] = {}
    for a, b, edge in graph.edges(data=True):
        ends = (b, a) if (b, a) in marks else (a, b)
        marks[ends] = "<>" if (b, a) in marks else "->"
        widths[ends] = max(widths.get(ends, 0.0), (edge[key] or 0.0) / widest)
    coloured = analysis.names if len(analysis.names) <= len(PALETTE) else ()
    nodes = {n: n if n in coloured else None for n in graph.nodes}
    words = "in {:.0%} of replicates" if is_sure else f"{{:.0%}} of {widest:.2f} bits"
    layered = nx.is_directed_acyclic_graph(graph)
    drawing = Drawing(nodes, marks, layered=layered, widths=widths, width_words=words)
    edges = sorted(graph.edges(data=True), key=lambda edge: -(edge[2][key] or 0.0))
    said = "; ".join(f"{a} to {b} {_number(d[key])}" for a, b, d in edges)
    return Picture(
        as_svg(draw_graph(drawing), f"Graph of {units(analysis)}, by {key}: {said}"),
        f"{units(analysis).capitalize()} and {analysis.target}. {_meaning(analysis, is_sure)}",
    )


def strongest(analysis: ModalityAnalysis) -> float:
    """Return the largest strength in the graph of modalities, in bits."""
    edges = analysis.graph.edges(data=True)
    return max((d["strength"] or 0.0 for *_, d in edges), default=0.0) or 1.0


def _meaning(analysis: ModalityAnalysis, is_sure: bool) -> str:
    """What an edge of the graph of modalities stands for."""
    if is_sure:
        return (
            "The width of an edge is the largest share of bootstrap replicates that have one of "
            "the arcs that it stands for."
        )
    if any(edge["arcs"] for *_, edge in analysis.graph.edges(data=True)):
        return (
            "The width of an edge is information in bits, the largest of the arcs that it stands "
            "for."
        )
    return (
        f"An arrow says what a {unit(analysis)} tells of {analysis.target} alone, as wide as that "
        "is in bits; it says nothing of causes."
    )


def structure_picture(structure: LearnedStructure) -> Picture:
    """Return the learned graph of variables, coloured by modality."""
    from mmgraph.plots.structure import draw_structure

    said = ", ".join(f"{a} to {b}" for a, b in structure.edges)
    sure = "" if structure.confidence is None else " An edge is as wide as bootstraps agree on it."
    return Picture(
        as_svg(draw_structure(structure), f"Graph of variables: {said}"),
        f"{structure.method[:1].upper()}{structure.method[1:]}.{sure}",
    )


def interval_bars(rows: Sequence[tuple[str, Estimate]], unit: str, caption: str) -> Picture:
    """Return a bar a row, with its interval."""
    figure = _bars([name for name, _ in rows], {"": [e for _, e in rows]}, unit)
    said = ", ".join(f"{name} {estimate.value:.3g}" for name, estimate in rows)
    return Picture(as_svg(figure, f"Bars: {said}"), caption)


def _telling_most(analysis: ModalityAnalysis, most: int) -> list[str]:
    """Some names, in their own order."""
    told = analysis.information
    chosen = sorted(analysis.names, key=lambda name: -told[name].value)[:most]
    return [name for name in analysis.names if name in chosen]


def _left_out(count: int, what: str) -> str:
    return f" {count} other {what}, which tell less, are in the JSON file." if count > 0 else ""


_LINES = " Lines are 95% intervals."


def _has_line(e: Estimate) -> bool:
    return bool(e.standard_error) and e.low is not None


def _bars(labels: Sequence[str], series: dict[str, list[Estimate]], unit: str) -> Figure:
    """Horizontal bars in groups, the first on top, with lines for intervals."""
    count = len(series)
    figure = new_figure(_WIDTH, 0.9 + len(labels) * (0.2 + 0.17 * count))
    axes = figure.subplots()
    thick = _BAR / count
    for place, (name, estimates) in enumerate(series.items()):
        heights = [row + (place - (count - 1) / 2) * thick for row in range(len(labels))]
        values = [e.value for e in estimates]
        colour = PALETTE[place % len(PALETTE)]
        axes.barh(heights, values, thick * 0.92, color=colour, label=shown(name))
        for height, e in zip(heights, estimates, strict=True):
            if e.standard_error and e.low is not None and e.high is not None:
                axes.plot([e.low, e.high], [height, height], color=INK, linewidth=1.1)
    axes.set_yticks(range(len(labels)), [shown(label) for label in labels])
    axes.invert_yaxis()
    _finish(figure, axes, unit, list(series))
    return figure


def _finish(figure: Figure, axes: Any, unit: str, series: Sequence[str]) -> None:
    as_chart(axes)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8)
    name_axes(axes, unit, "")
    if len(series) > 1:
        longest = max(len(shown(name)) for name in series)
        columns = max(1, min(len(series), int(_WIDTH / (0.6 + 0.08 * longest))))
        legend(figure, loc="outside upper center", ncols=columns, fontsize=9)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:z.2f}"
