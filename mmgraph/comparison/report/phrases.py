"""Figures of a comparison as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence

from mmgraph.comparison.report.compared_figures import ComparedFigures
from mmgraph.comparison.report.differences import Difference
from mmgraph.comparison.results import Answers, Condition
from mmgraph.plots.pages.wording import listed


def best_part(figures: ComparedFigures, whole: Answers) -> Answers | None:
    """Return what a model says given its best modality alone, by one fit or fitted to it."""
    parts = [
        part
        for modality in figures.all_modalities
        for condition in (Condition(), Condition("refitted"))
        if (part := figures.find(whole.model, whole.split, (modality,), condition))
        and not part.failed_folds
    ]
    if len(figures.all_modalities) < 2:
        return None
    return min(parts, key=lambda part: float(figures.row(part)["log_loss"]), default=None)


def distance(apart: Difference) -> str:
    """Return a distance with its interval."""
    low, high = (apart.low, apart.high) if apart.difference >= 0 else (-apart.high, -apart.low)
    how = "by" if apart.verdict else "differing by"
    return f"{how} {abs(apart.difference):.3f} ({low:z.3f} to {high:z.3f})"


def figure_of(figures: ComparedFigures, one: Answers, metric: str) -> str:
    """Return a figure of answers."""
    return f"{figures.row(one)[metric]:.3f}"


def with_interval(figures: ComparedFigures, one: Answers, metric: str) -> str:
    """Return a figure of answers with its interval."""
    value, ends = figure_of(figures, one, metric), figures.interval(one, metric)
    return value if ends is None else f"{value} ({ends[0]:z.3f} to {ends[1]:.3f})"


def modalities(given: Sequence[str]) -> str:
    """Return the modalities that are given."""
    return listed(given) if given else "nothing"
