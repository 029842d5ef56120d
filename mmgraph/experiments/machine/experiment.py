"""The job of a multimodal deep Boltzmann machine: modalities missing, imputed, represented."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.cross_validated import CrossValidatedJob
from mmgraph.experiments.job import Answer, StepProgress
from mmgraph.experiments.machine.data import check_images, load_data
from mmgraph.experiments.machine.declaration import MachineDeclaration, read_machine
from mmgraph.experiments.machine.fold import FittedMachine, fit_machine, fit_scales, run_fold
from mmgraph.formats.resolve import read, write
from mmgraph.learning.prediction.noise import figures_with_noise, standard_error

MACHINE = "machine.mmgraph"
"""Where the first fold's machine lies in the directory of a run."""


def job(name: str | os.PathLike[str], directory: Path | None) -> MachineJob:
    """Return the job of a declaration."""
    declaration = read_machine(name)
    data = load_data(declaration)
    check_images(declaration, data)
    return MachineJob(declaration, directory, data)


class MachineJob(CrossValidatedJob):
    """A machine and its rows; a fold that was interrupted goes on from its last epoch.

    A row of the results has ``split`` and ``given``, and besides the figures of
    :func:`~mmgraph.learning.prediction.noise.figures_with_noise`; or ``imputed`` and
    ``mean_squared_error`` in the units of the data; or ``representation`` and ``accuracy``.
    """

    kind = "boltzmann_machine"
    declaration: MachineDeclaration

    def __init__(
        self, declaration: MachineDeclaration, directory: Path | None, data: MultimodalData
    ) -> None:
        report = declaration.report
        super().__init__(declaration, directory, data, report.folds, report.seed)
        self.parts_of_fold = declaration.epochs
        self._first: FittedMachine | None = None

    def keeps_fold(self, is_first: bool) -> bool:
        """Whether an earlier run's answer will do: of the first fold with its machine alone."""
        if not is_first or self.directory is None:
            return True
        return (self.directory / MACHINE).exists()

    def fold(
        self,
        train: MultimodalData,
        test: MultimodalData,
        is_first: bool,
        progress: StepProgress,
        scratch: Path | None,
    ) -> Answer:
        """Return all that is reported of a fold, with the monitors of training as notes."""

        def tell(epoch: int, monitors: Mapping[str, float]) -> None:
            loss = f", loss {monitors['loss']:.3g}" if "loss" in monitors else ""
            progress(epoch, f"epoch {epoch}{loss}")

        fitted = fit_machine(self.declaration, train, scratch, tell)
        assert fitted.machine.fit_report is not None
        if is_first:
            self._first = fitted
            if self.directory is not None:
                # Before the answer is kept: a first fold that is kept has its machine.
                self.directory.mkdir(parents=True, exist_ok=True)
                write(fitted.machine, self.directory / MACHINE)
        arrays = run_fold(self.declaration, fitted, train, test)
        return Answer(arrays, fitted.machine.fit_report.history)

    def first_machine(self) -> FittedMachine:
        """Return the machine of the first fold, from its file if this run has not fitted it."""
        if self._first is None:
            assert self.directory is not None
            machine: Any = read(self.directory / MACHINE)
            split = self.splits[0]
            train = split.data.rows(split.folds[0][0])
            self._first = FittedMachine(machine, fit_scales(self.declaration, train))
        return self._first

    def rows(
        self, tested: MultimodalData, predicted: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return the figures of situations, imputations and the representation."""
        report = self.declaration.report
        groups = None if tested.groups is None else tested.groups.codes
        rows: list[dict[str, Any]] = [
            {
                "given": list(given),
                **figures_with_noise(
                    predicted[f"probabilities:{'+'.join(given)}"], tested.codes, groups
                ),
            }
            for given in report.given
        ]
        for one in report.imputations:
            imputed = predicted[f"imputed:{one.imputed}:{'+'.join(one.given)}"]
            error = float(((imputed - tested.features[one.imputed]) ** 2).mean())
            rows.append(
                {"given": list(one.given), "imputed": one.imputed, "mean_squared_error": error}
            )
        if report.representation:
            right = (predicted["representation"] == tested.codes).astype(float)
            rows.append(
                {
                    "given": list(self.declaration.modalities),
                    "representation": self.declaration.network.joint,
                    "accuracy": float(right.mean()),
                    "accuracy_standard_error": standard_error(right, groups),
                }
            )
        return rows

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw calibration and training of each split, and the first machine's images."""
        from mmgraph.experiments.machine.pictures import image_figures, prediction_figures
        from mmgraph.experiments.pictures import save_figures

        files = []
        predicted = [self.predicted(split, answers) for split in self.splits]
        for split, tables in zip(self.splits, predicted, strict=True):
            histories = [answers[split.step(n)].notes or [] for n in range(len(split.folds))]
            figures = prediction_figures(self.declaration, split, tables, histories)
            files += save_figures(directory, figures, split.suffix)
        test = self.data.rows(self.splits[0].folds[0][1])
        figures = image_figures(self.declaration, self.first_machine(), test, predicted[0])
        return files + save_figures(directory, figures)
