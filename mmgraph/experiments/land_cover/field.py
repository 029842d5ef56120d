"""The Markov random field of land cover: neighbours agree, less so across edges of the image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64

from mmgraph.experiments.land_cover.declaration import FieldDeclaration
from mmgraph.experiments.land_cover.spectral_classifier import Features
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.grid import GridFactor, neighbourhood, offset_slices
from mmgraph.graph.interaction import Potts
from mmgraph.graph.soft_evidence import soft
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import query

_SMALLEST = 1e-12
"""Probabilities below are not told apart in a log-loss."""

_THREADS = 2

LogTable = Float64[np.ndarray, "pixels classes"]


@dataclass(frozen=True)
class FieldSettings:
    """What is chosen for a field.

    Attributes
    ----------
    power : float
        What the unary log-probabilities are multiplied by. Neighbours' windows overlap and say much
        the same; below 1 the field does not count it over and over.
    weight, contrast : float
        Of the Potts energy in even places, and the share of it that strong edges take away.
    log_loss : float
        Of held-out training pixels.
    """

    power: float
    weight: float
    contrast: float
    log_loss: float = np.inf


def edge_contrast(
    sensors: Mapping[str, tuple[Features, Bool[np.ndarray, "height width"]]], neighbours: int
) -> Float32[np.ndarray, "offsets height width"]:
    """Return how much the image changes along each edge of the grid, from 0 to 1.

    It is ``1 - exp(-distance / mean distance)``, the distance being the mean squared difference of
    a sensor's features, averaged over the sensors that see both ends. Where none does, it is 0.

    Parameters
    ----------
    sensors : mapping of str to (ndarray, ndarray)
        Features of all pixels, and which pixels the sensor sees.
    neighbours : int
        4 or 8.
    """
    shape = next(iter(sensors.values()))[1].shape
    offsets = neighbourhood(2, neighbours)
    total = np.zeros((len(offsets), *shape), np.float32)
    count = np.zeros((len(offsets), *shape), np.float32)
    for features, present in sensors.values():
        cube = features.reshape(*shape, -1)
        distance = np.zeros_like(total)
        both = np.zeros(total.shape, bool)
        for number, offset in enumerate(offsets):
            start, stop = offset_slices(shape, offset)
            change = ((cube[start] - cube[stop]) ** 2).mean(2)
            distance[number][start] = change
            both[number][start] = present[start] & present[stop]
        if both.any():
            typical = max(float(distance[both].mean()), 1e-12)
            total += np.where(both, 1 - np.exp(-distance / typical), 0.0)
            count += both
    return (total / np.maximum(count, 1)).astype(np.float32)


class LandCoverField:
    """A field over the pixels of an image; graphs are made once for each pair of settings.

    Parameters
    ----------
    contrast : ndarray
        As of :func:`edge_contrast`.
    classes : int
        How many.
    declaration : FieldDeclaration
        How it is solved.
    """

    def __init__(
        self, contrast: Float32[np.ndarray, "offsets height width"], classes: int,
        declaration: FieldDeclaration,
    ) -> None:  # fmt: skip
        self.contrast = contrast
        self.declaration = declaration
        self.cover = Variable("cover", classes, contrast.shape[1:])
        self.graphs: dict[tuple[float, float], FactorGraph] = {}

    def marginals(
        self,
        unary: LogTable,
        pixels: Int64[np.ndarray, " pixels"],
        codes: Int64[np.ndarray, " pixels"],
        settings: FieldSettings,
    ) -> LogTable:
        """Return each pixel's distribution, given what its spectrum says and some pixels' labels.

        Parameters
        ----------
        unary : ndarray
            Log-probabilities of every pixel by itself.
        pixels, codes : ndarray of int
            Places in the flattened image whose class is known, and the classes.
        settings : FieldSettings
            Power, weight and contrast.
        """
        known = settings.power * unary
        known[pixels] = -np.inf
        known[pixels, codes] = 0.0
        shape = (*self.cover.shape, self.cover.cardinality)
        evidence = {"cover": soft(torch.from_numpy(known.reshape(shape)))}
        d = self.declaration
        posterior = query(
            self._graph(settings), evidence, method="belief_propagation",
            iterations=d.iterations, tolerance=d.tolerance,
        )  # fmt: skip
        return posterior.marginal("cover")[0].reshape(unary.shape).double().numpy()

    def _graph(self, settings: FieldSettings) -> FactorGraph:
        key = (settings.weight, settings.contrast)
        if key not in self.graphs:
            weights = settings.weight * (1 - settings.contrast * self.contrast)
            edges = GridFactor(
                self.cover, Potts(), torch.from_numpy(weights.astype(np.float64)),
                self.declaration.neighbours,
            )  # fmt: skip
            self.graphs[key] = FactorGraph([self.cover], [edges])
        return self.graphs[key]


def choose_field(
    field: LandCoverField,
    unaries: Sequence[LogTable],
    train: Int64[np.ndarray, " pixels"],
    codes: Int64[np.ndarray, " pixels"],
    folds: Sequence[np.ndarray],
) -> FieldSettings:
    """Return the settings under which held-out training pixels have the least log-loss.

    Powers and weights are tried together at the first contrast, then the other contrasts with the
    best of them.

    Parameters
    ----------
    field : LandCoverField
        The grid.
    unaries : sequence of ndarray
        For each fold, what classifiers that have not seen it say of all pixels.
    train, codes, folds : ndarray
        The training pixels, their classes, and those that each fold holds out.
    """
    d = field.declaration
    pairs = itertools.product(d.powers, d.weights)
    candidates = [FieldSettings(power, weight, d.contrasts[0]) for power, weight in pairs]

    def with_loss(settings: FieldSettings) -> FieldSettings:
        loss = 0.0
        for rows, unary in zip(folds, unaries, strict=True):
            kept = np.setdiff1d(np.arange(len(train)), rows)
            table = field.marginals(unary, train[kept], codes[kept], settings)
            likelihood = table[train[rows], codes[rows]]
            loss -= float(np.log(np.maximum(likelihood, _SMALLEST)).sum())
        return replace(settings, log_loss=loss / sum(len(rows) for rows in folds))

    # Message passing runs outside Python's lock, so that threads share the work.
    with ThreadPoolExecutor(_THREADS) as pool:
        best = min(pool.map(with_loss, candidates), key=lambda settings: settings.log_loss)
        others = [replace(best, contrast=contrast) for contrast in d.contrasts[1:]]
        return min([best, *pool.map(with_loss, others)], key=lambda settings: settings.log_loss)
