"""A classification: cross-validated with every modality and with some of them missing."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.comparison.held_out import situations
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.classification.data import load_data, warn_of_empty
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    read_classification,
)
from mmgraph.experiments.cross_validated import CrossValidatedJob
from mmgraph.experiments.job import Answer, Step, StepProgress
from mmgraph.experiments.reader import Names, Reader
from mmgraph.learning.prediction.noise import figures_with_noise
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier

MODEL = "model.mmgraph"
"""Where the classifier that learned from all rows lies in the directory of a run."""
_MODEL_STEP = "model"
_SHARES = "shares"
"""What the posteriors are kept as that know nothing of a row: the shares of the classes."""


def fit_model(declaration: ClassificationDeclaration, data: MultimodalData) -> MultimodalClassifier:
    """Return the classifier that is declared, fitted to rows."""
    classifier = MultimodalClassifier(
        leaves=declaration.leaves,
        joint=declaration.joint,
        folds=declaration.inner_folds,
        budget=declaration.budget,
        random_state=declaration.seed,
    )
    return classifier.fit(data)


def leaves_of(classifier: MultimodalClassifier) -> list[tuple[str, tuple[str, ...]]]:
    """Return the leaves of a fitted classifier by name, each with the modalities that it sees."""
    return [(leaf.place.name, leaf.place.modalities) for leaf in classifier.model_.leaves]


def declared_rows(
    name: str | os.PathLike[str],
) -> tuple[ClassificationDeclaration, MultimodalData]:
    """Return a declaration and its rows, whose modalities are those that it names.

    Raises
    ------
    FormatError
        If a modality that is named is none of the rows'; else as :func:`load_data`.
    """
    reader = Reader(name)
    declaration = read_classification(reader)
    data = load_data(declaration, reader.path.parent)
    reader.known(declaration.given, data.modalities, "[report] given")
    if isinstance(declaration.leaves, Mapping):
        reader.known((tuple(declaration.leaves),), data.modalities, "[classifier.leaves]")
    return declaration, data


def job(name: str | os.PathLike[str], directory: Path | None) -> ClassificationJob:
    """Return the job of a declaration."""
    declaration, data = declared_rows(name)
    return ClassificationJob(declaration, directory, data, declaration.folds, declaration.seed)


class ClassificationJob(CrossValidatedJob):
    """A classification and its rows; its last step is the model of all rows, kept in a file.

    A row of the results has ``split``, ``groups``, ``given``, ``method`` and the figures of
    :func:`~mmgraph.learning.prediction.noise.figures_with_noise`. The last row of each split,
    ``given`` nothing, has those of the shares of the classes among the training rows.
    """

    kind = "classification"
    declaration: ClassificationDeclaration

    @property
    def given(self) -> Names:
        """The situations: as declared, or all modalities together and then each alone."""
        return self.declaration.given or situations(self.data.modalities)

    def arrays(self) -> Iterable[np.ndarray]:
        """Return features, states and groups, and what they are called."""
        yield from self.data.arrays()
        groups, schema = self.data.groups, self.data.schema
        named = [
            list(self.data.modalities),
            [self.data.target.name, *self.data.target.labels],
            None if groups is None else groups.name,
            None if schema is None else schema.to_toml(),
        ]
        yield np.frombuffer(json.dumps(named).encode(), np.uint8)

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each fold of each split, and one for the model where it is written.

        Warns
        -----
        PriorWarning
            Once, if rows have nothing of a situation.
        """
        steps = super().steps(limit)
        warn_of_empty(self.data, self.given)
        if self.directory is not None:
            path = self.directory / MODEL
            run = partial(self._fit_to_all, path)
            steps.append(Step(_MODEL_STEP, "all rows", run, keeps=path.exists()))
        return steps

    def _fit_to_all(self, path: Path, progress: StepProgress, scratch: Path | None) -> Answer:
        model = fit_model(self.declaration, self.data)
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        return Answer({}, leaves_of(model))

    def fold(
        self,
        train: MultimodalData,
        test: MultimodalData,
        is_first: bool,
        progress: StepProgress,
        scratch: Path | None,
    ) -> Answer:
        """Return the posteriors of the test rows in each situation."""
        model = fit_model(self.declaration, train)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)  # the steps warn once, of all rows
            tables = {_key(place): model.predict_proba(test, g) for place, g in self._situations}
        return Answer(tables)

    def predicted(
        self, split: CrossValidation, answers: Mapping[str, Answer]
    ) -> dict[str, np.ndarray]:
        """Return the posteriors of all folds of a split, and the shares of the classes."""
        return {**super().predicted(split, answers), _SHARES: split.shares}

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the rows of all splits, and the ``leaves`` of the saved model by modalities."""
        report = super().report(answers)
        if _MODEL_STEP in answers:
            report["leaves"] = {name: list(sees) for name, sees in answers[_MODEL_STEP].notes}
        return report

    @property
    def _situations(self) -> Iterable[tuple[int, tuple[str, ...]]]:
        return enumerate(self.given)

    def rows(
        self, tested: MultimodalData, predicted: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return the figures of each situation, and of nothing given."""
        groups = None if tested.groups is None else tested.groups.codes
        answered = [(_key(place), given, "exact") for place, given in self._situations]
        return [
            {
                "given": list(given),
                "method": method,
                **figures_with_noise(predicted[key], tested.codes, groups),
            }
            for key, given, method in [*answered, (_SHARES, (), "shares")]
        ]

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the network, and of each split confusion matrices and calibration."""
        from mmgraph.experiments.classification.pictures import draw_leaves, file_names
        from mmgraph.experiments.pictures import calibration_figures, save_figures

        files = [str(directory / MODEL), str(directory / "network.png")]
        draw_leaves(self.data.target, answers[_MODEL_STEP].notes, files[-1])
        titles = [" and ".join(given) for given in self.given]
        confusions = dict(zip(file_names(self.given), titles, strict=True))
        for split in self.splits:
            predicted = self.predicted(split, answers)
            tables = {title: predicted[_key(place)] for place, title in enumerate(titles)}
            figures = calibration_figures(split, tables, confusions)
            files += save_figures(directory, figures, split.suffix)
        return files


def _key(situation: int) -> str:
    """What the posteriors of a situation are kept as: names of modalities may hold anything."""
    return f"given_{situation}"
