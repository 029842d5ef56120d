"""What a comparison shows, in sentences that are put together from its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures
from mmgraph.comparison.report.differences import FEW_GROUPS, Difference
from mmgraph.comparison.report.page_tables import seconds_words
from mmgraph.comparison.report.phrases import (
    best_part,
    distance,
    figure_of,
    modalities,
    with_interval,
)
from mmgraph.comparison.report.robustness import LABELS, at_highest_level
from mmgraph.comparison.results import Answers
from mmgraph.plots.pages.wording import counted, listed

_HOW = {
    "noise": "With Gaussian noise of {level:g} standard deviations in {modality}",
    "cells": "With {level:.0%} of the cells of {modality} dropped",
    "rows": "With {modality} missing in {level:.0%} of the rows",
}
_SAME = 0.95
"""How probable it is, at least, that a difference makes none in practice, where it is said."""
_SPLITS = {"random": "rows split at random", "grouped": "whole groups left out"}
_ASSUMED = {
    False: ", if rows are independent",
    True: (
        ", and remains, debiased, above zero by Student's t of its standard error over groups, if "
        "these are independent"
    ),
}
"""What is assumed of rows where they have no groups, and where they have."""
_DOING = {-1: "lose", 1: "do better", 0: "cannot be told apart"}


class Topic(NamedTuple):
    """A paragraph on one thing."""

    title: str
    text: str


def topics(figures: ComparedFigures) -> list[Topic]:
    """Return the paragraphs on each split, one on each topic, and those on costs and failures."""
    told = [
        Topic(f"{title}, {_SPLITS.get(split, split)}", " ".join(theme(figures, split)))
        for split in figures.splits
        for title, theme in _THEMES.items()
    ]
    told.append(Topic("Costs", " ".join(_costs(figures))))
    told.append(Topic("What failed", " ".join(_failures(figures))))
    return [topic for topic in told if topic.text]


def _overall(figures: ComparedFigures, split: str) -> Iterator[str]:
    tested = figures.of_split(split)
    units = len(set(tested.groups)) if tested.groups is not None else 0
    how = (
        "whole groups ({}) left out"
        if split == "grouped"
        else "torn apart by folds are groups ({})"
    )
    whole = f", {how.format(f'{figures.about.groups}: {units}')}" if units else ""
    yield f"Split {split}{whole}, {counted(len(tested.rows), 'row')} tested."
    yield from _best(figures, split)
    if 0 < units < FEW_GROUPS:
        yield (
            f"With {units} groups, intervals over groups are too narrow to be believed alone: "
            "models are told apart here only where the corrected t-test over folds agrees."
        )


def _by_family(figures: ComparedFigures, split: str) -> Iterator[str]:
    for families, others in (
        (("graphical",), ("deep",)),
        (("graphical",), ("reference",)),
        (("hybrid",), ("graphical", "deep")),
        (("deep",), ("reference",)),
    ):
        yield from _families(figures, split, families, others)


def _best(figures: ComparedFigures, split: str) -> Iterator[str]:
    ranked = figures.ranked(split)
    if not ranked:
        return
    best, others = ranked[0], ranked[1:]
    yield (
        f"With {modalities(figures.all_modalities)} given, {best.model} has the lowest log-loss, "
        f"{with_interval(figures, best, 'log_loss')}; its accuracy is "
        f"{with_interval(figures, best, 'accuracy')}."
    )
    alike = _alike(figures, best, others)
    apart = [one.model for one in others if one.model not in alike]
    if alike:
        yield f"{listed(alike)} cannot be told apart from {best.model} by log-loss."
    if apart:
        yield f"Worse by log-loss {'is' if len(apart) == 1 else 'are'} {listed(apart)}."


def _alike(figures: ComparedFigures, best: Answers, others: Sequence[Answers]) -> list[str]:
    """The models that cannot be told apart from the best by log-loss."""
    return [one.model for one in others if not figures.difference(one, best).verdict]


def _families(
    figures: ComparedFigures, split: str, families: tuple[str, ...], others: tuple[str, ...]
) -> Iterator[str]:
    """How the best of some families does beside the best of others, given all and given parts."""
    ones = [a for a in figures.ranked(split, families) if a.model != PRIOR]
    rest = [a for a in figures.ranked(split, others) if a.model != PRIOR]
    if not ones or not rest:
        return
    one, other = ones[0], rest[0]
    what, against = _plural(families).capitalize(), _plural(others)
    clauses = []
    for metric, name in (("log_loss", "log-loss"), ("accuracy", "accuracy")):
        apart = figures.difference(one, other, metric)
        values = f"{figure_of(figures, one, metric)} against {figure_of(figures, other, metric)}"
        clauses.append(
            f"{_DOING[apart.verdict]} in {name}, {values}, {distance(apart)}{_same(apart)}"
        )
    yield (
        f"{what} against {against} ({one.model} and {other.model}, the best of each by log-loss): "
        f"{what.lower()} {f'; {what.lower()} '.join(clauses)}."
    )
    models = [[a.model for a in asked] for asked in (ones, rest)]
    yield from _parts(figures, split, what.lower(), *models)


def _parts(
    figures: ComparedFigures, split: str, what: str, ones: list[str], rest: list[str]
) -> Iterator[str]:
    """The same where modalities are missing, the best of each chosen anew."""
    told: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for given in figures.sets(split):
        if not given or given == figures.all_modalities:
            continue
        pair = [_best_of(figures, split, given, models) for models in (ones, rest)]
        if pair[0] is None or pair[1] is None:
            continue
        apart = figures.difference(pair[0], pair[1])
        told[apart.verdict].append(
            f"{modalities(given)} ({apart.a} and {apart.b}, {distance(apart)})"
        )
    for verdict, doing in _DOING.items():
        if told[verdict]:
            yield f"By log-loss {what} {doing} given only {listed(told[verdict], comma=';')}."


def _best_of(
    figures: ComparedFigures, split: str, given: tuple[str, ...], models: Sequence[str]
) -> Answers | None:
    asked = [a for model in models if (a := figures.find(model, split, given))]
    asked = [a for a in asked if not a.failed_folds]
    return min(asked, key=lambda one: float(figures.row(one)["log_loss"]), default=None)


def _fusion(figures: ComparedFigures, split: str) -> Iterator[str]:
    """Which models are worse, given everything, than given their best part."""
    told: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for whole in figures.ranked(split):
        best = best_part(figures, whole)
        if whole.model == PRIOR or best is None:
            continue
        apart = figures.difference(whole, best)
        fitted = " when fitted to it alone" if best.condition.kind == "refitted" else ""
        told[apart.verdict].append(f"{whole.model} ({best.given[0]}{fitted}, {distance(apart)})")
    if told[-1]:
        yield (
            "Fusion loses to its best part (which, and by how much log-loss): "
            f"{listed(told[-1], comma=';')}."
        )
    if told[0]:
        yield (
            "Fusion and its best part cannot be told apart by log-loss: "
            f"{listed(told[0], comma=';')}."
        )
    if told[1]:
        yield f"Fusion is better than its best part: {listed(told[1], comma=';')}."


def _refitted(figures: ComparedFigures, split: str) -> Iterator[str]:
    """What is lost by asking one fit of a part, beside the same model fitted to it."""
    pairs = [
        figures.difference(plain, refitted)
        for refitted in figures.conditions("refitted")
        if refitted.split == split
        and (plain := figures.find(refitted.model, split, refitted.given))
        and not refitted.failed_folds + plain.failed_folds
    ]
    if not pairs:
        return
    worse, same = (sorted(p for p in pairs if p.verdict == v) for v in (-1, 0))
    better = len(pairs) - len(worse) - len(same)
    yield (
        f"Asked of fewer modalities, the one fit is worse by log-loss than the same model fitted "
        f"to them in {len(worse)} of {counted(len(pairs), 'case')}, better in {better}, and "
        f"cannot be told apart in {len(same)}."
    )
    if worse:
        worst = max(worse, key=lambda pair: pair.difference)
        yield f"Most is lost by {worst.a} given {modalities(worst.given)}, {distance(worst)}."


def _disturbed(figures: ComparedFigures, split: str) -> Iterator[str]:
    """Who holds out at the highest level of each disturbance, and who falls below the prior."""
    kinds = dict.fromkeys(a.condition[:2] for a in figures.answers if a.split == split)
    for kind, modality in kinds:
        if kind not in _HOW:
            continue
        asked = [
            one
            for one in at_highest_level(figures, split, kind, modality)
            if _depends(figures, one) and not one.failed_folds
        ]
        if not asked:
            continue
        level = asked[0].condition.level
        best, *others = sorted(asked, key=lambda one: float(figures.row(one)["log_loss"]))
        alike = _alike(figures, best, others)
        beside = f", not to be told apart from {listed(alike)}" if alike else ""
        yield (
            f"{_HOW[kind].format(level=level, modality=modality)}, {best.model} has the lowest "
            f"log-loss, {figure_of(figures, best, 'log_loss')}{beside}."
        )
        prior = figures.find(PRIOR, split)
        if prior is not None:
            below = [a.model for a in asked if figures.difference(a, prior).verdict < 0]
            if below:
                yield f"Worse there than the shares of the classes alone: {listed(below)}."


def _depends(figures: ComparedFigures, disturbed: Answers) -> bool:
    """Whether a model's answers change at all where a modality is disturbed."""
    plain = figures.find(disturbed.model, disturbed.split)
    return plain is None or not np.array_equal(plain.probabilities, disturbed.probabilities)


def _few_labels(figures: ComparedFigures, split: str) -> Iterator[str]:
    there = [a for a in figures.conditions(LABELS) if a.split == split and not a.failed_folds]
    if not there:
        return
    least = min(a.condition.level for a in there)
    asked = [a for a in there if a.condition.level == least]
    best, *others = sorted(asked, key=lambda one: float(figures.row(one)["log_loss"]))
    alike = _alike(figures, best, others)
    beside = f"; {listed(alike)} cannot be told apart from {best.model}" if alike else ""
    yield (
        f"Fitted to {100 * least:.3g}% of the training rows, {best.model} has the lowest log-loss, "
        f"{figure_of(figures, best, 'log_loss')}{beside}."
    )


def _calibration(figures: ComparedFigures, split: str) -> Iterator[str]:
    off, fine = [], []
    for one in figures.ranked(split):
        row = figures.row(one)
        error = row["expected_calibration_error"]
        limit = row["expected_calibration_error_by_chance_95"]
        if figures.shown_miscalibrated(one):
            off.append(f"{one.model} ({error:.3f}; by chance up to {limit:.3f})")
        else:
            fine.append(one.model)
    if off:
        yield (
            "The calibration error is larger than chance makes it in 95 of 100 cases for "
            f"{listed(off, comma=';')}{_ASSUMED[figures.of_split(split).groups is not None]}."
        )
    if fine:
        yield f"No miscalibration is shown for {listed(fine)}."


def _costs(figures: ComparedFigures) -> Iterator[str]:
    for split in figures.splits[:1]:
        timed = [a for a in figures.ranked(split) if "train_seconds" in a.costs]
        ranked = [a for a in timed if a.model != PRIOR]
        if len(ranked) < 2:
            return
        quick = min(ranked, key=lambda one: one.costs["train_seconds"])
        best = ranked[0]
        yield (
            f"A fit takes {best.model} {_seconds(best)} of CPU time, and {quick.model}, the "
            f"quickest, {_seconds(quick)}."
            if quick is not best
            else f"{best.model}, the best, is also the quickest to fit: {_seconds(best)}."
        )
        front = figures.pareto_front(split)
        yield (
            "No model is both quicker to fit and shown to be better by log-loss than "
            f"{'this' if len(front) == 1 else 'any of these'}: {listed(front)}."
        )


def _failures(figures: ComparedFigures) -> Iterator[str]:
    if figures.failures:
        models = list(dict.fromkeys(failure.model for failure in figures.failures))
        yield (
            f"{counted(len(figures.failures), 'fit or question', 'fits or questions')} ended with "
            f"an error, of {listed(models)}; the shares of the classes stand in where other folds "
            "were answered, and nothing is claimed of such answers here."
        )


def _same(apart: Difference) -> str:
    if apart.equivalent is None or apart.equivalent < _SAME:
        return ""
    return f"; with probability {apart.equivalent:.2f} that makes no difference in practice"


def _seconds(one: Answers) -> str:
    return f"{seconds_words(one.costs['train_seconds'])} s"


def _plural(families: tuple[str, ...]) -> str:
    if families == ("reference",):
        return "references"
    return f"{' or '.join(families)} models"


_THEMES: Mapping[str, Callable[[ComparedFigures, str], Iterator[str]]] = {
    "Which models are best": _overall,
    "Graphical models beside others": _by_family,
    "Fusion beside its best part": _fusion,
    "One fit beside several": _refitted,
    "Disturbed modalities": _disturbed,
    "Few labels": _few_labels,
    "Calibration": _calibration,
}
