"""Pictures of an analysis, each as SVG whose text is text, with words for those who cannot see."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx

from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.plots.figures import INK, PALETTE, as_chart, legend, name_axes, new_figure
from mmgraph.plots.graph_drawing import draw_graph
from mmgraph.plots.graph_shapes import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mmgraph.learning.structure.learned_structure import LearnedStructure

_WIDTH = 7.2
_BAR = 0.8
_MOST_STATES = 20


class Picture(NamedTuple):
    """A picture with its caption and a description in words."""

    svg: str
    caption: str


def information_bars(analysis: ModalityAnalysis) -> Picture:
    """Return bars of what each modality tells alone, given the others, and as its share."""
    series = {
        "alone": analysis.information,
        "given all others": analysis.given_others,
        **({} if analysis.shapley is None else {"Shapley value": analysis.shapley}),
    }
    names = list(analysis.names)
    figure = _bars(names, {key: [s[n] for n in names] for key, s in series.items()}, "bits")
    told = ", ".join(f"{n} {analysis.information[n].value:.2f}" for n in names)
    return Picture(
        _svg(figure, f"Bars of information about {analysis.target} in bits; alone: {told}"),
        f"Information about {analysis.target}. All together tell "
        f"{analysis.whole.information.value:.2f} of {analysis.entropy:.2f} bits. Lines are 95% "
        "intervals.",
    )


def state_bars(analysis: ModalityAnalysis) -> Picture:
    """Return bars of what each modality tells when the target is in each of its states."""
    sets = [analysis.sets[frozenset([n])] for n in analysis.names]
    if len(sets) > 1:
        sets.append(analysis.whole)
    series = {
        "together" if len(f.members) > 1 else f.members[0]: list(f.by_state)[:_MOST_STATES]
        for f in sets
    }
    states = [str(state) for state in analysis.states][:_MOST_STATES]
    figure = _bars(states, series, "bits")
    most = max(states, key=lambda s: analysis.whole.by_state[states.index(s)].value)
    return Picture(
        _svg(figure, f"Bars of information by state of {analysis.target}; most about {most}"),
        f"What is told when {analysis.target} is in each of its states; on average over the rows "
        "these are the bits above.",
    )


def decomposition_bars(analysis: ModalityAnalysis) -> Picture | None:
    """Return bars of redundant, unique and synergistic information; None where there are none."""
    pairs = analysis.pairs
    if not pairs:
        return None
    figure = new_figure(_WIDTH, 0.9 + 0.45 * len(pairs))
    axes = figure.subplots()
    labels = [f"{a}, {b}" for a, b in pairs]
    parts = {
        "in both": [p.redundant for p in pairs.values()],
        "in the first alone": [p.unique[0] for p in pairs.values()],
        "in the second alone": [p.unique[1] for p in pairs.values()],
        "only together": [p.synergy for p in pairs.values()],
    }
    left = [0.0] * len(pairs)
    for (part, values), colour in zip(parts.items(), PALETTE, strict=False):
        axes.barh(labels, values, left=left, label=part, color=colour, height=0.6)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.invert_yaxis()
    _finish(figure, axes, "bits", len(parts))
    said = "; ".join(
        f"{a} and {b}: {p.redundant:.2f} in both, {p.unique[0]:.2f} and {p.unique[1]:.2f} alone, "
        f"{p.synergy:.2f} together"
        for (a, b), p in pairs.items()
    )
    return Picture(
        _svg(figure, f"Stacked bars of partial information in bits. {said}"),
        "Partial information of pairs of modalities (BROJA): what either tells, one alone, and "
        "only both.",
    )


def modality_picture(analysis: ModalityAnalysis) -> Picture:
    """Return the graph of modalities, coloured, edges as wide as they are sure, or strong."""
    graph = analysis.graph
    is_sure = any(d["confidence"] is not None for *_, d in graph.edges(data=True))
    key = "confidence" if is_sure else "strength"
    largest = max((d[key] or 0.0 for *_, d in graph.edges(data=True)), default=0.0) or 1.0
    scale = 1.0 if is_sure else largest
    marks: dict[tuple[str, str], str] = {}
    widths: dict[tuple[str, str], float] = {}
    for a, b, edge in graph.edges(data=True):
        ends = (b, a) if (b, a) in marks else (a, b)
        marks[ends] = "<>" if (b, a) in marks else "->"
        widths[ends] = max(widths.get(ends, 0.0), (edge[key] or 0.0) / scale)
    nodes = {n: n if n in analysis.names else None for n in graph.nodes}
    words = "in {:.0%} of replicates" if is_sure else f"{{:.0%}} of {largest:.2f} bits"
    layered = nx.is_directed_acyclic_graph(graph)
    drawing = Drawing(nodes, marks, layered=layered, widths=widths, width_words=words)
    said = "; ".join(f"{a} to {b} {_number(d[key])}" for a, b, d in graph.edges(data=True))
    what = (
        "the largest share of bootstrap replicates that have one of the arcs that it stands for"
        if is_sure
        else "information in bits: the largest of the arcs that it stands for, or, where the model "
        "says nothing of arcs, what the modality tells of the target"
    )
    return Picture(
        _svg(draw_graph(drawing), f"Graph of modalities, by {key}: {said}"),
        f"Modalities and {analysis.target}. The width of an edge is {what}.",
    )


def structure_picture(structure: LearnedStructure) -> Picture:
    """Return the learned graph of variables, coloured by modality."""
    from mmgraph.plots.structure import draw_structure

    said = ", ".join(f"{a} to {b}" for a, b in structure.edges)
    sure = "" if structure.confidence is None else " An edge is as wide as bootstraps agree on it."
    return Picture(
        _svg(draw_structure(structure), f"Graph of variables: {said}"),
        f"{structure.method[:1].upper()}{structure.method[1:]}.{sure}",
    )


def interval_bars(rows: Sequence[tuple[str, Estimate]], unit: str, caption: str) -> Picture:
    """Return a bar a row, with its interval."""
    figure = _bars([name for name, _ in rows], {"": [e for _, e in rows]}, unit)
    said = ", ".join(f"{name} {estimate.value:.3g}" for name, estimate in rows)
    return Picture(_svg(figure, f"Bars: {said}"), caption)


def _bars(labels: Sequence[str], series: dict[str, list[Estimate]], unit: str) -> Figure:
    """Horizontal bars in groups, the first on top, with lines for intervals."""
    count = len(series)
    figure = new_figure(_WIDTH, 0.9 + len(labels) * (0.2 + 0.17 * count))
    axes = figure.subplots()
    thick = _BAR / count
    for place, (name, estimates) in enumerate(series.items()):
        heights = [row + (place - (count - 1) / 2) * thick for row in range(len(labels))]
        values = [e.value for e in estimates]
        axes.barh(heights, values, thick * 0.92, color=PALETTE[place % len(PALETTE)], label=name)
        for height, e in zip(heights, estimates, strict=True):
            if e.standard_error and e.low is not None and e.high is not None:
                axes.plot([e.low, e.high], [height, height], color=INK, linewidth=1.1)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    _finish(figure, axes, unit, count if any(series) else 0)
    return figure


def _finish(figure: Figure, axes: Any, unit: str, columns: int) -> None:
    as_chart(axes)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8)
    name_axes(axes, unit, "")
    if columns > 1:
        legend(figure, loc="outside upper center", ncols=min(columns, 4), fontsize=9)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _svg(figure: Figure, description: str) -> str:
    """SVG to stand in a page: as wide as there is room, text as text, with its description."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": description}
    with rc_context(style):
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.1, metadata={"Date": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    width = re.search(r'width="([\d.]+)pt"', head)
    limit = f"{float(width[1]) * 4 / 3:.0f}px" if width else "100%"
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    said = escape(description, quote=True)
    return f'{head} role="img" aria-label="{said}" style="max-width:{limit}">{rest}'
