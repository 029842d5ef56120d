"""Splits: how many pixels are drawn, and that the disjoint ones are apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from mmgraph.datasets import indian_pines
from mmgraph.experiments.land_cover.declaration import (
    SplitDeclaration,
    TrainingDeclaration,
    read_land_cover,
)
from mmgraph.experiments.land_cover.splits import Split, make_split
from mmgraph.graph.errors import DatasetError

TRAINING = TrainingDeclaration(share=0.1, least=5, folds=4, seeds=(0,))


def labels() -> np.ndarray:
    generator = np.random.default_rng(0)
    result = generator.integers(-1, 3, (40, 36))
    result[result == 2] = -1
    result[5::9, 3::7] = 2
    return result


def test_random_split_draws_a_share_of_each_class():
    truth = labels()
    split = make_split(truth, SplitDeclaration("r"), TRAINING, 0)
    flat = truth.reshape(-1)
    for code in range(3):
        expected = max(5, round(0.1 * (flat == code).sum()))
        assert (flat[split.train] == code).sum() == expected
    together = np.sort(np.concatenate([split.train, split.test]))
    np.testing.assert_array_equal(together, np.flatnonzero(flat >= 0))
    for rows in split.folds():
        # Each fold holds its part of each class.
        assert set(flat[split.train[rows]]) == {0, 1, 2}


def test_disjoint_pixels_keep_their_distance():
    truth = labels()
    split = make_split(truth, SplitDeclaration("d", "blocks", block=9, margin=3), TRAINING, 0)
    trained = np.ones(truth.size, bool)
    trained[split.train] = False
    distance = distance_transform_cdt(trained.reshape(truth.shape), metric="chessboard")
    assert distance.reshape(-1)[split.test].min() > 3
    assert len(split.folds()) == 4


def test_folds_of_a_disjoint_split_are_whole_squares():
    split = make_split(labels(), SplitDeclaration("d", "blocks", block=9), TRAINING, 0)
    rows, columns = np.unravel_index(split.train, (40, 36))
    for a in range(0, len(rows), 5):
        # Pixels beside each other lie in one square, as squares touch others only at corners.
        near = (np.abs(rows - rows[a]) + np.abs(columns - columns[a])) == 1
        assert set(split.fold[near]) <= {split.fold[a]}


def test_seeds_differ_and_repeat():
    truth, how = labels(), SplitDeclaration("d", "blocks", block=9)
    first, again, other = (make_split(truth, how, TRAINING, s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.train, again.train)
    assert not np.array_equal(first.train, other.train)


@pytest.mark.parametrize("kind", ["random", "blocks"])
def test_a_class_with_too_few_pixels(kind: str):
    truth = np.zeros((20, 20), np.int64)
    truth[3, 3] = 1
    with pytest.raises(DatasetError, match=r"class 1 has 1 pixels|leaves every class 5 pixels"):
        make_split(truth, SplitDeclaration("d", kind, block=4), TRAINING, 0)


@pytest.mark.slow
def test_how_near_the_test_pixels_of_indian_pines_lie():
    """Half of the random split's touch a training pixel; of the disjoint split's none lies near."""
    declaration, labels = read_land_cover("indian_pines"), indian_pines.load().labels
    truth = labels.astype(np.int64) - 1
    random, disjoint = declaration.splits
    touching, window = [], []
    for seed in declaration.training.seeds:
        near = distances(make_split(truth, random, declaration.training, seed), truth.shape)
        touching.append(near <= 1)
        window.append(near <= 4)
        far = distances(make_split(truth, disjoint, declaration.training, seed), truth.shape)
        assert far.min() > 4
    assert np.mean(np.concatenate(touching)) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.concatenate(window)) > 0.98


def distances(split: Split, shape: tuple[int, ...]) -> np.ndarray:
    """How many steps each test pixel is from a training pixel, diagonal ones counted as one."""
    others = np.ones(shape, bool)
    others.reshape(-1)[split.train] = False
    return distance_transform_cdt(others, metric="chessboard").reshape(-1)[split.test]
