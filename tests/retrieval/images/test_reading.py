"""Pictures of every mode as colours, and as squares."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmgraph.graph.errors import FormatError
from mmgraph.retrieval.images import reading
from mmgraph.retrieval.images.reading import read_picture, squared

COLOURS = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [120, 120, 120]]], np.uint8)
GREYS = np.arange(0, 60, 10, dtype=np.uint8).reshape(2, 3)


def bytes_of(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "P", "CMYK", "YCbCr", "HSV"])
def test_modes_of_colours(mode):
    image = Image.fromarray(COLOURS).convert(mode, palette=Image.Palette.ADAPTIVE)
    assert np.abs(read_picture(image).astype(int) - COLOURS).max() <= 6


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "I", "F", "1"])
def test_modes_of_greys(tmp_path, mode, kind):
    values, expected = GREYS, GREYS
    if mode == "1":
        values, expected = GREYS > 20, (GREYS > 20) * np.uint8(255)
    elif mode in ("I;16", "I"):
        values = (GREYS * np.int32(257)).astype(np.uint16 if mode == "I;16" else np.int32)
    elif mode == "F":
        values = (GREYS / 255).astype(np.float32)
    image = Image.fromarray(values)
    image = image.convert("LA") if mode == "LA" else image
    assert image.mode == mode
    path = tmp_path / f"grey.{kind}"
    if mode in ("I", "F") and kind == "png":  # which has no such mode
        source = image
    else:
        image.save(path)
        source = path
    np.testing.assert_array_equal(read_picture(source), np.repeat(expected[..., None], 3, 2))


def test_what_is_transparent_lies_on_white():
    red = np.zeros((1, 3, 4), np.uint8)
    red[..., 0] = 255
    red[0, :, 3] = 0, 255, 51
    expected = [[[255, 255, 255], [255, 0, 0], [255, 204, 204]]]
    np.testing.assert_array_equal(read_picture(red), expected)
    np.testing.assert_array_equal(read_picture(bytes_of(Image.fromarray(red))), expected)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    np.testing.assert_array_equal(
        read_picture(bytes_of(palette, transparency=0))[0, 0], [255, 255, 255]
    )


def test_arrays_of_every_type_are_the_same_picture():
    types = (COLOURS, COLOURS / 255, COLOURS.astype(np.uint16) * 257, COLOURS.astype(np.int64))
    for values in types:
        np.testing.assert_array_equal(read_picture(values), COLOURS)
    np.testing.assert_array_equal(read_picture(np.eye(2) > 0)[..., 1], 255 * np.eye(2))


def test_orientation_and_first_frame():
    turned = Image.Exif()
    turned[274] = 6  # the first row is the right side
    source = bytes_of(Image.fromarray(COLOURS), exif=turned)
    np.testing.assert_array_equal(read_picture(source), np.rot90(COLOURS, -1))
    frames = [Image.new("RGB", (2, 2), name) for name in ("red", "blue")]
    gif = bytes_of(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert read_picture(gif)[0, 0].tolist() == [255, 0, 0]


def test_large_jpegs_are_reduced_and_other_large_files_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "_MOST_PIXELS", 2_000_000)
    large = Image.new("RGB", (2048, 2048))
    assert read_picture(bytes_of(large, "jpeg")).shape == (1024, 1024, 3)
    large.save(tmp_path / "large.png")
    with pytest.raises(FormatError, match=r"large\.png \(image 3\).*2,048 × 2,048 pixels"):
        read_picture(tmp_path / "large.png", "image 3")
    with pytest.raises(FormatError, match=r"image 3 cannot be read.*2,048"):
        read_picture(np.zeros((2048, 2048)), "image 3")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such.png", "there is no image no/such.png"),
        (b"no image", "a picture of 8 bytes cannot be read as an image"),
        (bytes_of(Image.effect_noise((90, 90), 50))[:2000], "truncated"),
        (np.zeros((2, 2, 5)), r"shape \(2, 2, 5\); expected \(height, width\)"),
        (np.zeros((0, 2)), "shape"),
        (np.full((2, 2), np.nan), "float64 from nan to nan; expected 0 to 1"),
        (np.full((2, 2), 256), "int64 from 256 to 256; expected 0 to 255"),
        (np.array([["a"]]), "expected numbers"),
        ([[0, 1]], "a picture is a list; expected a path"),
    ],
)  # fmt: skip
def test_bad_pictures(source, message):
    with pytest.raises(FormatError, match=message):
        read_picture(source)


def test_squares_keep_proportions_and_have_no_empty_margins():
    picture = np.full((300, 200, 3), (250, 240, 230), np.uint8)
    picture[40:240, 150:170] = 0
    square = squared(picture, 64)
    dark = square[..., 0] < 125
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    assert (len(rows), len(columns)) == (56, 6)  # 200 × 20 in 88 % of 64
    assert rows[0] + rows[-1] == columns[0] + columns[-1] == 63
    np.testing.assert_array_equal(square[0, 0], picture[0, 0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_thin_pictures_become_squares(shape):
    square = squared(read_picture(np.full(shape, 0.2)), 32)
    assert square.shape == (32, 32, 3)
    np.testing.assert_array_equal(square, 51)
