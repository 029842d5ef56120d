"""Training and test pixels of a labelled image: at random, or apart in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from mmgraph.data.splits import grouped_folds, stratified_folds
from mmgraph.experiments.land_cover.declaration import SplitDeclaration, TrainingDeclaration
from mmgraph.graph.errors import DatasetError

Pixels = Int64[np.ndarray, " pixels"]
"""Places in the flattened image."""


@dataclass(frozen=True)
class Split:
    """Which pixels are trained on and which are tested.

    The fold of each training pixel is random within its class, or a group of whole squares where
    the test pixels lie in squares of their own, so that choosing settings is as hard as the test.
    """

    train: Pixels
    test: Pixels
    fold: Pixels

    def folds(self) -> list[Pixels]:
        """Return the training pixels of each fold, as places in ``train``."""
        return [np.flatnonzero(self.fold == f) for f in np.unique(self.fold)]


def make_split(
    labels: Int64[np.ndarray, "height width"],
    split: SplitDeclaration,
    training: TrainingDeclaration,
    seed: int,
) -> Split:
    """Draw training pixels, and return them with all pixels to test."""
    generator, flat = np.random.default_rng(seed), labels.reshape(-1)
    if split.kind == "random":
        train = _drawn(flat, np.ones(labels.size, bool), training, generator)
        test = np.setdiff1d(np.flatnonzero(flat >= 0), train)
        return Split(train, test, stratified_folds(flat[train], training.folds, seed))
    inside, outside, block = _checkerboard(labels, split, training.least, generator)
    train = _drawn(flat, inside, training, generator)
    test = np.flatnonzero(outside & (flat >= 0))
    return Split(train, test, grouped_folds(block[train], training.folds))


def _drawn(
    labels: Pixels,
    allowed: Bool[np.ndarray, " pixels"],
    training: TrainingDeclaration,
    generator: np.random.Generator,
) -> Pixels:
    """A share of each class, from the pixels allowed."""
    chosen = []
    for code in range(int(labels.max()) + 1):
        pixels = np.flatnonzero((labels == code) & allowed)
        count = max(training.least, round(training.share * int((labels == code).sum())))
        if len(pixels) < training.least:
            raise DatasetError(f"class {code} has {len(pixels)} pixels to train on")
        chosen.append(generator.choice(pixels, min(count, len(pixels)), replace=False))
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _checkerboard(
    labels: Int64[np.ndarray, "height width"],
    split: SplitDeclaration,
    least: int,
    generator: np.random.Generator,
) -> tuple[Bool[np.ndarray, " pixels"], Bool[np.ndarray, " pixels"], Pixels]:
    """Training pixels, test pixels and the square of each, for a random place of the board.

    Of all places only those count where each class has enough pixels to train on. Small classes may
    then have none to test.
    """
    size = split.block
    rows, columns = np.indices(labels.shape)
    classes = int(labels.max()) + 1
    for place in generator.permutation(2 * size * size):
        colour, down, along = int(place % 2), int(place // 2 % size), int(place // 2 // size)
        y, x = rows + down, columns + along
        dark = (y // size + x // size) % 2 == colour
        # How far into its square a pixel lies: a square's four neighbours have the other colour.
        depth = np.min([y % size, size - 1 - y % size, x % size, size - 1 - x % size], 0)
        light = ~dark & (depth >= split.margin)
        enough = np.bincount(labels[dark & (labels >= 0)], minlength=classes) >= least
        if enough.all() and (light & (labels >= 0)).any():
            block = (y // size) * (labels.shape[1] // size + 2) + x // size
            return dark.reshape(-1), light.reshape(-1), block.reshape(-1).astype(np.int64)
    raise DatasetError(
        f"no checkerboard of {size} x {size} pixels leaves every class {least} pixels to train on"
    )
