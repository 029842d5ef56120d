"""The job that labels recordings: of people left out, beside recordings left out at random."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.data.splits import Fold
from mmgraph.experiments.activities import changes, events
from mmgraph.experiments.activities.changes import boundary_figures
from mmgraph.experiments.activities.data import LabelledRecordings, load_recordings, splits_of
from mmgraph.experiments.activities.declaration import ActivitiesDeclaration, read_activities
from mmgraph.experiments.activities.events import event_curves
from mmgraph.experiments.activities.figures import recording_figures, step_figures
from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.predictors.sequences.recording_cells import RecordingCells
from mmgraph.predictors.sequences.sequence_labeller import PERCEPTRONS, SequenceLabeller
from mmgraph.sequences.events.detection_curve import DetectionCurve

_SECONDS_PICTURED = 600
_CHANGES = "changepoints"


def job(name: str | os.PathLike[str], directory: Path | None) -> ActivitiesJob:
    """Return the job of a declaration."""
    declaration = read_activities(name)
    return ActivitiesJob(declaration, directory, load_recordings(declaration))


class ActivitiesJob(Job):
    """Recordings that are labelled by models of others.

    A row of the results has ``split``, ``groups``, ``given``, ``method`` and figures: ``durations``
    is the labeller, ``lag`` the same given no more than some seconds after each step, ``cells`` its
    classifier alone.
    """

    kind = "activities"
    declaration: ActivitiesDeclaration

    def __init__(
        self,
        declaration: ActivitiesDeclaration,
        directory: Path | None,
        recordings: LabelledRecordings,
    ) -> None:
        super().__init__(declaration, directory)
        self.recordings = recordings
        self.splits: dict[str, list[Fold]] = {}

    def labeller(self) -> SequenceLabeller:
        """Return the labeller that is declared."""
        declared = self.declaration
        return SequenceLabeller(
            rate=self.recordings.rate,
            features=declared.features,
            leaves=declared.leaves or PERCEPTRONS,
            folds=declared.inner_folds,
            random_state=declared.seed,
        )

    @cached_property
    def cells(self) -> RecordingCells:
        """The features of all recordings, computed once."""
        return self.labeller().cells(self.recordings.signals, self.recordings.people)

    @cached_property
    def truths(self) -> list[Int64[np.ndarray, " cells"]]:
        """The labels of each recording's cells."""
        parts: list[Any] = self.cells.split(self.cells.labels(self.recordings.codes))
        return parts

    @property
    def questions(self) -> dict[str, tuple[str, tuple[str, ...], float | None]]:
        """Method, modalities and lag of what each fold is asked, by the name of its array."""
        given = self.declaration.given
        asked: list[tuple[str, tuple[str, ...], float | None]]
        asked = [("durations", one, None) for one in given]
        asked += [("lag", given[0], lag) for lag in self.declaration.lags]
        asked += [("cells", one, None) for one in given]
        return {f"question_{number}": one for number, one in enumerate(asked)}

    def arrays(self) -> Iterable[np.ndarray]:
        """Return signals, labels and people."""
        for signals in self.recordings.signals.values():
            yield from signals
        yield from self.recordings.codes
        yield self.recordings.people

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each fold of each split, and one for changes."""
        self.splits = splits_of(self.recordings, self.declaration, limit)
        settings, folds = self.declaration.changepoints, next(iter(self.splits.values()))

        def find_changes(progress: StepProgress, scratch: Path | None) -> Answer:
            assert settings is not None
            return Answer({}, boundary_figures(self.recordings, folds, settings))

        found = [Step(_CHANGES, "changes without labels", find_changes)] if settings else []
        return found + [
            Step(
                f"{split}_{number}",
                f"{split}, fold {number + 1} of {len(folds)}",
                partial(self._run_fold, fold),
            )
            for split, folds in self.splits.items()
            for number, fold in enumerate(folds)
        ]

    def _run_fold(self, fold: Fold, progress: StepProgress, scratch: Path | None) -> Answer:
        training, test = fold
        codes = self.recordings.codes
        labeller = self.labeller()
        labeller.fit(self.cells.take(training), [codes[r] for r in training])
        cells = self.cells.take(test)
        answers = {}
        for name, (method, given, lag) in self.questions.items():
            if method == "cells":
                answers[name] = labeller.cell_probabilities(cells, given)
            else:
                answers[name] = np.concatenate(labeller.posteriors(cells, given, lag))
        classes = np.asarray(labeller.classes_, np.int64)
        whole = {}
        for name, table in answers.items():  # a label that no training recording has is never told
            whole[name] = np.zeros((len(table), len(self.recordings.labels)))
            whole[name][:, classes] = table
        return Answer(whole)

    def predicted(
        self, split: str, answers: Mapping[str, Answer], name: str
    ) -> list[tuple[int, np.ndarray]]:
        """Return the recordings that were tested, each with its answers to a question."""
        pairs = []
        for number, (_, test) in enumerate(self.splits[split]):
            table = answers[f"{split}_{number}"].arrays[name]
            pairs += list(zip(test.tolist(), self.cells.take(test).split(table), strict=True))
        return pairs

    def curves(self, answers: Mapping[str, Answer]) -> dict[str, DetectionCurve]:
        """Return the curve of each event in what the first split's first lag answers."""
        settings, lags = self.declaration.events, self.declaration.lags
        if settings is None:
            return {}
        wanted = ("lag", self.declaration.given[0], lags[0])
        name = next(name for name, asked in self.questions.items() if asked == wanted)
        tables = self.predicted(next(iter(self.splits)), answers, name)
        seconds = self.cells.features.stride / self.recordings.rate
        return event_curves(self.recordings, tables, settings, seconds, lags[0])

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return a row for each split and question; of changes and events what there is."""
        rows = []
        for split in self.splits:
            for name, (method, given, lag) in self.questions.items():
                tested, tables = zip(*self.predicted(split, answers, name), strict=True)
                truths = [self.truths[r] for r in tested]
                people = self.recordings.people[list(tested)]
                if self.recordings.whole:
                    figures = recording_figures(tables, truths, people)
                else:
                    places = map(self.recordings.labels.index, self.declaration.transitions)
                    figures = step_figures(tables, truths, people, list(places))
                groups = None if split == "random" else "person"
                row: dict[str, Any] = {"split": split, "groups": groups, "given": list(given)}
                row["method"] = method if lag is None else f"lag of {lag:g} s"
                rows.append(row | figures)
        declared = 1 if self.declaration.test_people else self.declaration.folds
        run = len(next(iter(self.splits.values())))
        report: dict[str, Any] = {
            "rows": int(sum(map(len, self.recordings.codes))),
            "target": "label",
            "classes": list(self.recordings.labels),
            "folds": {"run": run, "declared": declared},
            "results": rows,
            "words": [],
        }
        if _CHANGES in answers:
            report["changepoints"] = answers[_CHANGES].notes
            report["words"].append(changes.in_words(answers[_CHANGES].notes))
        if self.declaration.events is not None:
            curves = self.curves(answers)
            report["events"] = {name: curve.columns() for name, curve in curves.items()}
            report["words"] += events.in_words(curves, self.declaration.lags[0])
        return report

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw a recording's path, where errors lie in time, confusions and calibration."""
        from mmgraph.experiments.pictures import save_figures
        from mmgraph.plots import confusion_matrix, reliability_diagram
        from mmgraph.plots.sequences.detection_curve import draw_detection_curves
        from mmgraph.plots.sequences.state_paths import state_paths
        from mmgraph.plots.sequences.time_confusion import time_confusion

        split, labels = next(iter(self.splits)), self.recordings.labels
        smoothed = {
            " and ".join(given): self.predicted(split, answers, name)
            for name, (method, given, _) in self.questions.items()
            if method == "durations"
        }
        first = next(iter(smoothed.values()))
        rate = self.recordings.rate / self.cells.features.stride
        recording, table = first[0]
        shown = slice(round(_SECONDS_PICTURED * rate))
        truths = np.concatenate([self.truths[r] for r, _ in first])
        known = truths >= 0
        tables = {
            given: np.concatenate([one for _, one in pairs])[known]
            for given, pairs in smoothed.items()
        }
        where = f"person {self.recordings.people[recording]}, left out"
        figures = {
            "state_path": state_paths(
                table[shown], labels, self.truths[recording][shown], rate=rate, title=where
            ),
            "time_confusion": time_confusion(
                [self.truths[r] for r, _ in first],
                [one.argmax(1) for _, one in first],
                labels,
                rate=rate,
                names=[f"person {self.recordings.people[r]}" for r, _ in first],
            ),
            "confusion": confusion_matrix(
                truths[known], next(iter(tables.values())).argmax(1), labels
            ),
            "reliability": reliability_diagram(truths[known], tables),
        }
        if curves := self.curves(answers):
            figures["events"] = draw_detection_curves(curves)
        return save_figures(directory, figures, f"_{split}")
