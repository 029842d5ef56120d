"""Weights are learned from what is held out only where that tells something."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mmgraph.spatial.labelling import Labelling, LabellingWarning, label_image

CLASSES = ("table", "coffee", "saucer")


def picture(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A table, lit unevenly, with a saucer and coffee on it; and the truth."""
    random = np.random.default_rng(seed)
    truth = np.zeros((40, 48), int)
    truth[10:30, 12:36], truth[16:24, 18:30] = 2, 1
    image = np.array([[0.6, 0.4, 0.2], [0.3, 0.2, 0.1], [0.9, 0.9, 0.8]])[truth]
    image[32:] = [0.3, 0.18, 0.1]  # the table in the shade has the colour of coffee
    return image + random.normal(0, 0.02, image.shape), truth


def labelled(strokes: dict[tuple[int, int, int], int], **options) -> tuple[Labelling, list[str]]:
    """Labelling from strokes, each a row, a first and a last column, of a class; and warnings."""
    image, truth = picture()
    labels = np.full(truth.shape, -1)
    for (row, first, last), code in strokes.items():
        labels[row : row + 2, first:last] = code
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = label_image(
            {"photo": image},
            labels,
            classes=("table", "coffee", "saucer"),
            method="trws",
            **options,
        )
    return found, [str(w.message) for w in caught if w.category is LabellingWarning]


ONE_CLASS = {(3, 4, 40): 0, (36, 4, 40): 0, (19, 20, 28): 1, (12, 14, 34): 2}


def test_strokes_of_one_class_teach_no_weights():
    found, told = labelled(ONE_CLASS)
    assert found.sensor_weights == {"photo": 1.0}
    assert (found.edge_weight, found.temperature, found.log_loss) == (1.0, 1.0, None)
    assert found.warnings[0].startswith("labels of 'table' alone can be held out")
    assert "'coffee', 'saucer': weights are one" in told[0]
    free = found.marginals[found.uncertainty > 1e-9]
    assert free.max(-1).mean() > 0.9  # not uniform
    fixed, _ = labelled(ONE_CLASS, edge_weight=2.0)
    assert (fixed.edge_weight, fixed.sensor_weights["photo"]) == (2.0, 1.0)


def test_strokes_that_are_not_foretold_teach_no_weights():
    # Each class has one stroke where it looks like itself, and one where it looks like another.
    strokes = {(3, 4, 40): 0, (36, 4, 40): 1, (19, 20, 28): 1, (12, 14, 34): 2, (21, 20, 28): 2}
    strokes |= {(27, 14, 34): 0}
    found, told = labelled(strokes)
    assert (found.temperature, found.edge_weight) == (1.0, 1.0)
    assert found.sensor_weights == {"photo": 1.0}
    assert "no better than by chance (log-loss" in told[0]
    assert "by chance 1.099" in told[0]


def test_classes_that_cannot_be_held_out_are_named():
    strokes = {(2, 4, 40): 0, (7, 4, 40): 0, (11, 14, 34): 2, (27, 14, 34): 2, (19, 20, 28): 1}
    found, told = labelled(strokes)
    assert found.log_loss is not None
    assert found.log_loss < 0.5
    assert any("labels of 'table', 'saucer' alone" in note for note in told)
    assert any("pixels of 'coffee'" in note for note in told)
    found, told = labelled(strokes | {(22, 20, 28): 1})
    assert not any("held out" in note for note in told)


@pytest.mark.parametrize("seed", range(3))
def test_scattered_labels_that_tell_nothing_leave_weights_alone(seed: int):
    random = np.random.default_rng(seed)
    labels = np.full((20, 20), -1)
    places = random.choice(400, 30, replace=False)
    labels.reshape(-1)[places] = random.permutation(np.arange(30) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        found = label_image(random.normal(size=(20, 20)), labels, method="icm")
    assert any("better than by chance" in note for note in found.warnings)
    if found.log_loss is None:
        assert (found.temperature, found.edge_weight) == (1.0, 1.0)
        assert found.sensor_weights == {"image": 1.0}
    else:  # a little better, for which marginals are nearly even
        assert 0.98 * np.log(3) < found.log_loss < np.log(3)
