"""Strokes in colours: which colours are classes, and which stands for no label."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.annotations.annotations import Annotations, AnnotationWarning, read_annotations

RED, GREEN, BLACK, WHITE, GREY = (
    (255, 0, 0), (0, 255, 0), (0, 0, 0), (255, 255, 255), (128, 128, 128),
)  # fmt: skip


def drawing(background: tuple[int, ...], *strokes: tuple[int, ...]) -> np.ndarray:
    """An image of 6 x 8 pixels with a stroke of three pixels in each colour, in a row each."""
    image = np.empty((6, 8, 3), np.uint8)
    image[:] = background
    for row, colour in enumerate(strokes):
        image[row, 2:5] = colour
    return image


def expected(*order: int) -> np.ndarray:
    codes = np.full((6, 8), -1)
    for row, code in enumerate(order):
        codes[row, 2:5] = code
    return codes


def test_a_class_a_colour_on_white_or_black():
    read = Annotations.of(drawing(WHITE, RED, GREEN, BLACK))
    assert read.classes == read.colours == ("#000000", "#00FF00", "#FF0000")
    assert read.values == (1, 2, 3)
    np.testing.assert_array_equal(read.codes, expected(2, 1, 0))
    read = Annotations.of(drawing(BLACK, RED, WHITE))
    assert read.classes == ("#FF0000", "#FFFFFF")
    np.testing.assert_array_equal(read.codes, expected(0, 1))


def test_names_by_colour_and_all_other_colours_are_unlabelled():
    photograph = np.random.default_rng(0).integers(1, 250, (6, 8, 3), dtype=np.uint8)
    photograph[0, 2:5], photograph[1, 2:5] = RED, GREEN
    read = Annotations.of(photograph, {(0, 255, 0): "meadow", "FF0000": "roof"})
    assert read.classes == ("meadow", "roof")
    assert read.colours == ("#00FF00", "#FF0000")
    np.testing.assert_array_equal(read.codes, expected(1, 0))


def test_transparency_comes_before_any_colour():
    layer = np.zeros((6, 8, 4), np.uint8)
    for row, colour in enumerate((BLACK, WHITE, RED)):
        layer[row, 2:5] = (*colour, 255)
    layer[2, 5] = (*RED, 90)  # a soft edge has the colour of its stroke
    read = Annotations.of(layer)
    assert read.classes == ("#000000", "#FF0000", "#FFFFFF")
    codes = expected(0, 2, 1)
    codes[2, 5] = 1
    np.testing.assert_array_equal(read.codes, codes)
    opaque = np.dstack([drawing(WHITE, RED), np.full((6, 8), 255, np.uint8)])
    np.testing.assert_array_equal(Annotations.of(opaque).codes, expected(0))


def test_the_background_may_be_named():
    for unlabelled in (GREY, "#808080", "808080", list(GREY)):
        read = Annotations.of(drawing(GREY, WHITE, BLACK), unlabelled=unlabelled)
        assert read.classes == ("#000000", "#FFFFFF")
        np.testing.assert_array_equal(read.codes, expected(1, 0))


def test_what_is_unclear_is_asked_for():
    with pytest.raises(FormatError, match=r"commonest colour is #808080\); say which"):
        Annotations.of(drawing(GREY, WHITE))
    half = drawing(WHITE, RED)
    half[3:] = BLACK
    half[:3, 7] = GREEN
    with pytest.raises(FormatError, match="neither white nor black is clearly the background"):
        Annotations.of(half)
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    with pytest.raises(FormatError, match="400 colours, too many for a class each"):
        Annotations.of(noise)
    with pytest.raises(FormatError, match=r"one by one.*the colours are #00FF00, #FF0000"):
        Annotations.of(drawing(WHITE, RED, GREEN), ["meadow", "roof"])
    for colour in ("rd", (1, 2), (0, 0, 300), 7, object()):
        with pytest.raises(FormatError, match="is no colour"):
            Annotations.of(drawing(WHITE, RED), unlabelled=colour)
    with pytest.raises(FormatError, match="different colours with different names"):
        Annotations.of(drawing(WHITE, RED, GREEN), {RED: "roof", GREEN: "roof"})


def test_masks_and_floats():
    shares = drawing(WHITE, RED, GREEN) / 255.0
    np.testing.assert_array_equal(Annotations.of(shares).codes, expected(1, 0))
    masked = np.ma.MaskedArray(drawing(GREY, RED, GREEN))
    masked[masked.data[..., 0] == 128] = np.ma.masked
    read = Annotations.of(masked)
    assert read.classes == ("#00FF00", "#FF0000")
    np.testing.assert_array_equal(read.codes, expected(1, 0))


def test_narrow_volumes_are_no_colours():
    volume = np.array([[[0, 1, -1]], [[2, 1, 0]]])
    np.testing.assert_array_equal(Annotations.of(volume).codes, volume)


@pytest.mark.parametrize("name", ["drawn.png", "drawn.tif", "layer.png", "drawn.npy", "named.png"])
def test_files_in_colour(tmp_path: Path, name: str):
    pillow = pytest.importorskip("PIL.Image")
    image = drawing(GREY if name == "named.png" else WHITE, RED, GREEN, BLACK)
    if name == "layer.png":
        image = np.dstack([image, np.where(image.min(-1) == 255, 0, 255).astype(np.uint8)])
        image[3, 2:5] = (*WHITE, 255)
    if name.endswith(".npy"):
        np.save(tmp_path / name, image)
    else:
        pillow.fromarray(image).save(tmp_path / name)
    options = {"unlabelled": "#808080"} if name == "named.png" else {}
    read = read_annotations(tmp_path / name, **options)
    white = ("#FFFFFF",) if name == "layer.png" else ()
    assert read.colours == ("#000000", "#00FF00", "#FF0000", *white)
    np.testing.assert_array_equal(read.codes, expected(2, 1, 0, *([3] if white else [])))


@pytest.mark.parametrize(
    "red",
    [
        (1.0, 0, 0),
        (1, 0, 0.0),
        (1.0, 0.0, 0.0, 1.0),
        tuple(np.array([1, 0, 0], np.float32)),
        (255, 0, 0),
        (np.uint8(255), np.uint8(0), np.uint8(0)),
    ],
)
def test_colours_of_floats_are_shares(red: tuple[float, ...]):
    drawn = drawing(WHITE, RED, GREEN)
    read = Annotations.of(drawn, {red: "roof"})
    assert read.colours == ("#FF0000",)
    np.testing.assert_array_equal(read.codes, expected(0))
    grey = drawing(GREY, RED)
    for unlabelled in (np.array([128, 128, 128]), np.full(3, 128 / 255), (0.502, 0.502, 0.502)):
        assert Annotations.of(grey, unlabelled=unlabelled).classes == ("#FF0000",)


@pytest.mark.parametrize(
    "colour",
    [
        ("a", "b", "c"),
        (255.0, 0.0, 0.0),
        (0.5, 0.5, 2),
        (-0.1, 0.0, 0.0),
        (float("nan"), 0.0, 0.0),
        (True, False, False),
        (None, 0, 0),
        (1j, 0, 0),
        ((0, 0), 0, 0),
    ],
)
def test_what_is_no_colour_is_named(colour: tuple[object, ...]):
    for options in ({"classes": {colour: "roof"}}, {"unlabelled": colour}):
        with pytest.raises(FormatError, match=r"the annotations: .* is no colour.*floats from 0"):
            Annotations.of(drawing(WHITE, RED), **options)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("opacity", [False, True])
def test_strokes_of_floats_in_a_file_are_those_of_the_array(
    tmp_path: Path, kind: type, opacity: bool
):
    image = drawing(WHITE, RED, GREEN, GREY)
    if opacity:
        image = np.dstack([image, np.where(image.min(-1) == 255, 0, 255)])
    shares = (image / 255).astype(kind)
    np.save(tmp_path / "drawn.npy", shares)
    read, of_array = read_annotations(tmp_path / "drawn.npy"), Annotations.of(shares)
    assert read.colours == of_array.colours == ("#00FF00", "#808080", "#FF0000")
    np.testing.assert_array_equal(read.codes, expected(2, 0, 1))
    np.testing.assert_array_equal(read.codes, of_array.codes)


def test_the_commonest_colour_is_what_is_suggested():
    grey = np.full((6, 6, 3), 128, np.uint8)
    grey[0], grey[3] = (255, 0, 0), (0, 0, 255)
    with pytest.raises(FormatError, match=r"unlabelled='#808080' .*--unlabelled '#808080'"):
        Annotations.of(grey)
    assert Annotations.of(grey, unlabelled="#808080").classes == ("#0000FF", "#FF0000")


def test_a_colour_that_nobody_drew_with_is_told_of_with_those_near_it():
    drawn = np.full((6, 6, 3), 255, np.uint8)
    drawn[0], drawn[3], drawn[4, :2] = (255, 0, 0), (0, 0, 255), (3, 3, 250)
    names = {"#FF0000": "roof", "#0000FE": "sea"}
    match = "no pixel has the colour #0000FE of 'sea'; near it: #0000FF, #0303FA"
    with pytest.warns(AnnotationWarning, match=match):
        read = Annotations.of(drawn, names)
    assert read.classes == ("roof", "sea")
    assert (read.codes == 1).sum() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no colour is near these
        Annotations.of(drawn, {"#FF0000": "roof", "#00FF00": "meadow"})
        Annotations.of(drawn, {"#FF0000": "roof", "#0000FF": "sea"})
