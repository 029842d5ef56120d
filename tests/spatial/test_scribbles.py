"""Labelling as people do it: strokes, colours, zeros for what is unlabelled, and warnings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.spatial.annotations.annotations import Annotations
from mmgraph.spatial.labelling import FullyLabelledWarning, LabellingWarning, label_image
from tests.spatial.scenes import CLASSES, FIXED, scene


def test_one_class_is_refused_at_once():
    told: list[str] = []
    options: dict = {"progress": lambda text, *_: told.append(text)}
    image, labels = np.ones((600, 800)), np.full((600, 800), -1)
    labels[10:20, 10:90] = 3
    with pytest.raises(LearningError, match="one class only, '3'"):
        label_image(image, labels, **options)
    with pytest.raises(LearningError, match="one class only, 'town'"):
        label_image(image, np.minimum(labels, 0), classes=["town"], **options)
    with pytest.raises(LearningError, match="one class only"):
        label_image(np.ones((2, 2)), classes=("a",), unaries=np.ones((2, 2, 1)))
    assert told == []


def test_scribbles_with_zero_for_unlabelled():
    truth, sensors, labels = scene()
    scribbles = labels + 1
    with pytest.warns(FullyLabelledWarning, match="unlabelled=0"):
        taken = label_image(sensors, scribbles, **FIXED)
    np.testing.assert_array_equal(taken.labels, scribbles)
    assert "every pixel is labelled" in taken.warnings[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = label_image(sensors, scribbles, unlabelled=0, classes=CLASSES, **FIXED)
    assert (found.labels == truth).mean() > 0.93
    with pytest.raises(MmgraphError, match="have been read already"):
        label_image(sensors, Annotations.of(labels), unlabelled=0)
    for wrapped in (scribbles.astype(np.uint8) - 1, scribbles.astype(np.uint16) - 1):
        with pytest.raises(MmgraphError, match=r"beside the classes 0 to 2 is what -1 becomes"):
            label_image(sensors, wrapped, **FIXED)
        silent = int(wrapped.max())
        again = label_image(sensors, wrapped, unlabelled=silent, **FIXED)
        np.testing.assert_array_equal(again.labels, found.labels)


def test_scribbles_in_colours():
    truth, sensors, labels = scene()
    paint = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 0], [255, 255, 255]], np.uint8)
    drawn = paint[labels]
    names = {"#FF0000": "water", (0, 255, 0): "woods", "black": "town"}
    found = label_image(sensors, drawn, classes=names, **FIXED)
    plain = label_image(sensors, labels, classes=CLASSES, **FIXED)
    np.testing.assert_array_equal(found.labels, plain.labels)
    assert found.classes == CLASSES
    assert found.colours == ("#FF0000", "#00FF00", "#000000")
    unnamed = label_image(sensors, drawn, **FIXED)
    assert unnamed.classes == unnamed.colours == ("#000000", "#00FF00", "#FF0000")
    assert plain.colours is None
    assert (found.labels == truth).mean() > 0.93


def strokes(truth: np.ndarray) -> np.ndarray:
    """A long stroke and a short one in each class; the lengths have nothing to do with areas."""
    drawn = np.full(truth.shape, -1)
    for code, (row, start, stop) in enumerate([(6, 2, 16), (3, 40, 44), (40, 62, 77)]):
        drawn[row : row + 2, start:stop] = truth[row : row + 2, start:stop]
        drawn[row + 14, start : start + 5 + code] = truth[row + 14, start : start + 5 + code]
    return drawn


def test_the_prior_of_strokes_is_even_and_of_scattered_pixels_as_annotated():
    truth, sensors, labels = scene((60, 90))
    drawn = label_image(sensors, strokes(truth), classes=CLASSES, **FIXED)
    assert drawn.prior == pytest.approx(dict.fromkeys(CLASSES, 1 / 3))
    scattered = label_image(sensors, np.where(labels == 2, -1, labels), **FIXED)
    assert scattered.prior == pytest.approx({"0": 0.5, "1": 0.5})
    few = labels.copy()
    few[tuple(np.argwhere(labels == 0)[:8].T)] = -1
    counted = label_image(sensors, few, **FIXED)
    assert counted.prior == pytest.approx({"0": 5 / 31, "1": 13 / 31, "2": 13 / 31})
    even = label_image(sensors, few, prior="even", **FIXED)
    assert even.prior == pytest.approx(dict.fromkeys("012", 1 / 3))
    asked = label_image(sensors, strokes(truth), prior="annotated", **FIXED)
    assert asked.prior["0"] == pytest.approx((2 * 14 + 5 + 1) / (33 + 14 + 37 + 3))


@pytest.mark.parametrize("seed", range(4))
def test_weights_learned_from_strokes_stay_near_one(seed: int):
    truth, sensors, _ = scene((60, 90), seed=seed)
    drawn = strokes(truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        learned = label_image(sensors, drawn, method="icm")
        plain = label_image(sensors, drawn, **(FIXED | {"method": "icm"}))
    assert learned.edge_weight in (0.5, 1.0, 2.0, 4.0)
    assert 0.25 <= max(learned.sensor_weights.values()) <= 2.0
    free = drawn < 0
    accuracy = [float((found.labels == truth)[free].mean()) for found in (learned, plain)]
    assert accuracy[0] >= accuracy[1] - 0.003


def test_warnings_say_which_method_fell_short_and_by_how_much():
    said = np.random.default_rng(0).normal(0, 0.1, (20, 20, 2))
    options = {
        "classes": ("a", "b"),
        "unaries": said,
        "interaction": mm.Tabulated([[3.0, 0], [0, 3.0]]),
    }
    measure = r"residual [\d.]+ after 200 iterations, not 1e-06$"
    with pytest.warns(LabellingWarning, match=f"^not converged: belief_propagation: {measure}"):
        found = label_image(np.zeros((20, 20)), **(FIXED | options))
    assert not found.converged
    options |= {"marginal_method": "gibbs", "method": "max_product"}
    with pytest.warns(LabellingWarning, match="not converged: max_product: residual .* not 1e-06"):
        found = label_image(np.zeros((20, 20)), **(FIXED | options))
    assert not found.converged
