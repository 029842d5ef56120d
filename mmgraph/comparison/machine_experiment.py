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

from mmgraph.comparison.classification import MultimodalData, stratified_folds
from mmgraph.comparison.kept_steps import KeptSteps, fingerprint
from mmgraph.comparison.machine_data import check_images, load_data
from mmgraph.comparison.machine_declaration import MachineDeclaration, read_machine
from mmgraph.comparison.machine_fold import FittedMachine, fit_machine, run_fold
from mmgraph.comparison.metrics import classification_metrics
from mmgraph.comparison.progress import Progress
from mmgraph.graph.errors import MmgraphError

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

    A row of the results has ``given`` and the figures of
    :func:`~mmgraph.comparison.metrics.classification_metrics`; or ``given``, ``imputed`` and
    ``mean_squared_error`` in the units of the data; or ``given``, ``representation`` and
    ``accuracy``. A fold that was interrupted goes on from its last epoch.
    """
    began = time.perf_counter()
    declaration = read_machine(name)
    data = load_data(declaration)
    check_images(declaration, data)
    report = declaration.report
    splits = stratified_folds(data.codes, report.folds, report.seed)
    if folds is not None and not 1 <= folds <= len(splits):
        raise MmgraphError(f"the model has {len(splits)} folds; {folds} cannot be run")
    splits = splits[: folds or len(splits)]
    directory = None if output_directory is None else Path(output_directory)
    folded = _Folds(declaration, data, splits, directory, progress)
    found, histories = folded.all()
    if progress:
        progress(1, 1, "report")
    order = np.concatenate([test for _, test in splits])
    joined = {key: np.concatenate([arrays[key] for arrays in found]) for key in found[0]}
    result: dict[str, Any] = {
        "model": declaration.name,
        "kind": "boltzmann_machine",
        "results": _results(declaration, data, order, joined),
    }
    if directory is not None:
        from mmgraph.comparison.machine_pictures import draw_pictures

        result["files"] = draw_pictures(
            directory,
            declaration,
            folded.first(),
            data.rows(splits[0][1]),
            joined,
            data.codes[order],
            histories,
        )
    result["seconds"] = time.perf_counter() - began
    return result


class _Folds:
    """The folds of a run; those that an earlier run of the same has done are not done again.

    Parameters
    ----------
    declaration, data
        Of all folds.
    splits : sequence of (train, test)
    directory : Path or None
        Keeps what folds said, the first machine, and the state of a training that is interrupted.
    progress : callable or None
    """

    def __init__(
        self,
        declaration: MachineDeclaration,
        data: MultimodalData,
        splits: Sequence[tuple[np.ndarray, np.ndarray]],
        directory: Path | None,
        progress: Progress | None,
    ) -> None:
        self.declaration, self.data, self.splits = declaration, data, splits
        self.directory, self.progress = directory, progress
        self._fingerprint = fingerprint(declaration, (*data.features.values(), data.codes))
        self._steps = KeptSteps(directory, self._fingerprint)
        self._first: FittedMachine | None = None

    def all(self) -> tuple[list[Mapping[str, np.ndarray]], list[History]]:
        """Return what each fold says of its test rows, and the monitors of its training."""
        pairs = [self._fold(number) for number in range(len(self.splits))]
        return [said for said, _ in pairs], [history for _, history in pairs]

    def first(self) -> FittedMachine:
        """Return the machine of the first fold, from its file if this run has not fitted it."""
        if self._first is None:
            assert self.directory is not None
            train = self.data.rows(self.splits[0][0])
            self._first = _read_machine(self.directory, self.declaration, train)
        return self._first

    def _has_machine(self) -> bool:
        return self.directory is not None and (self.directory / MACHINE).exists()

    def _fold(self, number: int) -> tuple[Mapping[str, np.ndarray], History]:
        kept = self._steps.read(f"fold_{number}")
        if kept is not None and (number or self._has_machine()):
            return kept[0], kept[1] or []
        train, test = (self.data.rows(index) for index in self.splits[number])
        told = _EpochProgress(self.progress, number, len(self.splits), self.declaration.epochs)
        checkpoint = None
        if self.directory is not None:
            # By declaration: the state of another one's training is of no use.
            checkpoint = self.directory / "checkpoints" / self._fingerprint[:16] / str(number)
        fitted = fit_machine(self.declaration, train, checkpoint, told)
        assert fitted.machine.fit_report is not None
        history = fitted.machine.fit_report.history
        said = run_fold(self.declaration, fitted, train, test)
        if number == 0:
            self._first = fitted
            if self.directory is not None:
                # Before what it said: a first fold that is kept has its machine.
                _write_machine(self.directory, fitted)
        self._steps.write(f"fold_{number}", said, history)
        if checkpoint is not None:
            shutil.rmtree(checkpoint)
            with contextlib.suppress(OSError):  # other folds or declarations may have theirs there
                checkpoint.parent.rmdir()
                checkpoint.parent.parent.rmdir()
        return said, history


class _EpochProgress:
    """Tells epochs of a fold as steps of the whole run."""

    def __init__(self, progress: Progress | None, fold: int, folds: int, epochs: int) -> None:
        self.progress, self.fold, self.folds, self.epochs = progress, fold, folds, epochs

    def __call__(self, epoch: int, monitors: Mapping[str, float]) -> None:
        if self.progress is None:
            return
        loss = monitors.get("loss")
        text = f"fold {self.fold + 1} of {self.folds}, epoch {epoch}"
        if loss is not None:
            text += f", loss {loss:.3g}"
        done = self.fold * self.epochs + epoch
        self.progress(done, self.folds * self.epochs, text)


def _results(
    declaration: MachineDeclaration,
    data: MultimodalData,
    order: np.ndarray,
    joined: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    codes = data.codes[order]
    rows: list[dict[str, Any]] = [
        {
            "given": list(given),
            **classification_metrics(joined[f"probabilities:{'+'.join(given)}"], codes),
        }
        for given in declaration.report.given
    ]
    for one in declaration.report.imputations:
        guess = joined[f"imputed:{one.imputed}:{'+'.join(one.given)}"]
        error = float(((guess - data.features[one.imputed][order]) ** 2).mean())
        rows.append({"given": list(one.given), "imputed": one.imputed, "mean_squared_error": error})
    if declaration.report.representation:
        right = float((joined["representation"] == codes).mean())
        rows.append(
            {
                "given": list(declaration.modalities),
                "representation": declaration.network.joint,
                "accuracy": right,
            }
        )
    return rows


def _write_machine(directory: Path, fitted: FittedMachine) -> None:
    import mmgraph

    directory.mkdir(parents=True, exist_ok=True)
    mmgraph.write(fitted.machine, directory / MACHINE)


def _read_machine(
    directory: Path, declaration: MachineDeclaration, train: MultimodalData
) -> FittedMachine:
    """The machine of the first fold, which an earlier run has written."""
    import mmgraph
    from mmgraph.comparison.machine_data import fit_transform

    machine: Any = mmgraph.read(directory / MACHINE)
    transforms = {
        v.modality: fit_transform(v, train.features[v.modality]) for v in declaration.views
    }
    return FittedMachine(machine, transforms)
