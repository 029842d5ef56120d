"""Run a multimodal deep Boltzmann machine: cross-validated, with modalities missing and imputed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.classification import MultimodalData, stratified_folds
from mmgraph.comparison.kept_steps import KeptSteps, fingerprint
from mmgraph.comparison.machine_data import load_data
from mmgraph.comparison.machine_declaration import MachineDeclaration, read_machine
from mmgraph.comparison.machine_fold import FittedMachine, fit_machine, run_fold
from mmgraph.comparison.metrics import classification_metrics
from mmgraph.comparison.progress import Progress
from mmgraph.graph.errors import MmgraphError


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
    report = declaration.report
    splits = stratified_folds(data.codes, report.folds, report.seed)
    if folds is not None and not 1 <= folds <= len(splits):
        raise MmgraphError(f"the model has {len(splits)} folds; {folds} cannot be run")
    splits = splits[: folds or len(splits)]
    directory = None if output_directory is None else Path(output_directory)
    steps = KeptSteps(directory, fingerprint(declaration, (*data.features.values(), data.codes)))
    found: list[Mapping[str, np.ndarray]] = []
    histories: list[list[dict[str, float]]] = []
    first: FittedMachine | None = None
    for number, (train, test) in enumerate(splits):
        kept = steps.read(f"fold_{number}")
        if kept is None:
            told = _EpochProgress(progress, number, len(splits), _epochs(declaration))
            checkpoint = None if directory is None else directory / "checkpoints" / str(number)
            fitted = fit_machine(declaration, data.rows(train), checkpoint, told)
            first = fitted if number == 0 else first
            arrays = run_fold(declaration, fitted, data.rows(train), data.rows(test))
            assert fitted.machine.fit_report is not None
            histories.append(fitted.machine.fit_report.history)
            steps.write(f"fold_{number}", arrays, histories[-1])
            if number == 0 and directory is not None:
                _write_machine(directory, fitted)
            found.append(arrays)
        else:
            found.append(kept[0])
            histories.append(kept[1] or [])
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

        train, test = splits[0]
        if first is None:
            first = _read_machine(directory, declaration, data.rows(train))
        result["files"] = draw_pictures(
            directory, declaration, first, data.rows(test), joined, data.codes[order], histories
        )
    result["seconds"] = time.perf_counter() - began
    return result


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


def _epochs(declaration: MachineDeclaration) -> int:
    from mmgraph.learning.boltzmann_settings import TrainingSettings

    return int(declaration.fit.get("epochs", TrainingSettings.epochs))


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

    mmgraph.write(fitted.machine, directory / "machine.mmgraph")


def _read_machine(
    directory: Path, declaration: MachineDeclaration, train: MultimodalData
) -> FittedMachine:
    """The machine of the first fold, which an earlier run has written."""
    import mmgraph
    from mmgraph.comparison.machine_data import fit_transform

    machine: Any = mmgraph.read(directory / "machine.mmgraph")
    transforms = {
        v.modality: fit_transform(v, train.features[v.modality]) for v in declaration.views
    }
    return FittedMachine(machine, transforms, declaration.network.passes)
