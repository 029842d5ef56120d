"""Jobs that are cross-validated over random rows and, where rows belong together, whole groups."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.cross_validation import CrossValidation, cross_validations
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.reader import ReadyModel


class CrossValidatedJob(Job):
    """A model that is fitted and tested in each fold of each split of all rows."""

    parts_of_fold = 1
    """How many parts of progress a fold has."""

    def __init__(
        self,
        declaration: ReadyModel,
        directory: Path | None,
        data: MultimodalData,
        folds: int,
        seed: int,
    ) -> None:
        super().__init__(declaration, directory)
        self.data, self.folds, self.seed = data, folds, seed
        self.splits: list[CrossValidation] = []
        self.folds_run = folds

    @abstractmethod
    def fold(
        self,
        train: MultimodalData,
        test: MultimodalData,
        is_first: bool,
        progress: StepProgress,
        scratch: Path | None,
    ) -> Answer:
        """Return what a model fitted to the training rows says of the test rows."""

    @abstractmethod
    def rows(
        self, tested: MultimodalData, predicted: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return the rows of results of one split from the predictions of all its folds."""

    def arrays(self) -> Iterable[np.ndarray]:
        """Return features, states and groups."""
        return self.data.arrays()

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each fold of each split.

        Warns
        -----
        LeakWarning
            If the random split leaks; blocks of consecutive rows are left out, too, then.
        """
        self.folds_run = limit or self.folds
        self.splits = cross_validations(self.data, self.folds, self.seed, limit)
        return [
            Step(
                split.step(number),
                split.fold_name(number),
                partial(self._run_fold, split, number),
                self.parts_of_fold,
                self.keeps_fold(split is self.splits[0] and number == 0),
            )
            for split in self.splits
            for number in range(len(split.folds))
        ]

    def keeps_fold(self, is_first: bool) -> bool:
        """Whether an earlier run's answer to a fold will do."""
        return True

    def _run_fold(
        self, split: CrossValidation, number: int, progress: StepProgress, scratch: Path | None
    ) -> Answer:
        train, test = (split.data.rows(index) for index in split.folds[number])
        is_first = split is self.splits[0] and number == 0

        def tell(part: int, text: str) -> None:
            progress(part, f"{split.fold_name(number)}, {text}")

        return self.fold(train, test, is_first, tell, scratch)

    def predicted(
        self, split: CrossValidation, answers: Mapping[str, Answer]
    ) -> dict[str, np.ndarray]:
        """Return the arrays of all folds of a split, one after the other."""
        folds = [answers[split.step(n)].arrays for n in range(len(split.folds))]
        return {key: np.concatenate([fold[key] for fold in folds]) for key in folds[0]}

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the rows of all splits, what was run, and the ``leak`` if any.

        Each row has its ``split``, and what its ``groups`` are. Of the data there are the number of
        ``rows``, the ``target`` and its ``classes``; ``folds`` says how many of those declared were
        run.
        """
        leaks = [split.leak.figures() for split in self.splits if split.leak is not None]
        return {
            "rows": len(self.data),
            "target": self.data.target.name,
            "classes": [str(label) for label in self.data.target.labels],
            "folds": {"run": self.folds_run, "declared": self.folds},
            **({"leak": leaks[0]} if leaks else {}),
            "results": [
                {"split": split.split, "groups": split.groups, **row}
                for split in self.splits
                for row in self.rows(split.data.rows(split.tested), self.predicted(split, answers))
            ],
        }
