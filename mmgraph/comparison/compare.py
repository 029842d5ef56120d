"""Models compared under one protocol: splits, settings, missing modalities, noise, few labels."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.conditions.modality_sets import asked_sets
from mmgraph.comparison.cross_validation import cross_validations
from mmgraph.comparison.models.named import ALWAYS, model_kinds, with_opponents
from mmgraph.comparison.protocol.nested import run_plan, tested_rows
from mmgraph.comparison.protocol.plan import CONDITIONS, INNER_FOLDS, Plan
from mmgraph.comparison.protocol.running import Progress, Runner
from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.results import About
from mmgraph.data.folds import SplitWarning
from mmgraph.data.groups import coded_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import (
    LearningError,
    MmgraphError,
    SchemaError,
    check_choice,
    suggestion,
    warn_caller,
)
from mmgraph.predictors.inputs import (
    Modalities,
    column_names,
    labelled_rows,
    rows_of,
    schema_of,
)
from mmgraph.predictors.row_predictor import warn_of_prior

_OPTIONS = ("tune", "n_jobs", "directory", "progress", "opponents")


def compare(
    data: Any,
    target: Any = "y",
    models: Iterable[Any] | Mapping[str, Any] = ALWAYS,
    groups: Any = None,
    modalities: Modalities | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    given: Iterable[Iterable[str] | str] | None = None,
    conditions: Collection[str] = ("subsets",),
    **options: Any,
) -> ComparisonReport:
    """Return what models say of rows that they have not learned from, compared.

    Every model learns from the same rows of the same folds: at random and, where rows have groups
    or test rows are nearly copies of training rows beside them in the file, whole groups or blocks.

    Parameters
    ----------
    data : data frame or MultimodalData
    target : str or sequence
        Of a frame, the column that is to be told, or its labels; MultimodalData have their own.
    models : sequence, or mapping of str to those
        Names of :data:`~mmgraph.comparison.models.named.MODELS`, predictors (``fit(data)`` and
        ``predict_proba(data, given=)`` of MultimodalData) or classifiers of scikit-learn. By
        default the opponents that stand in every table.
    groups : str or sequence, optional
        What rows belong to, as a column of the frame or for each row.
    modalities : mapping of str to sequence of str, optional
        Of a frame, the columns of each; by default all columns are one.
    folds : int
        Of groups no more than there are.
    seed : int
        Of folds and models, and of what is disturbed.
    given : iterable of iterable of str, optional
        The sets of modalities that are asked for, beside all of them.
    conditions : collection of str
        ``"subsets"``: every set of modalities at test time (of more than six all, all but one, and
        each), where ``given`` does not say which; ``"refitted"``: the same kind of model fitted on
        each of these sets alone; ``"noise"``: each modality under Gaussian noise, and with cells or
        rows of it dropped (:data:`~mmgraph.comparison.conditions.disturbance.LEVELS`);
        ``"labels"``: 1, 5 and 20% of the training rows, of each class at least two, with the
        setting that is chosen for all rows; the condition's level is the share that is reached;
        ``"costs"``: the memory that a fit takes, by one more of the first fold in a process of its
        own.
    **options
        ``opponents`` (bool): whether those that should stand in every table are added after the
        models where they are lacking, which they are by default.
        ``tune`` (bool): whether inner folds of the training rows, of whole groups where outer ones
        are, choose among the published settings of each model by log-loss; by default it has its
        first. ``n_jobs`` (int): how many processes of one thread, by default one for each core;
        answers do not depend on it. ``directory`` (path): where each fit is kept as soon as it is
        done, so that an interrupted run goes on and a second one computes nothing. ``progress``
        (callable): called with the fits done, the fits in all, and what was done.

    Returns
    -------
    ComparisonReport
        A model that fails in a fold is named in its ``failures``, and answers the shares of the
        classes there; one that fails in all folds has no answers.

    Raises
    ------
    LearningError
        If a model or a class of them is unknown, labels are one class only or no classes, or a row
        lacks its label (which).
    MmgraphError
        If there are fewer than two folds, a class (which) has fewer rows than folds, a condition or
        option is unknown, no model answers, or a process is killed.
    SchemaError, UnknownVariableError
        If there is no such column, or no such modality.

    Warns
    -----
    LeakWarning, SplitWarning, CopiesWarning
        As :func:`mmgraph.cross_validate`; and if the training rows of a fold lack a class.
    PriorWarning
        If a row has none of the modalities of a set: its answer is the prior.

    Examples
    --------
    >>> report = mm.compare(frame, "y", models=["network", "late_fusion", "logistic"],
    ...                     modalities={"sound": sound, "movement": movement})  # doctest: +SKIP
    >>> report.differences("network", "late_fusion")                             # doctest: +SKIP
    """
    for name in options:
        check_choice("option", name, _OPTIONS, MmgraphError)
    kinds = model_kinds(models)
    conditions = (conditions,) if isinstance(conditions, str) else tuple(conditions)
    for condition in conditions:
        check_choice("condition", condition, CONDITIONS, MmgraphError)
    rows = _rows(data, target, groups, modalities)
    if options.get("opponents", True):
        kinds = with_opponents(kinds)
    sets = asked_sets(rows, given, conditions)
    for names in sets:
        warn_of_prior(rows, names)
    directory: str | os.PathLike[str] | None = options.get("directory")
    splits = tuple(cross_validations(rows, folds, seed))
    plan = Plan(
        kinds, splits, sets, conditions, seed, bool(options.get("tune", False)),
        None if directory is None else Path(directory),
    )  # fmt: skip
    tested = tested_rows(plan)
    for one in tested:
        for fold, absent in enumerate(one.absent):
            if absent:
                warn_caller(
                    f"the training rows of fold {fold + 1} of the {one.split} split lack the "
                    f"class{'es'[: 2 * (len(absent) > 1)]} {', '.join(map(repr, absent))}",
                    SplitWarning,
                )
    answers, failures = run_plan(plan, _runner(plan, options))
    return ComparisonReport(_about(rows, plan, folds), tested, answers, failures)


def _runner(plan: Plan, options: Mapping[str, Any]) -> Runner:
    total = sum(plan.fits(kind) for kind in plan.kinds)
    progress: Progress | None = options.get("progress")
    data = [split.data for split in plan.splits]
    return Runner(data, options.get("n_jobs"), plan.directory, progress, total)


def _about(data: MultimodalData, plan: Plan, folds: int) -> About:
    labels = tuple(map(str, data.target.labels))
    return About(
        data.origin.strip("'"), data.target.name, labels, plan.modalities,
        len(data), plan.splits[-1].groups, folds, INNER_FOLDS if plan.tune else 0, plan.seed,
        {kind.name: plan.settings(kind) for kind in plan.kinds},
    )  # fmt: skip


def _rows(data: Any, target: Any, groups: Any, modalities: Modalities | None) -> MultimodalData:
    """Rows with their target and groups, of two classes at least."""
    if isinstance(data, MultimodalData):
        if modalities is not None:
            raise SchemaError(f"{data.origin} have modalities of their own: give no others")
        rows = data if groups is None else replace(data, groups=coded_groups("group", groups))
        if isinstance(target, str):
            if target not in ("y", rows.target.name):
                raise SchemaError(f"the target of {data.origin} is '{rows.target.name}'")
        else:
            rows, _ = labelled_rows(rows, target, None, None)
    elif is_frame(data):
        rows = _rows_of_frame(data, target, groups, modalities)
    else:
        raise LearningError(f"rows are a data frame or MultimodalData, not {type(data).__name__}")
    states = np.unique(rows.codes)
    if len(states) < 2:
        label = rows.target.labels[states[0]] if len(states) else None
        raise LearningError(f"the labels are one class only, {label!r}: nothing to tell")
    return rows


def _rows_of_frame(
    frame: Any, target: Any, groups: Any, modalities: Modalities | None
) -> MultimodalData:
    names = column_names(frame)
    frame = frame.set_axis(names, axis=1)
    beside = {}
    for what, value in (("target", target), ("groups", groups)):
        if isinstance(value, str):
            if value not in names:
                raise SchemaError(
                    f"{what}: the table has no column '{value}'{suggestion(value, names)}"
                )
            beside[what] = value
    features = frame.drop(columns=[*{*beside.values()}])
    name = beside.get("target", "y")
    labels = frame[name] if "target" in beside else target
    members = frame[beside["groups"]] if "groups" in beside else groups
    rows = rows_of(features, schema_of(features, modalities, texts=True), partial=False)
    rows, _ = labelled_rows(rows, labels, members, None, name)
    if rows.groups is not None and "groups" in beside:
        rows = replace(rows, groups=replace(rows.groups, name=beside["groups"]))
    return rows
