"""How models hold out as a modality is disturbed, or labels get fewer: curves over levels."""

from __future__ import annotations

from dataclasses import dataclass

from mmgraph.comparison.report.compared_figures import ComparedFigures
from mmgraph.comparison.results import Answers
from mmgraph.comparison.statistics.robustness import effective_robustness, relative_robustness

LABELS = "labels"
REFERENCE = "late_fusion"
"""The model of which effective robustness is relative, as in MultiBench."""
DISTURBANCES = {
    "noise": "Gaussian noise (standard deviations)",
    "cells": "cells dropped (share)",
    "rows": "rows without it (share)",
}


@dataclass(frozen=True)
class Curve:
    """What a model says at each level of a disturbance, or of the share of training rows.

    Attributes
    ----------
    model, split, kind, modality : str
        See :class:`~mmgraph.comparison.results.Condition`.
    levels, accuracy, log_loss : tuple of float
        In increasing order; without disturbance the level is 0, and of labels 1.
    relative_robustness, effective_robustness : float or None
        Of the accuracy under a disturbance, see
        :func:`~mmgraph.comparison.statistics.robustness.relative_robustness` and
        ``effective_robustness``: the latter beside late fusion, None where that was not compared.
    """

    model: str
    split: str
    kind: str
    modality: str
    levels: tuple[float, ...]
    accuracy: tuple[float, ...]
    log_loss: tuple[float, ...]
    relative_robustness: float | None
    effective_robustness: float | None


def curves(figures: ComparedFigures, *kinds: str) -> list[Curve]:
    """Return the curves of conditions of some kinds, by split, kind, modality and model."""
    disturbed: dict[tuple[str, str, str], dict[str, dict[float, Answers]]] = {}
    for one in figures.answers:
        kind, modality, level = one.condition
        if kind in kinds:
            by_model = disturbed.setdefault((one.split, kind, modality), {})
            levels = by_model.setdefault(one.model, _undisturbed(figures, one))
            levels[level] = one
    return [
        _curve(figures, model, place, answers, by_model.get(REFERENCE, {}))
        for place, by_model in disturbed.items()
        for model, answers in by_model.items()
    ]


def at_highest_level(
    figures: ComparedFigures, split: str, kind: str, modality: str
) -> list[Answers]:
    """Return the answers of all models at the highest level of a disturbance."""
    there = [
        one for one in figures.answers if (one.split, *one.condition[:2]) == (split, kind, modality)
    ]
    highest = max((one.condition.level for one in there), default=0.0)
    return [one for one in there if one.condition.level == highest]


def _undisturbed(figures: ComparedFigures, disturbed: Answers) -> dict[float, Answers]:
    """The answers to the same question of rows as they are, by the level that these have."""
    plain = figures.find(disturbed.model, disturbed.split, disturbed.given)
    level = 1.0 if disturbed.condition.kind == LABELS else 0.0
    return {} if plain is None else {level: plain}


def _curve(
    figures: ComparedFigures,
    model: str,
    place: tuple[str, str, str],
    answers: dict[float, Answers],
    reference: dict[float, Answers],
) -> Curve:
    split, kind, modality = place
    levels = tuple(sorted(answers))
    accuracy, log_loss, beside = (
        tuple(float(figures.row(said[level])[metric]) for level in levels if level in said)
        for said, metric in ((answers, "accuracy"), (answers, "log_loss"), (reference, "accuracy"))
    )
    relative = effective = None
    if kind in DISTURBANCES and len(levels) > 1:
        relative = relative_robustness(levels, accuracy)
        if len(beside) == len(levels):
            effective = effective_robustness(levels, accuracy, beside)
    return Curve(model, split, kind, modality, levels, accuracy, log_loss, relative, effective)
