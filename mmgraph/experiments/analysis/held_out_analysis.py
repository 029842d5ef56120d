"""A classification whose held-out answers say what each modality tells of the target."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from mmgraph.causal.modalities.analyse import analyse_predictions
from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.checks import check_no_weights
from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.analysis.report import write_report
from mmgraph.experiments.classification.classification import (
    ClassificationJob,
    declared_rows,
)
from mmgraph.experiments.classification.declaration import ClassificationDeclaration
from mmgraph.experiments.cross_validated import CrossValidatedJob
from mmgraph.experiments.job import Answer, Progress, Step, run_job
from mmgraph.experiments.reader import Names
from mmgraph.graph.errors import MmgraphError

PAGE = "analysis.html"
_ALL_SETS = 5
"""Of more modalities not all sets are asked for, but each, all, and all but one."""


class AnalysisJob(ClassificationJob):
    """A classification of rows that is asked with each set of modalities, of each split.

    Where a declaration reports these sets anyway, its steps are those of ``mmgraph run``, and what
    either has kept serves the other.

    Attributes
    ----------
    analyses : dict of str to ModalityAnalysis
        By split, after the steps: ``random``, and ``grouped`` where rows belong together.
    """

    analyses: dict[str, ModalityAnalysis]

    def __init__(
        self,
        declaration: ClassificationDeclaration,
        directory: Path | None,
        data: MultimodalData,
        page: Path | None = None,
    ) -> None:
        check_no_weights(data)
        sets = modality_sets(data.modalities)
        if not {frozenset(s) for s in sets} <= {frozenset(s) for s in declaration.given}:
            declaration = replace(declaration, given=sets)
        super().__init__(declaration, directory, data, declaration.folds, declaration.seed)
        self.page = page

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each fold of each split."""
        return CrossValidatedJob.steps(self, limit)

    def analysis(self, split: CrossValidation, answers: Mapping[str, Answer]) -> ModalityAnalysis:
        """Return what modalities tell of the target in the held-out rows of a split."""
        tested = split.data.rows(split.tested)
        predicted = self.predicted(split, answers)
        return analyse_predictions(
            tested.target.name,
            tested.target.labels,
            {given: predicted[f"given_{place}"] for place, given in enumerate(self.given)},
            tested.codes,
            None if tested.groups is None else tested.groups.codes,
        )

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the analysis of each split, and what was run."""
        self.analyses = {split.split: self.analysis(split, answers) for split in self.splits}
        titles = self._titles
        report = super().report(answers)
        del report["results"]
        return report | {
            "analyses": [
                {"split": split, "title": titles[split], **analysis.to_dict()}
                for split, analysis in self.analyses.items()
            ]
        }

    @property
    def _titles(self) -> dict[str, str]:
        return {split.split: _split_title(split) for split in self.splits}

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Write the page, and its figures as JSON."""
        titles = self._titles
        analyses = {titles[name]: analysis for name, analysis in self.analyses.items()}
        title = self.declaration.title or f"What tells {self.data.target.name}"
        return write_report(analyses, self.page or directory / PAGE, title=title)


def analyse_ready_model(
    name: str | os.PathLike[str],
    directory: Path | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
    page: Path | None = None,
    target: str | None = None,
) -> tuple[dict[str, ModalityAnalysis], dict[str, Any]]:
    """Return the analysis of each split of a classification that is declared, and the report.

    Raises
    ------
    FormatError, DatasetError, LearningError
        As :func:`mmgraph.experiments.experiment.run`.
    MmgraphError
        If the target that is declared is not the one asked for, if one is.
    """
    declaration, data = declared_rows(name)
    if target not in (None, data.target.name):
        raise MmgraphError(f"the target of {name} is {data.target.name}, not {target}")
    return _analysed(AnalysisJob(declaration, directory, data, page), folds, progress)


def analyse_rows(
    data: MultimodalData,
    directory: Path | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
    page: Path | None = None,
) -> tuple[dict[str, ModalityAnalysis], dict[str, Any]]:
    """Return the analysis of each split of rows with a target, as told by the default classifier.

    ``folds`` is how many of the usual ones are run. Raises as :func:`analyse_ready_model`.
    """
    from mmgraph.experiments.classification.data import check_rows
    from mmgraph.experiments.classification.declaration import classifier_defaults
    from mmgraph.experiments.classification.template import most_folds

    check_rows(data)
    declaration = ClassificationDeclaration(
        name="analysis",
        title=f"What tells {data.target.name}",
        folds=most_folds(data),
        **classifier_defaults(),
    )
    return _analysed(AnalysisJob(declaration, directory, data, page), folds, progress)


def _analysed(
    job: AnalysisJob, folds: int | None, progress: Progress | None
) -> tuple[dict[str, ModalityAnalysis], dict[str, Any]]:
    report = run_job(job, folds, progress)
    return job.analyses, report


def modality_sets(modalities: tuple[str, ...]) -> Names:
    """Return the sets of modalities that are asked for: all of few; else each, all, all but one."""
    count = len(modalities)
    sizes = range(count, 0, -1) if count <= _ALL_SETS else sorted({count, count - 1, 1})[::-1]
    return tuple(members for size in sizes for members in combinations(modalities, size))


def _split_title(split: CrossValidation) -> str:
    if split.groups is None:
        return "rows split at random"
    what = "blocks of consecutive rows" if split.leak is not None else f"each {split.groups}"
    return f"{what} left out"
