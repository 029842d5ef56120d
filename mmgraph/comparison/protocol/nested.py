"""Nested cross-validation: settings by inner folds, answers of the outer ones, records of all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from mmgraph.comparison.models.named import ModelKind, Setting
from mmgraph.comparison.models.prior import class_shares
from mmgraph.comparison.protocol.plan import Plan
from mmgraph.comparison.protocol.running import Runner
from mmgraph.comparison.protocol.task import COSTS, FIT, Outcome, Task
from mmgraph.comparison.results import Answers, Condition, Failure, Tested
from mmgraph.data.recordings.windows import recordings_of
from mmgraph.learning.prediction.metrics import SMALLEST_PROBABILITY

Done = list[tuple[Task, Outcome]]
"""The tasks of one model in one fold, as :meth:`Plan.outer` has them."""


def run_plan(plan: Plan, runner: Runner) -> tuple[tuple[Answers, ...], tuple[Failure, ...]]:
    """Run all fits of a plan, and return what the models say and what has failed."""
    places = [(s, f) for s, split in enumerate(plan.splits) for f in range(len(split.folds))]
    cells = list(itertools.product(plan.kinds, places))
    inner = [
        plan.inner(kind, *place) if len(plan.settings(kind)) > 1 else [] for kind, place in cells
    ]
    losses = _by_cell(inner, runner)
    chosen = [
        kind.settings[_best(plan, kind, done)]
        for (kind, _), done in zip(cells, losses, strict=True)
    ]
    outer = [
        plan.outer(kind, setting, *place)
        for (kind, place), setting in zip(cells, chosen, strict=True)
    ]
    done = _by_cell(outer, runner)
    answers: list[Answers] = []
    failures: list[Failure] = []
    for kind, (number, split) in itertools.product(plan.kinds, enumerate(plan.splits)):
        of_split = [i for i, (k, (s, _)) in enumerate(cells) if k is kind and s == number]
        folds, settings = (
            [done[i] for i in of_split],
            tuple(chosen[i] for i in of_split),
        )
        failures += [f for fold in folds for f in _failures(fold, split.split)]
        answers += _answers(plan, kind, number, folds, settings)
    return tuple(answers), tuple(failures)


def _by_cell(tasks: Sequence[Sequence[Task]], runner: Runner) -> list[Done]:
    """Run the tasks of all models and folds together, and return them as they were."""
    outcomes = iter(runner.run(list(itertools.chain.from_iterable(tasks))))
    return [[(task, next(outcomes)) for task in cell] for cell in tasks]


def _best(plan: Plan, kind: ModelKind, done: Done) -> int:
    """The setting of the least log-loss in inner folds; of equal ones, and of none, the first."""
    if not done:
        return 0
    losses = [
        np.inf if outcome.failures else _loss(plan, task, outcome.tables[0])
        for task, outcome in done
    ]
    each = len(losses) // len(kind.settings)  # of few groups there are fewer inner folds
    return int(np.reshape(losses, (-1, each)).sum(1).argmin())


def _loss(plan: Plan, task: Task, table: Float64[np.ndarray, "rows classes"]) -> float:
    """The summed log-loss of held-out rows, by their weights."""
    rows = plan.splits[task.split].data.rows(task.test)
    of_class = table[np.arange(len(table)), rows.codes].clip(SMALLEST_PROBABILITY)
    return float(-(rows.counts @ np.log(of_class)))


def _failures(fold: Done, split: str) -> list[Failure]:
    failures = []
    for task, outcome in fold:
        for place, message in outcome.failures.items():
            given, condition = task.questions[max(place, 0)]
            given = () if place == FIT and condition == Condition() else given
            failures.append(Failure(task.model, split, task.fold, message, given, condition))
    return failures


def _answers(
    plan: Plan, kind: ModelKind, number: int, folds: list[Done], settings: tuple[Setting, ...]
) -> list[Answers]:
    """What a model says in one split, each question over all folds."""
    split = plan.splits[number]
    shares = [class_shares(split.data.rows(training)) for training, _ in split.folds]
    records = []
    apart = [outcome for fold in folds for task, outcome in fold if _is_measured(task)]
    for place, (plain, _) in enumerate(folds[0]):
        if _is_measured(plain):
            continue
        for index, (given, condition) in enumerate(plain.questions):
            answered = [_answer(fold[place][1], index) for fold in folds]
            if all(table is None for table in answered):
                continue
            tables = [
                np.tile(share, (len(test), 1)) if table is None else table
                for table, share, (_, test) in zip(answered, shares, split.folds, strict=True)
            ]
            is_plain = condition == Condition()
            records.append(
                Answers(
                    kind.name, kind.family, split.split, given, condition, np.concatenate(tables),
                    _mean_costs([fold[place][1] for fold in folds] + (apart if is_plain else [])),
                    settings,
                    sum(table is None for table in answered),
                )
            )  # fmt: skip
    return records


def _answer(outcome: Outcome, index: int) -> Float64[np.ndarray, "rows classes"] | None:
    """The answers to one question, None where there are none."""
    failed = FIT in outcome.failures or index in outcome.failures
    return None if failed else outcome.tables[index]


def _is_measured(task: Task) -> bool:
    return task.questions[0][1] == COSTS


def _mean_costs(outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.costs)
    return {
        name: float(np.mean([o.costs[name] for o in outcomes if name in o.costs])) for name in names
    }


def tested_rows(plan: Plan) -> tuple[Tested, ...]:
    """Return the rows of each split that are tested, and which classes training rows lack."""
    records = []
    recordings = recordings_of(plan.splits[-1].data)
    groups = plan.splits[-1].data.groups  # of random folds, too: rows are no more independent there
    for split in plan.splits:
        data, sizes = split.data, [len(test) for _, test in split.folds]
        labels = np.array(list(map(str, data.target.labels)))
        absent = []
        for training, _ in split.folds:
            there = np.unique(data.codes[training])
            absent.append(tuple(np.delete(labels, there).tolist()))
        records.append(
            Tested(
                split.split, split.tested, data.codes[split.tested],
                np.repeat(np.arange(len(sizes)), sizes),
                None if groups is None else groups.codes[split.tested],
                tuple(len(training) for training, _ in split.folds), tuple(absent),
                np.stack([class_shares(data.rows(training)) for training, _ in split.folds]),
                None if recordings is None else recordings[split.tested],
            )
        )  # fmt: skip
    return tuple(records)
