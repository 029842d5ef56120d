"""Run a land-cover job: label an image seen by several sensors from a few labelled pixels."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.comparison.metrics import label_metrics
from mmgraph.experiments.kept_steps import KeptSteps, fingerprint
from mmgraph.experiments.land_cover.declaration import LandCoverDeclaration, read_land_cover
from mmgraph.experiments.land_cover.experiment import (
    PIXELWISE,
    WINDOWS,
    Experiment,
    Scene,
    cloud,
    situations,
)
from mmgraph.experiments.land_cover.splits import Split, make_split
from mmgraph.experiments.progress import Progress
from mmgraph.graph.errors import DatasetError, MmgraphError, suggestion

FIGURES = ("overall_accuracy", "average_accuracy", "kappa")


def load_scene(declaration: LandCoverDeclaration) -> Scene:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, is no labelled image, or has not the sensors.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, part) for part in ("cube", "labels", "classes", "sensors")):
        raise DatasetError(f"the data set '{declaration.dataset}' is no labelled image of sensors")
    for name in declaration.sensors.values():
        if name not in loaded.sensors:
            hint = suggestion(name, loaded.sensors)
            raise DatasetError(f"the data set '{declaration.dataset}' has no sensor '{name}'{hint}")
    cube = loaded.cube.astype(np.float32)
    return Scene(
        {s: cube[:, :, loaded.sensors[name]] for s, name in declaration.sensors.items()},
        loaded.labels.astype(np.int64) - 1,
        tuple(loaded.classes[1:]),
    )


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a land-cover job; parameters and result are those of :func:`experiment.run`.

    ``folds`` is how many of the seeds to run. A row of the results has ``given``, ``missing``,
    ``split``, ``method`` and the means over the seeds of ``FIGURES``, of which
    ``overall_accuracy_deviation`` is the standard deviation, and ``accuracy_beneath_cloud``.
    """
    began = time.perf_counter()
    declaration = read_land_cover(name)
    scene = load_scene(declaration)
    seeds = declaration.training.seeds
    if folds is not None and not 1 <= folds <= len(seeds):
        raise MmgraphError(f"the model has {len(seeds)} seeds; {folds} cannot be run")
    seeds = seeds[: folds or len(seeds)]
    directory = None if output_directory is None else Path(output_directory)
    arrays = (scene.labels, *scene.sensors.values())
    steps = KeptSteps(directory, fingerprint(declaration, arrays))
    results: list[dict[str, Any]] = []
    chosen: dict[str, Any] = {}
    first: dict[str, tuple[int, Split, dict[str, np.ndarray]]] = {}
    total, done = len(declaration.splits) * len(seeds), 0
    for split_declaration in declaration.splits:
        kept = []
        for seed in seeds:
            if progress:
                progress(done, total, f"split {split_declaration.name}, seed {seed}")
            split = make_split(scene.labels, split_declaration, declaration.training, seed)
            step = f"{split_declaration.name}_{seed}"
            found = steps.read(step)
            if found is None:
                found = Experiment(scene, declaration, split, seed).run()
                steps.write(step, *found)
            maps, chosen[step] = found
            kept.append((seed, split, maps))
            done += 1
        first[split_declaration.name] = kept[0]
        results += _rows(declaration, scene, split_declaration.name, kept)
    if progress:
        progress(total, total, "report")
    report: dict[str, Any] = {
        "model": declaration.name,
        "kind": "land_cover",
        "results": results,
        "chosen": chosen,
    }
    if directory is not None:
        from mmgraph.experiments.land_cover.pictures import draw_land_cover

        report["files"] = draw_land_cover(directory, declaration, scene, first)
    report["seconds"] = time.perf_counter() - began
    return report


def _rows(
    declaration: LandCoverDeclaration,
    scene: Scene,
    split_name: str,
    kept: Sequence[tuple[int, Split, Mapping[str, np.ndarray]]],
) -> list[dict[str, Any]]:
    """The results of one split: a row a situation and method."""
    rows = []
    truth = scene.labels.reshape(-1)
    for situation in situations(declaration):
        for method in (PIXELWISE, WINDOWS, declaration.field.name):
            figures, beneath = [], []
            for seed, split, maps in kept:
                labels = maps[situation.key(method)].reshape(-1).astype(np.int64)
                figures.append(
                    label_metrics(truth[split.test], labels[split.test], len(scene.classes))
                )
                hidden = cloud(scene.labels.shape, declaration.cloud.share, seed).reshape(-1)
                under = split.test[hidden[split.test]]
                if situation.missing is not None and len(under):
                    beneath.append(float((labels[under] == truth[under]).mean()))
            overall = [f["overall_accuracy"] for f in figures]
            rows.append(
                {
                    "given": list(situation.given),
                    "missing": situation.missing,
                    "split": split_name,
                    "method": method,
                    **{key: float(np.mean([f[key] for f in figures])) for key in FIGURES},
                    "overall_accuracy_deviation": float(np.std(overall, ddof=len(overall) > 1)),
                    "accuracy_beneath_cloud": float(np.mean(beneath)) if beneath else None,
                    "seeds": len(kept),
                }
            )
    return rows
