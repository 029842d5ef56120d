"""The land-cover job: label an image seen by several sensors from a few labelled pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.land_cover.declaration import (
    LandCoverDeclaration,
    SplitDeclaration,
    read_land_cover,
)
from mmgraph.experiments.land_cover.experiment import (
    PIXELWISE,
    WINDOWS,
    Experiment,
    Scene,
    Situation,
    cloud,
    situations,
)
from mmgraph.experiments.land_cover.splits import Split, make_split
from mmgraph.graph.errors import DatasetError, MmgraphError, suggestion
from mmgraph.learning.prediction.metrics import label_metrics

FIGURES = ("overall_accuracy", "average_accuracy", "kappa")


def load_scene(declaration: LandCoverDeclaration) -> Scene:
    """Load the data set that a declaration names."""
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


def job(name: str | os.PathLike[str], directory: Path | None) -> LandCoverJob:
    """Return the job of a declaration."""
    declaration = read_land_cover(name)
    return LandCoverJob(declaration, directory, load_scene(declaration))


class LandCoverJob(Job):
    """A scene, labelled in each split with each seed; the limit is how many of the seeds.

    A row of the results has ``given``, ``missing``, ``split``, ``method`` and the means over the
    seeds of ``FIGURES``, of which ``overall_accuracy_deviation`` is the standard deviation, and
    ``accuracy_beneath_cloud``.
    """

    kind = "land_cover"
    declaration: LandCoverDeclaration

    def __init__(
        self, declaration: LandCoverDeclaration, directory: Path | None, scene: Scene
    ) -> None:
        super().__init__(declaration, directory)
        self.scene = scene
        self.seeds = declaration.training.seeds

    def arrays(self) -> Iterable[np.ndarray]:
        """Return labels and channels."""
        return self.scene.labels, *self.scene.sensors.values()

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each seed of each split."""
        if limit is not None and not 1 <= limit <= len(self.seeds):
            raise MmgraphError(f"the model has {len(self.seeds)} seeds; {limit} cannot be run")
        self.seeds = self.seeds[:limit]
        return [
            Step(
                f"{split.name}_{seed}",
                f"split {split.name}, seed {seed}",
                partial(self._label, split, seed),
            )
            for split in self.declaration.splits
            for seed in self.seeds
        ]

    def split(self, split: SplitDeclaration, seed: int) -> Split:
        """Return the training and test pixels of a split."""
        return make_split(self.scene.labels, split, self.declaration.training, seed)

    def _label(
        self, split: SplitDeclaration, seed: int, progress: StepProgress, scratch: Path | None
    ) -> Answer:
        pixels = self.split(split, seed)
        return Answer(*Experiment(self.scene, self.declaration, pixels, seed).run())

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return a row for each split, situation and method, and what was ``chosen``."""
        methods = (PIXELWISE, WINDOWS, self.declaration.field.name)
        rows = []
        for declared in self.declaration.splits:
            splits = {seed: self.split(declared, seed) for seed in self.seeds}
            maps = {seed: answers[f"{declared.name}_{seed}"].arrays for seed in self.seeds}
            for situation in situations(self.declaration):
                for method in methods:
                    labels = {seed: maps[seed][situation.key(method)] for seed in self.seeds}
                    rows.append(
                        {
                            "given": list(situation.given),
                            "missing": situation.missing,
                            "split": declared.name,
                            "method": method,
                            **self._figures(situation, splits, labels),
                        }
                    )
        return {"results": rows, "chosen": {step: a.notes for step, a in answers.items()}}

    def _figures(
        self,
        situation: Situation,
        splits: Mapping[int, Split],
        labels: Mapping[int, np.ndarray],
    ) -> dict[str, float | int | None]:
        """The figures of one situation and method over all seeds."""
        truth = self.scene.labels.reshape(-1)
        figures, beneath = [], []
        for seed, split in splits.items():
            predicted = labels[seed].reshape(-1).astype(np.int64)
            test = split.test
            figures.append(label_metrics(truth[test], predicted[test], len(self.scene.classes)))
            hidden = cloud(self.scene.labels.shape, self.declaration.cloud.share, seed)
            under = test[hidden.reshape(-1)[test]]
            if situation.missing is not None and len(under):
                beneath.append(float((predicted[under] == truth[under]).mean()))
        overall = [f["overall_accuracy"] for f in figures]
        return {
            **{key: float(np.mean([f[key] for f in figures])) for key in FIGURES},
            "overall_accuracy_deviation": float(np.std(overall, ddof=len(overall) > 1)),
            "accuracy_beneath_cloud": float(np.mean(beneath)) if beneath else None,
            "seeds": len(splits),
        }

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the first seed of each split in every situation."""
        from mmgraph.experiments.land_cover.pictures import situation_figure
        from mmgraph.experiments.pictures import save_figures

        seed, figures = self.seeds[0], {}
        for declared in self.declaration.splits:
            split = self.split(declared, seed)
            maps = answers[f"{declared.name}_{seed}"].arrays
            for situation in situations(self.declaration):
                hidden = f"_without_{situation.missing}" if situation.missing else ""
                name = f"{declared.name}_{'_'.join(situation.given)}{hidden}"
                figures[name] = situation_figure(
                    self.declaration, self.scene, split, maps, situation, seed
                )
        return save_figures(directory, figures)
