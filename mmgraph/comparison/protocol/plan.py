"""The fits of a comparison: what each model learns from in each fold, and what it is asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mmgraph.comparison.conditions.disturbance import disturbances
from mmgraph.comparison.conditions.few_labels import FewLabels, shares_reached
from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.comparison.held_out import Situation
from mmgraph.comparison.models.named import ModelKind, Setting
from mmgraph.comparison.protocol.digests import data_digest, predictor_digest, versions
from mmgraph.comparison.protocol.task import COSTS, Task
from mmgraph.comparison.results import Condition
from mmgraph.learning.kept_steps import digest
from mmgraph.predictors.pooling.fitting import inner_folds

CONDITIONS = ("subsets", "refitted", "noise", "labels", "costs")
"""What may be asked beside all modalities as they are."""
INNER_FOLDS = 3
PLAIN = Condition()


@dataclass(frozen=True, eq=False)
class Plan:
    """What is compared, and how.

    Attributes
    ----------
    kinds : tuple of ModelKind
    splits : tuple of CrossValidation
    sets : tuple of tuple of str
        The modalities that are there at test time; all of them come first.
    conditions : collection of str
        Of :data:`CONDITIONS`.
    seed : int
        Of models, inner folds, what is disturbed, and which rows are few.
    tune : bool
        Whether inner folds choose settings.
    directory : Path, optional
        Where outcomes are kept, by digests of all that they depend on.
    """

    kinds: tuple[ModelKind, ...]
    splits: tuple[CrossValidation, ...]
    sets: tuple[Situation, ...]
    conditions: Collection[str]
    seed: int
    tune: bool
    directory: Path | None

    @property
    def modalities(self) -> Situation:
        """All of them."""
        return self.sets[0]

    def settings(self, kind: ModelKind) -> tuple[Setting, ...]:
        """Return the settings of a model that are tried."""
        return kind.settings if self.tune else kind.settings[:1]

    def fits(self, kind: ModelKind) -> int:
        """Return how many fits a model takes in all."""
        tried = len(self.settings(kind))
        inner = 0 if tried < 2 else tried * INNER_FOLDS
        in_fold = inner + 1 + len(self._sets_refitted)
        apart = len(self.splits) * ("costs" in self.conditions)
        return apart + sum(
            len(split.folds) * (in_fold + len(few))
            for split, few in zip(self.splits, self._few_labels, strict=True)
        )

    @property
    def _sets_refitted(self) -> Sequence[Situation]:
        return self.sets[1:] if "refitted" in self.conditions else ()

    @cached_property
    def _few_labels(self) -> Sequence[Sequence[FewLabels]]:
        """By split, the shares of training rows that are learned from."""
        if "labels" not in self.conditions:
            return [()] * len(self.splits)
        return [
            shares_reached(split.data, [training for training, _ in split.folds], self.seed)
            for split in self.splits
        ]

    def inner(self, kind: ModelKind, split: int, fold: int) -> list[Task]:
        """Return the fits by which a setting is chosen: of each setting, one in each inner fold.

        Inner folds are of the training rows alone, and of whole groups where outer ones are.
        """
        training, _ = self.splits[split].folds[fold]
        parts = inner_folds(self.splits[split].data.rows(training), INNER_FOLDS, self.seed)
        return [
            self._task(
                (kind, setting), (split, fold), f"setting {number + 1}, inner fold {part + 1}",
                (training[learned], training[held]), Condition(),
            )
            for number, setting in enumerate(kind.settings)
            for part, (learned, held) in enumerate(parts)
        ]  # fmt: skip

    def outer(self, kind: ModelKind, setting: Setting, split: int, fold: int) -> list[Task]:
        """Return the fits whose answers count: of all rows and modalities first."""
        chosen, place = (kind, setting), (split, fold)
        data, rows = self.splits[split].data, self.splits[split].folds[fold]
        plain = self._task(chosen, place, "", rows, Condition())
        asked = [(given, PLAIN) for given in self.sets]
        if "noise" in self.conditions:
            asked += [(self.modalities, condition) for condition in disturbances(data)]
        tasks = [self._keyed(replace(plain, questions=tuple(asked)))]
        for given in self._sets_refitted:
            what = f"refitted on {', '.join(given)}"
            tasks.append(self._task(chosen, place, what, rows, Condition("refitted"), given))
        for few in self._few_labels[split]:
            learned = (few.rows[fold], rows[1])
            what = f"{100 * few.share:.4g}% of rows"
            # Few labels are too few to choose by: one setting learns from many and from few.
            tasks.append(
                self._task(chosen, place, what, learned, Condition("labels", "", few.share))
            )
        if "costs" in self.conditions and fold == 0:
            tasks.append(self._task(chosen, place, "costs", rows, COSTS))
        return tasks

    def _task(
        self,
        chosen: tuple[ModelKind, Setting],
        place: tuple[int, int],
        what: str,
        rows: tuple[np.ndarray, np.ndarray],
        condition: Condition,
        given: Situation | None = None,
    ) -> Task:
        (kind, setting), (split, fold) = chosen, place
        modalities = self.modalities if given is None else given
        where = self.splits[split].fold_name(fold)
        name = re.sub(r"\W+", "_", f"{kind.name}_{self.splits[split].step(fold)}_{what}")
        return self._keyed(
            Task(
                name.rstrip("_"), ", ".join(filter(None, (kind.name, where, what))), kind.name,
                kind.predictor(setting, self.seed), split, fold, *rows, modalities,
                ((modalities, condition),), self.seed + fold,
            )
        )  # fmt: skip

    def _keyed(self, task: Task) -> Task:
        """The task with the digest of all that its answers depend on, where these are kept."""
        if self.directory is None:
            return task
        document = {
            "data": self._data_digests[task.split], "model": predictor_digest(task.predictor),
            "modalities": task.modalities, "questions": task.questions, "seed": task.seed,
            "versions": versions(),
        }  # fmt: skip
        total = digest(document, [task.training, task.test])
        return replace(task, name=f"{task.name[:120]}_{total[:12]}", digest=total)

    @cached_property
    def _data_digests(self) -> tuple[str, ...]:
        """Of the data of each split."""
        return tuple(data_digest(split.data) for split in self.splits)
