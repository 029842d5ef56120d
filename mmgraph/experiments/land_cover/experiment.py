"""One split of a land-cover job: classifiers and field fitted, every situation answered.

Each set of sensors has a classifier of spectra; a pixel's unary potential is the weighted sum of
the log-probabilities of those whose sensors all see it. Classifiers, weights, and the strength of
the Markov random field are chosen on training pixels alone, on folds that the classifiers have not
seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64

from mmgraph.experiments.land_cover.declaration import LandCoverDeclaration
from mmgraph.experiments.land_cover.field import FieldSettings, LandCoverField, LogTable
from mmgraph.experiments.land_cover.spectral_classifier import (
    Settings,
    SpectralClassifier,
    held_out,
    kernel,
    log_probabilities,
    window_means,
)
from mmgraph.experiments.land_cover.splits import Split
from mmgraph.learning.likelihood_weights import learn_likelihood_weights

Group = tuple[str, ...]
"""Sensors that one classifier sees together."""

Presence = Mapping[str, Bool[np.ndarray, "height width"]]
"""Which pixels each sensor sees."""

PIXELWISE, WINDOWS = "pixelwise", "windows"


@dataclass(frozen=True, eq=False)
class Scene:
    """An image of several sensors and its labels: indices of the classes, -1 where not known."""

    sensors: dict[str, Float32[np.ndarray, "height width bands"]]
    labels: Int64[np.ndarray, "height width"]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Situation:
    """The sensors to answer from, and the one that a cloud hides in a part of the image."""

    given: Group
    missing: str | None = None

    def key(self, method: str) -> str:
        """Return the name under which a method's labels are kept."""
        return "/".join(("+".join(self.given), self.missing or "clear", method))


def situations(declaration: LandCoverDeclaration) -> list[Situation]:
    """Return the situations to report: all sensors given, and clouds where several are."""
    clear = [Situation(given) for given in declaration.given]
    if declaration.cloud.share == 0:
        return clear
    return clear + [Situation(g, s) for g in declaration.given if len(g) > 1 for s in g]


class Experiment:
    """One split of a scene, and a cloud by a seed."""

    def __init__(
        self, scene: Scene, declaration: LandCoverDeclaration, split: Split, seed: int
    ) -> None:
        self.scene, self.declaration, self.split = scene, declaration, split
        self.codes = scene.labels.reshape(-1)[split.train]
        self.clear = {s: np.ones(scene.labels.shape, bool) for s in scene.sensors}
        self.cloud = cloud(scene.labels.shape, declaration.cloud.share, seed)
        self.chosen: dict[str, Any] = {}
        self.settings: dict[tuple[Group, str], Settings] = {}
        self.scores: dict[Group, Float64[np.ndarray, "rows classes"]] = {}
        self.weights: dict[Group, list[float]] = {}
        self.fields: dict[Group, FieldSettings] = {}
        self.tables: dict[tuple[Group, str, str | None], list[LogTable]] = {}
        self.field_folds = split.folds()[: declaration.field.held_out]

    def run(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the labels of every situation and method, and what was chosen."""
        self.choose()
        results: dict[str, np.ndarray] = {}
        for situation in situations(self.declaration):
            results |= self.answer(situation)
        return results, self.chosen

    def choose(self) -> None:
        """Choose classifiers and fields, from training pixels in clear weather."""
        self._choose_classifiers()
        folds = self.field_folds
        for given in self.declaration.given:
            field = self._field(given, self.clear)
            unseen = [
                self._pooled(given, None, self.clear, WINDOWS, f) for f in range(1, len(folds) + 1)
            ]
            self.fields[given] = field.choose(unseen, self.split.train, self.codes, folds)
        self.chosen["fields"] = {"+".join(g): asdict(f) for g, f in self.fields.items()}

    def answer(self, situation: Situation) -> dict[str, np.ndarray]:
        """Return the labels of every method in one situation, with what was chosen.

        Beside the labels stands, under ``…/entropy``, how uncertain the field is.
        """
        given, missing = situation.given, situation.missing
        presence = dict(self.clear)
        if missing is not None:
            presence[missing] = ~self.cloud
        tables = {m: self._pooled(given, missing, presence, m) for m in (PIXELWISE, WINDOWS)}
        posterior = self._field(given, presence).marginals(
            tables[WINDOWS], self.split.train, self.codes, self.fields[given]
        )
        shape = self.scene.labels.shape
        entropy = -(posterior * np.log(np.maximum(posterior, 1e-300))).sum(1)
        results = {situation.key("entropy"): entropy.reshape(shape).astype("f4")}
        for method, table in (*tables.items(), (self.declaration.field.name, posterior)):
            results[situation.key(method)] = table.argmax(1).reshape(shape).astype(np.int16)
        return results

    def _field(self, given: Group, presence: Presence) -> LandCoverField:
        """The label field over what some sensors see."""
        side = self.declaration.field.edge_window
        sensors = {}
        for sensor in given:
            cube, visible = self.scene.sensors[sensor], presence[sensor]
            features = window_means(cube, visible, side).reshape(cube.shape)
            sensors[sensor] = np.where(visible[..., None], features, np.nan)
        return LandCoverField(sensors, self.scene.classes, self.declaration.field)

    def _groups(self, given: Group) -> list[Group]:
        return [g for g in self.declaration.groups if set(g) <= set(given)]

    def _choose_classifiers(self) -> None:
        unary, folds = self.declaration.unary, self.split.folds()
        tried: dict[Group, list[tuple[Settings, np.ndarray]]]
        tried = {group: [] for group in self.declaration.groups}
        for side in unary.windows:
            means = {
                sensor: window_means(cube, self.clear[sensor], side)[self.split.train]
                for sensor, cube in self.scene.sensors.items()
            }
            for group, candidates in tried.items():
                features = np.concatenate([means[s] for s in group], 1)
                for precision, ridge in itertools.product(unary.precisions, unary.ridges):
                    settings = Settings(side, precision, ridge)
                    count = len(self.scene.classes)
                    candidates.append(held_out(settings, features, self.codes, count, folds))
        for group, candidates in tried.items():
            pixelwise = [candidate for candidate in candidates if candidate[0].window == 1]
            for method, some in ((PIXELWISE, pixelwise), (WINDOWS, candidates)):
                settings, scores = min(some, key=lambda candidate: candidate[0].log_loss)
                self.settings[group, method] = settings
                self.chosen[f"{'+'.join(group)}/{method}"] = asdict(settings)
            self.scores[group] = scores

    def _tables(self, group: Group, method: str, missing: str | None) -> list[LogTable]:
        """Log-probabilities of all pixels by one classifier.

        The first table is that of all training pixels that the sensors see; in clear weather the
        tables without each of the field's folds follow.
        """
        missing = missing if missing in group else None
        key = (group, method, missing)
        if key not in self.tables:
            presence = {s: ~self.cloud if s == missing else self.clear[s] for s in group}
            visible = self._visible(group, presence).reshape(-1)[self.split.train]
            settings = self.settings[group, method]
            means = [
                window_means(self.scene.sensors[s], presence[s], settings.window) for s in group
            ]
            features = np.concatenate(means, 1)
            support = features[self.split.train[visible]]
            count = len(self.scene.classes)
            fitted = SpectralClassifier.fit(support, self.codes[visible], count, settings)
            versions = [fitted]
            if missing is None and method == WINDOWS:
                versions += [fitted.without(rows) for rows in self.field_folds]
            kernels = kernel(features, support, settings.precision)
            self.tables[key] = [v.log_probabilities(kernels) for v in versions]
        return self.tables[key]

    def _visible(self, group: Group, presence: Presence) -> Bool[np.ndarray, "height width"]:
        return np.logical_and.reduce([presence[s] for s in group])

    def _pooled(
        self, given: Group, missing: str | None, presence: Presence, method: str, version: int = 0
    ) -> LogTable:
        """The log-probabilities of all pixels, from the classifiers whose sensors all see them.

        Where a sensor is missing, the others speak with the weights that they have without it.
        """
        pooled = np.zeros((self.scene.labels.size, len(self.scene.classes)))
        for there in self._groups(given):
            # The pixels that see these sensors of the given ones, and no others.
            exactly = self._visible(there, presence)
            for sensor in given:
                exactly = exactly if sensor in there else exactly & ~presence[sensor]
            rows = exactly.reshape(-1)
            if rows.any():
                weights = self._pool_weights(there, method)
                for weight, group in zip(weights, self._groups(there), strict=True):
                    if weight:
                        pooled[rows] += weight * self._tables(group, method, missing)[version][rows]
        pooled -= np.logaddexp.reduce(pooled, axis=1, keepdims=True)
        return pooled

    def _pool_weights(self, given: Group, method: str) -> list[float]:
        """The weight of each classifier, learned from held-out training pixels in clear weather."""
        groups = self._groups(given)
        if len(groups) == 1 or method == PIXELWISE:
            return [float(g == groups[-1]) for g in groups]  # plain: all the bands at once
        if given not in self.weights:
            tables = [
                log_probabilities(self.scores[group], self.settings[group, method].temperature)
                for group in groups
            ]
            even = torch.zeros(len(self.scene.classes), dtype=torch.float64)
            learned = learn_likelihood_weights(
                torch.from_numpy(np.stack(tables)), even, torch.from_numpy(self.codes)
            )
            self.weights[given] = learned.tolist()
            self.chosen[f"{'+'.join(given)}/pool"] = learned.tolist()
        return self.weights[given]


def cloud(shape: tuple[int, int], share: float, seed: int) -> Bool[np.ndarray, "height width"]:
    """Return which pixels a cloud covers: the share of them nearest to a random place."""
    generator = np.random.default_rng([seed, 1])
    rows, columns = np.indices(shape)
    centre = generator.uniform(0, 1, 2) * shape
    distance = np.hypot(rows - centre[0], columns - centre[1])
    covered = np.zeros(distance.size, bool)
    covered[np.argsort(distance, axis=None, kind="stable")[: round(share * distance.size)]] = True
    return covered.reshape(shape)
