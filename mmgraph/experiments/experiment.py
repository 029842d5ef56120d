"""Run a ready model of any kind, and keep its report."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

from mmgraph.experiments.job import Progress, run_job
from mmgraph.experiments.reader import Reader
from mmgraph.graph.storage.whole_files import write_text

KINDS = {
    "activities": "mmgraph.experiments.activities.experiment",
    "boltzmann_machine": "mmgraph.experiments.machine.experiment",
    "classification": "mmgraph.experiments.classification.classification",
    "commands": "mmgraph.experiments.commands.experiment",
    "comparison": "mmgraph.experiments.comparison.experiment",
    "gaussian_network": "mmgraph.experiments.gaussian_network.experiment",
    "land_cover": "mmgraph.experiments.land_cover.land_cover",
    "retrieval": "mmgraph.experiments.retrieval.experiment",
    "stereo": "mmgraph.experiments.stereo.stereo_pair",
    "structure": "mmgraph.experiments.structure.experiment",
    "tracking": "mmgraph.experiments.tracking.experiment",
}
"""The module of each kind; its function ``job`` makes a :class:`~mmgraph.experiments.job.Job`."""


def kind_of(name: str | os.PathLike[str]) -> str:
    """Return the kind that a declaration names, ``classification`` where it names none.

    Raises
    ------
    FormatError
        If there is no such declaration, or no such kind.
    """
    reader = Reader(name)
    kind = reader.content.get("kind", "classification")
    return str(reader.checked(kind, str, "", "kind", among=list(KINDS)))


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a ready model and report every situation.

    Parameters
    ----------
    name : str or path
        A model in ``models/`` or a TOML file.
    output_directory : path, optional
        Receives ``results.json`` and the pictures, and each step's predictions as soon as it is
        done: a run that was interrupted goes on where it stopped. Without it nothing is written.
    folds : int, optional
        How many of the folds (of a land-cover model: of the seeds) to run; by default all.
    progress : callable, optional
        Called with the parts done, the parts in all, and what is being done.

    Returns
    -------
    dict
        ``model``, ``title``, ``kind``, ``seconds``, ``results`` (a list of rows) and ``files``; of
        rows with a target also ``rows`` (how many), ``target``, ``classes`` and ``folds``, and of a
        classification that is written the ``leaves`` of the saved model.

    Raises
    ------
    FormatError
        If there is no such declaration, or an entry of it is missing, unknown or out of range.
    DatasetError
        If the data set cannot be had, or lacks what is declared.
    LearningError
        If rows do not suffice, a feature is not finite, or training diverges.
    MmgraphError
        If there are not so many folds.
    MissingExtraError
        If a package is not installed.
    """
    began = time.perf_counter()
    directory = None if output_directory is None else Path(output_directory)
    module = importlib.import_module(KINDS[kind_of(name)])
    report = run_job(module.job(name, directory), folds, progress)
    files = report.pop("files", [])
    report["seconds"] = time.perf_counter() - began
    if directory is not None:
        path = directory / "results.json"
        write_text(path, json.dumps(report, indent=2, allow_nan=False) + "\n")
        files = [*files, str(path)]
    return {**report, "files": files}
