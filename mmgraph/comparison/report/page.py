"""A comparison as a page, and every number of it for JSON."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmgraph.comparison.report.compared_figures import ComparedFigures
from mmgraph.comparison.report.contributions import about_none, contributions
from mmgraph.comparison.report.differences import FEW_GROUPS, METRICS, ROPE
from mmgraph.comparison.report.lead import lead
from mmgraph.comparison.report.page_tables import (
    MOST_LINES,
    calibration_table,
    cost_table,
    difference_table,
    failure_table,
    main_table,
    more_figures_table,
    recording_table,
    robustness_table,
    settings_table,
    subset_lines,
    subset_table,
)
from mmgraph.comparison.report.pictures import (
    contribution_bars,
    cost_points,
    disturbance_curves,
    interval_points,
    label_curves,
    reliability_panels,
)
from mmgraph.comparison.report.robustness import DISTURBANCES, LABELS, curves
from mmgraph.comparison.report.words import topics
from mmgraph.comparison.results import Answers
from mmgraph.learning.prediction.metrics import reliability_bins
from mmgraph.plots.pages.page import render
from mmgraph.plots.pages.wording import counted, listed

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_MOST_NAMES = 12


def page(figures: ComparedFigures) -> str:
    """Return the page as HTML."""
    return render(
        _TEMPLATE,
        title=figures.about.title,
        protocol=_protocol(figures),
        lead=lead(figures),
        topics=topics(figures),
        parts=[_part(figures, split) for split in figures.splits],
        failures=failure_table(figures.failures),
    )


def content(figures: ComparedFigures) -> dict[str, Any]:
    """Return every number as JSON can hold it."""
    sets = dict.fromkeys([figures.all_modalities, *((m,) for m in figures.all_modalities)])
    wanted = itertools.product(figures.splits, sets, METRICS)
    apart = [
        figures.difference(one, other, metric)
        for split, given, metric in wanted
        for a, b in itertools.combinations(figures.models, 2)
        if (one := figures.find(a, split, given)) and (other := figures.find(b, split, given))
    ]
    whole = [a for split in figures.splits for a in figures.answers_given_all(split)]
    return {
        "about": asdict(figures.about),
        "words": [lead(figures), *(topic.text for topic in topics(figures))],
        "rows": figures.rows(),
        "differences": [one.as_record() for one in apart],
        "curves": [asdict(one) for one in curves(figures, *DISTURBANCES, LABELS)],
        "shapley_values": [one._asdict() for one in contributions(figures)],
        "pareto_fronts": {split: figures.pareto_front(split) for split in figures.splits},
        "reliability": [_reliability(figures, one) for one in whole],
        "settings": [
            {"model": one.model, "split": one.split, "folds": [dict(s) for s in one.settings]}
            for one in whole
        ],
        "failures": [
            {**one._asdict(), "condition": one.condition._asdict()} for one in figures.failures
        ],
        "tested": {
            one.split: {
                "rows": len(one.rows),
                "training_rows": one.training_rows,
                "groups": None if one.groups is None else len(set(one.groups.tolist())),
                "absent": one.absent,
            }
            for one in figures.tested
        },
    }


def _reliability(figures: ComparedFigures, one: Answers) -> dict[str, Any]:
    """The bins of a reliability diagram."""
    bins = reliability_bins(one.probabilities, figures.of_split(one.split).codes)
    values = {name: column.tolist() for name, column in bins._asdict().items()}
    return {"model": one.model, "split": one.split, **values}


def _protocol(figures: ComparedFigures) -> list[str]:
    about = figures.about
    chosen = [model for model, tried in about.settings.items() if len(tried) > 1]
    groups = f", grouped by {about.groups}" if about.groups else ""
    modalities = counted(len(about.modalities), "modality", "modalities")
    classes = counted(len(about.classes), "class", "classes")
    texts = [
        f"{counted(about.rows, 'row')}{groups}, of {modalities} "
        f"({listed(about.modalities, _MOST_NAMES)}); told is {about.target}, of {classes} "
        f"({listed(about.classes, _MOST_NAMES)}). Compared are "
        f"{counted(len(figures.models), 'model')}: {listed(figures.models, 20)}.",
        f"Each model learned from the rows of all folds but one ({_folds(figures)}; seed "
        f"{about.seed}), and was asked of those of that one; the same rows for all. "
        + (
            f"Settings of {listed(chosen, _MOST_NAMES)} were chosen on {about.inner_folds} inner "
            "folds of the training rows, never on the rows that are told here."
            if chosen
            else "No settings were chosen: a model that was named has the first of its published "
            "settings, and one that was given as an object its own."
        ),
    ]
    lacking = [
        f"Fold {number} of the split '{tested.split}' has no rows of "
        f"{listed(names, _MOST_NAMES)} to learn from."
        for tested in figures.tested
        for number, names in enumerate(tested.absent, 1)
        if names
    ]
    return [*texts, *([" ".join(lacking)] if lacking else [])]


def _folds(figures: ComparedFigures) -> str:
    return ", ".join(
        f"{counted(len(tested.training_rows), 'fold')} in the {tested.split} split"
        for tested in figures.tested
    )


def _part(figures: ComparedFigures, split: str) -> dict[str, Any]:
    """What the template shows of a split."""
    tested = figures.of_split(split)
    groups = tested.groups
    disturbed = [c for c in curves(figures, *DISTURBANCES) if c.split == split]
    lines = subset_lines(figures, split)
    several = len(figures.all_modalities) > 1
    return {
        "title": "Rows split at random"
        if split == "random"
        else f"Whole groups left out ({figures.about.groups or 'groups'})",
        "over": "" if groups is None else " over groups",
        "main": main_table(figures, split),
        "more": more_figures_table(figures, split),
        "recordings": recording_table(figures, split),
        "points": interval_points(figures, split),
        "differences": difference_table(figures, split),
        "about_differences": _about_differences(groups is not None),
        "subsets": subset_table(lines),
        "left_out": max(len(lines) - MOST_LINES, 0),
        "contributions": contribution_bars(contributions(figures), split),
        "about_contributions": about_none(figures) if several else "",
        "disturbed": disturbance_curves(figures, disturbed),
        "robustness": robustness_table(disturbed),
        "labels": label_curves(figures, [c for c in curves(figures, LABELS) if c.split == split]),
        "reliability": reliability_panels(figures, split),
        "calibration": calibration_table(figures, split),
        "costs": cost_points(figures, split),
        "cost_table": cost_table(figures, split),
        "settings": settings_table(figures, split),
    }


def _about_differences(grouped: bool) -> str:
    what = "groups" if grouped else "rows"
    few = f", and of fewer than {FEW_GROUPS} groups only if p is below .05" if grouped else ""
    return (
        f"Intervals are of a paired bootstrap over {what}; models can be told apart where zero "
        f"lies outside{few}. p is that of the corrected resampled t-test over folds (Nadeau and "
        "Bengio), which reckons with other training rows, too; the probabilities are of its "
        f"Bayesian form (Corani and Benavoli), where differences within {ROPE} make none in "
        "practice. Nothing is corrected for how many pairs there are."
    )
