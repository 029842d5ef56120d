"""What is to be labelled, as users give it: what is odd is named, and what is plain is read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError, LearningError, MmgraphError
from mmgraph.spatial.annotations.annotations import Annotations, AnnotationWarning, read_annotations
from mmgraph.spatial.images.writing import write_labels
from mmgraph.spatial.labelling import FullyLabelledWarning, LabellingWarning, label_image

FIXED = {"sensor_weights": 1.0, "edge_weight": 1.0, "method": "trws"}


def halves(bands: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of two halves, the truth, and labels of a few pixels."""
    random = np.random.default_rng(0)
    truth = np.zeros((9, 12), int)
    truth[:, 6:] = 1
    image = truth[..., None] + random.normal(0, 0.2, (9, 12, bands))
    labels = np.full(truth.shape, -1)
    labels[::2, ::3] = truth[::2, ::3]
    return image, truth, labels


def strokes() -> np.ndarray:
    """Two strokes in colours on black, beside the image of two halves."""
    drawn = np.zeros((9, 12, 3), np.uint8)
    drawn[2, :5], drawn[6, 7:] = (255, 0, 0), (0, 255, 0)
    return drawn


@pytest.mark.parametrize("kind", [int, float, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_colours_of_another_type_are_no_volume(kind: type, bands: int):
    image, truth, _ = halves(bands)
    image = image[..., 0] if bands == 1 else image
    with pytest.raises(FormatError, match=r"colours are uint8 or floats from 0 to 1"):
        label_image({"photo": image}, strokes().astype(kind))
    found = label_image({"photo": image}, strokes(), **FIXED)
    assert found.classes == ("#00FF00", "#FF0000")
    np.testing.assert_array_equal(found.labels, 1 - truth)


def test_colours_by_name_are_no_volume_and_labels_of_a_narrow_one_are():
    image, _, _ = halves()
    dim = (strokes() // 255 * 9).astype(int)
    with pytest.raises(FormatError, match="colours are uint8"):
        label_image({"photo": image}, dim, classes={"#090000": "roof", "#000900": "meadow"})
    narrow = np.full((9, 12, 3), -1)
    narrow[:, 2, 0], narrow[:, 9, 1] = 0, 1
    found = label_image({"scan": image}, narrow, **FIXED)
    assert found.labels.shape == (9, 12, 3)
    many = np.where(narrow < 0, 0, 70 * (narrow + 1))  # 70 and 140 on 0
    with pytest.raises(FormatError, match=r"\(depth, height, width, 1\)"):
        label_image({"scan": image}, many, unlabelled=0)
    found = label_image({"scan": image[..., None]}, many, unlabelled=0, **FIXED)
    assert found.values == (70, 140)


def test_a_constant_sensor_is_left_out():
    image, _, labels = halves()
    alone = label_image({"photo": image}, labels, **FIXED)
    for constant in (np.zeros((9, 12)), np.full((9, 12, 2), 7.0)):
        with pytest.warns(LabellingWarning, match="'dead' sees the same value in all pixels; it"):
            found = label_image({"photo": image, "dead": constant}, labels, **FIXED)
        np.testing.assert_array_equal(found.labels, alone.labels)
        np.testing.assert_allclose(found.marginals, alone.marginals)
        np.testing.assert_allclose(found.edge_weights, alone.edge_weights)
    with pytest.warns(LabellingWarning, match="'dead' sees the same value"):
        found = label_image({"photo": image, "dead": np.zeros((9, 12))}, labels, method="trws")
    assert found.sensor_weights["dead"] == 1.0
    same = np.where(labels < 0, image[..., 0], 3.0)
    with pytest.warns(LabellingWarning, match="'odd' sees the same value in all labelled pixels"):
        label_image({"photo": image, "odd": same}, labels, **FIXED)
    one_band = np.concatenate([image, np.ones((9, 12, 1))], -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a constant band among others does no harm
        label_image({"photo": one_band}, labels, **FIXED)


def test_sizes_that_are_each_other_in_reverse_are_told():
    labels = np.full((4, 6, 7), -1)
    labels[0, 0, :3], labels[2, 3, :3] = 0, 1
    with pytest.raises(LearningError, match="'scan' has the axes of annotations in reverse: NIf"):
        label_image({"scan": np.zeros((7, 6, 4))}, labels)


def test_true_hides_a_whole_sensor():
    image, _, labels = halves()
    alone = label_image({"a": image}, labels, **FIXED)
    with pytest.warns(LabellingWarning, match="'b' sees no pixel at all"):
        found = label_image({"a": image, "b": -image}, labels, missing={"b": True}, **FIXED)
    np.testing.assert_array_equal(found.labels, alone.labels)
    assert found.missing == {"a": 0, "b": 108}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = label_image({"a": image, "b": -image}, labels, missing={"b": False}, **FIXED)
    assert found.missing == {"a": 0, "b": 0}


def test_a_prior_by_name():
    image, _, labels = halves()
    options = {"classes": ("water", "woods"), **FIXED}
    listed = label_image(image, labels, prior=[0.2, 0.8], **options)
    named = label_image(image, labels, prior={"woods": 0.8, "water": 0.2}, **options)
    np.testing.assert_array_equal(named.marginals, listed.marginals)
    again = label_image(image, labels, prior=listed.prior, **options)
    assert again.prior == pytest.approx({"water": 0.2, "woods": 0.8})
    with pytest.raises(MmgraphError, match="the prior of 'woods' is missing"):
        label_image(image, labels, prior={"water": 0.2}, **options)
    with pytest.raises(MmgraphError, match="no class is called 'wods'; did you mean 'woods'"):
        label_image(image, labels, prior={"water": 0.2, "wods": 0.8}, **options)
    with pytest.raises(MmgraphError, match="must be 2 positive numbers"):
        label_image(image, labels, prior={"water": 0.0, "woods": 0.8}, **options)


@pytest.mark.parametrize(("numbers", "said"), [((0, 4), 0), ((3, 7), 3), ((5, 2), 5)])
def test_the_number_that_may_stand_for_no_label_is_named(numbers: Sequence[int], said: int):
    image, truth, _ = halves()
    full = np.where(truth == 0, *numbers)
    full[0] = numbers[0]
    match = rf"say unlabelled={said} \(on the command line --unlabelled {said}\)"
    with pytest.warns(FullyLabelledWarning, match=match):
        label_image(image, full, **FIXED)


@pytest.mark.parametrize(
    "classes", [None, {"#FF0000": "roof", "#00FF00": "meadow"}, {"#00FF00": "a", "#FF0000": "b"}]
)
def test_labels_go_to_files_as_the_numbers_of_the_annotations(
    tmp_path: Path, classes: Mapping[str, str] | None
):
    image, _, _ = halves()
    found = label_image(image, strokes(), classes=classes, **FIXED)
    assert found.values == (1, 2)
    np.testing.assert_array_equal(found.numbered, found.labels + 1)
    write_labels(tmp_path / "labels.npy", found.numbered)
    read = read_annotations(tmp_path / "labels.npy", found.classes)
    np.testing.assert_array_equal(read.codes, found.labels)
    assert read.classes == found.classes


def test_labels_keep_their_own_numbers(tmp_path: Path):
    image, _, labels = halves()
    found = label_image(image, np.where(labels < 0, 0, 3 + 2 * labels), unlabelled=0, **FIXED)
    assert found.values == (3, 5)
    assert set(np.unique(found.numbered)) == {3, 5}
    ready = label_image(image, classes=("a", "b"), unaries=np.full((9, 12, 2), 0.5), **FIXED)
    assert ready.values == (1, 2)
    found = label_image(image, labels, **FIXED)
    write_labels(tmp_path / "labels.npy", found.numbered)
    read = read_annotations(tmp_path / "labels.npy", unlabelled=-1)
    np.testing.assert_array_equal(read.codes, found.labels)


def test_a_class_that_nobody_drew_is_named_with_its_colour():
    image, _, _ = halves()
    names = {"#FF0000": "roof", "#00FE00": "meadow"}
    with (
        pytest.warns(AnnotationWarning, match="#00FE00 of 'meadow'; near it: #00FF00"),
        pytest.raises(LearningError, match=r"no pixel is labelled as 'meadow' \(#00FE00\)"),
    ):
        label_image(image, strokes(), classes=names)
    assert Annotations.of(strokes(), {"#FF0000": "roof"}).classes == ("roof",)
