"""Run a multimodal deep Boltzmann machine: cross-validated, with modalities missing and imputed."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.cross_validation import CrossValidation, cross_validations
from mmgraph.comparison.noise import figures_with_noise, standard_error
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.kept_steps import KeptSteps, fingerprint
from mmgraph.experiments.machine.data import check_images, load_data
from mmgraph.experiments.machine.declaration import MachineDeclaration, read_machine
from mmgraph.experiments.machine.fold import FittedMachine, fit_machine, run_fold
from mmgraph.experiments.progress import Progress

MACHINE = "machine.mmgraph"
"""Where the first fold's machine lies in the directory of a run."""
History = list[dict[str, float]]


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cross-validate a machine; parameters and result are those of :func:`experiment.run`.

    A row of the results has ``split`` and ``given``, and besides the figures of
    :func:`~mmgraph.comparison.noise.figures_with_noise`; or ``imputed`` and ``mean_squared_error``
    in the units of the data; or ``representation`` and ``accuracy``. Folds are random and, where
    the declaration names groups, of whole groups, too. A fold that was interrupted goes on from its
    last epoch.
    """
    began = time.perf_counter()
    declaration = read_machine(name)
    data = load_data(declaration)
    check_images(declaration, data)
    splits = cross_validations(data, declaration.report.folds, declaration.report.seed, folds)
    directory = None if output_directory is None else Path(output_directory)
    folded = _Folds(declaration, splits, directory, progress)
    found = [folded.of(split) for split in splits]
    if progress:
        progress(1, 1, "report")
    result: dict[str, Any] = {
        "model": declaration.name,
        "kind": "boltzmann_machine",
        "results": [
            row
            for split, (joined, _) in zip(splits, found, strict=True)
            for row in _results(declaration, split, joined)
        ],
    }
    if directory is not None:
        from mmgraph.experiments.machine.pictures import draw_images, draw_predictions

        result["files"] = []
        for split, (joined, histories) in zip(splits, found, strict=True):
            result["files"] += draw_predictions(directory, declaration, split, joined, histories)
        test = data.rows(splits[0].folds[0][1])
        result["files"] += draw_images(directory, declaration, folded.first(), test, found[0][0])
    result["seconds"] = time.perf_counter() - began
    return result


class _Folds:
    """The folds of all splits; those that an earlier run of the same has done are not done again.

    Parameters
    ----------
    declaration, splits
        The first fold of the first split gives the machine that is kept.
    directory : Path or None
        Keeps what folds said, the first machine, and the state of a training that is interrupted.
    progress : callable or None
    """

    def __init__(
        self,
        declaration: MachineDeclaration,
        splits: Sequence[CrossValidation],
        directory: Path | None,
        progress: Progress | None,
    ) -> None:
        self.declaration, self.splits = declaration, splits
        self.directory, self.progress = directory, progress
        self._fingerprint = fingerprint(declaration, splits[-1].data.arrays())
        self._steps = KeptSteps(directory, self._fingerprint)
        self._first: FittedMachine | None = None
        self._done = 0

    def of(self, split: CrossValidation) -> tuple[Mapping[str, np.ndarray], list[History]]:
        """Return what the folds of a split say of their test rows, and the monitors of training."""
        pairs = [self._fold(split, number) for number in range(len(split.folds))]
        said = [one for one, _ in pairs]
        joined = {key: np.concatenate([one[key] for one in said]) for key in said[0]}
        return joined, [history for _, history in pairs]

    def first(self) -> FittedMachine:
        """Return the machine of the first fold, from its file if this run has not fitted it."""
        if self._first is None:
            assert self.directory is not None
            split = self.splits[0]
            train = split.data.rows(split.folds[0][0])
            self._first = _read_machine(self.directory, self.declaration, train)
        return self._first

    def _has_machine(self) -> bool:
        return self.directory is not None and (self.directory / MACHINE).exists()

    def _fold(
        self, split: CrossValidation, number: int
    ) -> tuple[Mapping[str, np.ndarray], History]:
        step, is_first = split.step(number), split is self.splits[0] and number == 0
        told = _EpochProgress(self.progress, split.fold_name(number), self._done, self._epochs())
        self._done += self.declaration.epochs
        kept = self._steps.read(step)
        if kept is not None and (not is_first or self._has_machine()):
            return kept[0], kept[1] or []
        train, test = (split.data.rows(index) for index in split.folds[number])
        checkpoint = None
        if self.directory is not None:
            # By declaration: the state of another one's training is of no use.
            checkpoint = self.directory / "checkpoints" / self._fingerprint[:16] / step
        fitted = fit_machine(self.declaration, train, checkpoint, told)
        assert fitted.machine.fit_report is not None
        history = fitted.machine.fit_report.history
        said = run_fold(self.declaration, fitted, train, test)
        if is_first:
            self._first = fitted
            if self.directory is not None:
                # Before what it said: a first fold that is kept has its machine.
                _write_machine(self.directory, fitted)
        self._steps.write(step, said, history)
        if checkpoint is not None:
            shutil.rmtree(checkpoint)
            with contextlib.suppress(OSError):  # other folds or declarations may have theirs there
                checkpoint.parent.rmdir()
                checkpoint.parent.parent.rmdir()
        return said, history

    def _epochs(self) -> int:
        """The epochs of all folds."""
        return self.declaration.epochs * sum(len(split.folds) for split in self.splits)


class _EpochProgress:
    """Tells epochs of a fold as steps of the whole run."""

    def __init__(self, progress: Progress | None, fold: str, before: int, total: int) -> None:
        self.progress, self.fold, self.before, self.total = progress, fold, before, total

    def __call__(self, epoch: int, monitors: Mapping[str, float]) -> None:
        if self.progress is None:
            return
        loss = monitors.get("loss")
        text = f"{self.fold}, epoch {epoch}"
        if loss is not None:
            text += f", loss {loss:.3g}"
        self.progress(self.before + epoch, self.total, text)


def _results(
    declaration: MachineDeclaration, split: CrossValidation, joined: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    data = split.data.rows(split.tested)
    groups = None if data.groups is None else data.groups.codes
    rows: list[dict[str, Any]] = [
        {
            "given": list(given),
            **figures_with_noise(joined[f"probabilities:{'+'.join(given)}"], data.codes, groups),
        }
        for given in declaration.report.given
    ]
    for one in declaration.report.imputations:
        guess = joined[f"imputed:{one.imputed}:{'+'.join(one.given)}"]
        error = float(((guess - data.features[one.imputed]) ** 2).mean())
        rows.append({"given": list(one.given), "imputed": one.imputed, "mean_squared_error": error})
    if declaration.report.representation:
        right = (joined["representation"] == data.codes).astype(float)
        rows.append(
            {
                "given": list(declaration.modalities),
                "representation": declaration.network.joint,
                "accuracy": float(right.mean()),
                "accuracy_standard_error": standard_error(right, groups),
            }
        )
    return [{"split": split.split, **row} for row in rows]


def _write_machine(directory: Path, fitted: FittedMachine) -> None:
    import mmgraph

    directory.mkdir(parents=True, exist_ok=True)
    mmgraph.write(fitted.machine, directory / MACHINE)


def _read_machine(
    directory: Path, declaration: MachineDeclaration, train: MultimodalData
) -> FittedMachine:
    """The machine of the first fold, which an earlier run has written."""
    import mmgraph
    from mmgraph.experiments.machine.data import fit_transform

    machine: Any = mmgraph.read(directory / MACHINE)
    transforms = {
        v.modality: fit_transform(v, train.features[v.modality]) for v in declaration.views
    }
    return FittedMachine(machine, transforms)
