"""A ready comparison: every model asked in every condition, with the page that shows it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.compare import compare
from mmgraph.comparison.conditions.modality_sets import asked_sets
from mmgraph.comparison.cross_validation import cross_validations
from mmgraph.comparison.models.named import model_kinds, with_opponents
from mmgraph.comparison.protocol.plan import Plan
from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.comparison.data import load_compared
from mmgraph.experiments.comparison.declaration import ComparisonDeclaration, read_comparison
from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.reader import Reader
from mmgraph.graph.errors import MmgraphError

PAGE = "comparison.html"
_PARTS = 100
"""Of progress; how many fits there are is known when the first is done."""


def declared_comparison(
    name: str | os.PathLike[str],
) -> tuple[ComparisonDeclaration, MultimodalData]:
    """Return a declaration and its rows; that of a classification serves as well.

    Raises
    ------
    FormatError
        As :func:`read_comparison`; or if a modality that is named is none of the rows'.
    DatasetError, UnknownVariableError, SchemaError, LearningError, EvidenceError
        As :func:`load_compared`.
    """
    reader = Reader(name)
    declaration = read_comparison(reader)
    data = load_compared(declaration, reader.path.parent)
    reader.known(declaration.given, data.modalities, "[report] given")
    return declaration, data


def compared(
    declaration: ComparisonDeclaration, data: MultimodalData, **options: Any
) -> ComparisonReport:
    """Return the report of a declared comparison; options are others of :func:`mmgraph.compare`."""
    report = compare(
        data,
        models=declaration.models,
        folds=declaration.folds,
        seed=declaration.seed,
        given=declaration.given or None,
        conditions=declaration.conditions,
        tune=declaration.tune,
        opponents=declaration.opponents,
        **options,
    )
    return replace(report, about=replace(report.about, title=declaration.heading))


def planned(declaration: ComparisonDeclaration, data: MultimodalData) -> dict[str, Any]:
    """Return what a comparison would fit, without fitting it.

    Returns
    -------
    dict
        ``splits`` with how many folds they have, ``sets`` of modalities, ``conditions``, and of the
        ``models`` the family, how many settings are tried, and fits in all.
    """
    splits = tuple(cross_validations(data, declaration.folds, declaration.seed))
    sets = asked_sets(data, declaration.given or None, declaration.conditions)
    kinds = model_kinds(declaration.models)
    if declaration.opponents:
        kinds = with_opponents(kinds)
    plan = Plan(
        *(kinds, splits, sets, declaration.conditions),
        *(declaration.seed, declaration.tune, None),
    )
    return {
        "rows": len(data),
        "target": data.target.name,
        "splits": {split.split: len(split.folds) for split in splits},
        "sets": [list(given) for given in sets],
        "conditions": list(declaration.conditions),
        "models": [
            {
                "model": kind.name,
                "family": kind.family,
                "settings": len(plan.settings(kind)),
                "fits": plan.fits(kind),
            }
            for kind in plan.kinds
        ],
    }


def job(name: str | os.PathLike[str], directory: Path | None) -> ComparisonJob:
    """Return the job of a declaration."""
    return ComparisonJob(*declared_comparison(name), directory)


class ComparisonJob(Job):
    """A comparison as one step, whose fits are kept one by one in the directory of the run."""

    kind = "comparison"
    declaration: ComparisonDeclaration

    def __init__(
        self, declaration: ComparisonDeclaration, data: MultimodalData, directory: Path | None
    ) -> None:
        super().__init__(declaration, directory)
        self.data = data
        self._report: ComparisonReport | None = None

    def arrays(self) -> Iterable[np.ndarray]:
        """Return features, states and groups."""
        return self.data.arrays()

    def steps(self, limit: int | None) -> list[Step]:
        """Return the one step, in which all models are asked in all folds.

        Raises
        ------
        MmgraphError
            If there is a limit of folds: models are compared in all.
        """
        if limit is not None and limit != self.declaration.folds:
            raise MmgraphError(
                f"a comparison runs all its folds, {self.declaration.folds} of [validation], not "
                f"{limit}"
            )
        # The fits are kept themselves, so that the step is always taken.
        return [Step("comparison", "", self._compare, parts=_PARTS, keeps=False)]

    def _compare(self, progress: StepProgress, scratch: Path | None) -> Answer:
        def tell(done: int, total: int, text: str) -> None:
            progress(_PARTS * done // max(total, 1), f"{text} ({done} of {total} fits)")

        self._report = compared(
            self.declaration, self.data, directory=self.directory, progress=tell
        )
        return Answer({})

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the rows of all models and conditions, what failed, and the words."""
        report = self._reported
        return {
            "rows": report.about.rows,
            "target": report.about.target,
            "classes": list(report.about.classes),
            "folds": {"run": report.about.folds, "declared": report.about.folds},
            "results": report.rows(),
            "failures": [
                {**failure._asdict(), "condition": failure.condition._asdict()}
                for failure in report.failures
            ],
            "words": report.words(),
        }

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Write the page, and every number beside it."""
        return self._reported.write(directory / PAGE)

    @property
    def _reported(self) -> ComparisonReport:
        if self._report is None:
            raise RuntimeError("the step of the comparison comes first")
        return self._report
