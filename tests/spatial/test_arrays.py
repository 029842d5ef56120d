"""Arrays in any container, layout and type: one reader, one answer, masks honoured everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import FormatError, LearningError, MmgraphError
from mmgraph.spatial.annotations.annotations import Annotations
from mmgraph.spatial.arrays import read_cells, real_array
from mmgraph.spatial.labelling import Labelling, LabellingWarning, label_image

FIXED = {"sensor_weights": 1.0, "edge_weight": 1.0, "method": "icm"}


def quietly(*arguments, **options) -> Labelling:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        return label_image(*arguments, **(FIXED | options))


def scene(seed: int = 0):
    """Whole grey values of two regions, and a few labels of each."""
    random = np.random.default_rng(seed)
    truth = (np.arange(20) >= 9)[None].repeat(16, 0).astype(int)
    image = np.clip(truth * 60 + 90 + random.normal(0, 20, truth.shape), 0, 255).round()
    labels = np.full(truth.shape, -1)
    labels[2:14:3, 1:20:4] = truth[2:14:3, 1:20:4]
    return truth, image, labels


def masked_scene():
    """As above, with wild values in a third of the pixels, which a mask hides."""
    truth, image, labels = scene()
    hidden = np.random.default_rng(1).random(truth.shape) < 0.3
    wild = np.where(
        hidden, np.random.default_rng(2).choice([-9999.0, 40000.0], hidden.shape), image
    )
    return truth, wild, labels, hidden


def test_masked_pixels_of_a_sensor_are_missing():
    truth, wild, labels, hidden = masked_scene()
    masked = np.ma.MaskedArray(wild, hidden)
    with pytest.warns(LabellingWarning, match=f"does not see {hidden.sum()} of 320 pixels"):
        found = label_image(masked, labels, **FIXED)
    assert found.missing == {"image": int(hidden.sum())}
    assert (found.labels == truth).mean() > 0.95
    assert (quietly(wild, labels).labels == truth).mean() < 0.8  # what the mask is there for
    nan = quietly(np.where(hidden, np.nan, wild), labels)
    np.testing.assert_array_equal(found.marginals, nan.marginals)


@pytest.mark.parametrize("bands", [1, 3])
def test_masks_of_bands_and_of_lists_of_bands(bands: int):
    truth, wild, labels, hidden = masked_scene()
    band = np.ma.MaskedArray(wild, hidden)
    stacked = quietly(np.ma.stack([band] * bands, -1), labels)
    assert stacked.missing == {"image": int(hidden.sum())}
    rows = [[np.ma.MaskedArray([value], [hide]) for value, hide in zip(*pair, strict=True)]
            for pair in zip(wild, hidden, strict=True)]  # fmt: skip
    listed = quietly(rows, labels)
    assert listed.missing == stacked.missing
    assert (listed.labels == truth).mean() > 0.95


def test_masked_annotations_are_unlabelled():
    truth, image, labels = scene()
    fill = np.ma.MaskedArray(np.where(labels < 0, 7, labels), labels < 0)
    read = Annotations.of(fill)
    assert read.classes == ("0", "1")
    np.testing.assert_array_equal(read.codes, labels)
    np.testing.assert_array_equal(quietly(image, fill).labels, quietly(image, labels).labels)
    half = np.ma.MaskedArray(np.where(labels < 0, np.nan, labels), labels == 1)
    np.testing.assert_array_equal(Annotations.of(half).codes >= 0, labels == 0)
    assert truth.shape == labels.shape


def test_a_masked_pixel_of_ready_opinions_says_nothing_and_is_counted():
    opinion = np.full((3, 4, 2), [0.9, 0.1])
    masked = np.ma.MaskedArray(opinion)
    masked[1, 2] = np.ma.masked
    masked[0, 0, 1] = np.ma.masked  # one number is enough
    masked.data[1, 2] = 0.0, 1.0
    options = {"classes": ("a", "b"), "edge_weight": 0.0, "prior": "even"}
    with pytest.warns(LabellingWarning, match="says nothing of 2 pixels"):
        found = label_image(np.zeros((3, 4)), unaries=masked, **(FIXED | options))
    assert found.missing == {"image": 2}
    expected = np.where(np.ma.getmaskarray(masked).any(-1)[..., None], 0.5, [0.9, 0.1])
    np.testing.assert_allclose(found.marginals, expected, atol=1e-3)
    logs = quietly(np.zeros((3, 4)), unaries={"image": np.ma.log(masked)}, **options)
    np.testing.assert_allclose(logs.marginals, expected, atol=1e-3)


def test_a_masked_mask_vouches_for_nothing():
    _, image, labels = scene()
    missing = np.zeros(image.shape, bool)
    missing[0, :3] = True
    masked = np.ma.MaskedArray(missing, np.zeros_like(missing))
    masked[5, :4] = np.ma.masked
    assert quietly(image, labels, missing={"image": masked}).missing == {"image": 7}
    assert quietly(image, labels, missing={"image": missing}).missing == {"image": 3}
    with pytest.raises(LearningError, match="the mask of sensor 'image' holds <U1"):
        label_image(image, labels, missing={"image": np.full(image.shape, "n")})


def test_masked_priors_and_weights_are_refused():
    _, image, labels = scene()
    with pytest.raises(MmgraphError, match="the prior of '1' is missing"):
        quietly(image, labels, prior=np.ma.MaskedArray([0.5, 0.5], [False, True]))
    with pytest.raises(MmgraphError, match="weight of sensor 'image' must be"):
        quietly(image, labels, sensor_weights={"image": np.ma.masked})
    with pytest.raises(MmgraphError, match="weight of the edges must be"):
        quietly(image, labels, edge_weight=np.ma.masked)
    for share in (np.ma.masked, float("nan"), -1.0):
        with pytest.raises(MmgraphError, match="weight of sensor 'image' in the edges must be"):
            quietly(image, labels, edge_sensors={"image": share})
    assert quietly(image, labels, edge_weight=np.float32(1.0)).edge_weight == 1.0
    with pytest.raises(MmgraphError, match="weight of the edges must be"):
        quietly(image, labels, edge_weight=True)


def on_disk(image: np.ndarray, folder: Path) -> np.ndarray:
    mapped = np.memmap(folder / "image.bin", np.float64, "w+", shape=image.shape)
    mapped[:] = image
    mapped.flush()
    return np.memmap(folder / "image.bin", np.float64, "r", shape=image.shape)


def read_only(image: np.ndarray, folder: Path) -> np.ndarray:
    locked = image.copy()
    locked.setflags(write=False)
    return locked


def frame(image: np.ndarray, folder: Path) -> object:
    return pytest.importorskip("pandas").DataFrame(image)


def nullable_frame(image: np.ndarray, folder: Path) -> object:
    return pytest.importorskip("pandas").DataFrame(image.astype(int)).convert_dtypes()


LAYOUTS: dict[str, Callable[[np.ndarray, Path], object]] = {
    "bytes": lambda image, _: image.astype(np.uint8),
    "short": lambda image, _: image.astype(np.int16),
    "single": lambda image, _: image.astype(np.float32),
    "half": lambda image, _: image.astype(np.float16),
    "long": lambda image, _: image.astype(np.longdouble),
    "Fortran": lambda image, _: np.asfortranarray(image),
    "reversed": lambda image, _: image[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda image, _: np.repeat(image, 2, 1)[:, ::2],
    "big-endian": lambda image, _: image.astype(">f8"),
    "objects": lambda image, _: image.astype(object),
    "lists": lambda image, _: image.tolist(),
    "tuples of rows": lambda image, _: tuple(image),
    "tensor": lambda image, _: torch.from_numpy(image),
    "unmasked": lambda image, _: np.ma.MaskedArray(image),
    "read-only": read_only,
    "on disk": on_disk,
    "frame": frame,
    "nullable frame": nullable_frame,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_numbers_give_the_same_labels(layout: str, tmp_path: Path):
    _, image, labels = scene()
    given = LAYOUTS[layout](image, tmp_path)
    found, plain = quietly(given, labels), quietly(image, labels)
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.marginals, plain.marginals)


@pytest.mark.parametrize("layout", ["bytes", "short", "Fortran", "reversed", "big-endian", "lists",
                                    "objects", "tensor", "read-only", "frame"])  # fmt: skip
def test_the_same_annotations_in_any_container(layout: str, tmp_path: Path):
    _, image, labels = scene()
    given = LAYOUTS[layout](labels + 1, tmp_path)
    found = quietly(image, given, unlabelled=0)
    np.testing.assert_array_equal(found.labels, quietly(image, labels).labels)
    assert found.classes == ("1", "2")


def test_truth_values_are_zeros_and_ones():
    truth, _, labels = scene()
    noisy = truth.astype(bool) ^ (np.random.default_rng(0).random(truth.shape) < 0.1)
    found, plain = quietly(noisy, labels), quietly(noisy.astype(float), labels)
    np.testing.assert_array_equal(found.marginals, plain.marginals)


def test_what_is_no_array_of_real_numbers_is_named():
    for given in ([["a"]], np.zeros(2, complex), [[1.0], [1.0, 2.0]], np.array(["2020"], "M8[D]"),
                  np.array([{}], object), np.array([1, "2"], object)):  # fmt: skip
        with pytest.raises(LearningError, match="the thing"):
            read_cells(given, "the thing")
    with pytest.raises(LearningError, match="must have the same shape"):
        read_cells([np.ma.zeros(2), np.ma.zeros(3)], "the thing")
    with pytest.raises(FormatError, match="too large"):
        read_cells(np.array([10**400], object), "the thing", FormatError)


def test_missing_cells_are_nan_and_whole_numbers_stay_whole():
    array, hidden = read_cells([[1, None], [np.nan, 3]], "x")
    assert array.dtype == np.float64
    np.testing.assert_array_equal(hidden, [[False, True], [True, False]])
    array, hidden = read_cells(np.array([2**62 + 1, 5], object), "x")
    assert array.tolist() == [2**62 + 1, 5]
    assert not hidden.any()
    masked = np.ma.MaskedArray(np.array([1, 2], object), [True, False])
    np.testing.assert_array_equal(real_array(masked, "x"), [np.nan, 2.0])
    source = np.zeros(3)
    assert not np.shares_memory(real_array(source, "x"), source)
