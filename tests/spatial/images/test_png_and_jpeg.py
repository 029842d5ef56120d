"""PNG and JPEG: what is transparent is missing, a palette is colours or indices, all is exact."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.reading import read_array, read_image

pillow = pytest.importorskip("PIL.Image")

COLOURS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def png(depth: int, kind: int, row: bytes, transparent: bytes, width: int = 4) -> bytes:
    """A PNG file of one row whose header declares a colour to be transparent."""
    header = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tRNS", transparent)]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "expected"),
    [
        (1, b"\x50", 0, [np.nan, 1, np.nan, 1]),
        (1, b"\x50", 1, [0, np.nan, 0, np.nan]),
        (2, b"\x1b", 2, [0, 85, np.nan, 255]),
        (4, b"\x01\x23", 3, [0, 17, 34, np.nan]),
        (8, b"\x00\x01\x02\x03", 3, [0, 1, 2, np.nan]),
        (16, b"\0\0\0\1\0\2\1\3", 259, [0, 1, 2, np.nan]),
    ],
)
def test_a_grey_value_may_be_transparent(
    tmp_path: Path, depth: int, row: bytes, transparent: int, expected: list[float]
):
    (tmp_path / "grey.png").write_bytes(png(depth, 0, row, struct.pack(">H", transparent)))
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[0, :, 0], expected)


def test_a_colour_may_be_transparent(tmp_path: Path):
    content = png(8, 2, bytes(range(12)), struct.pack(">HHH", 3, 4, 5))
    (tmp_path / "colours.png").write_bytes(content)
    expected = np.arange(12.0).reshape(4, 3)
    expected[1] = np.nan
    np.testing.assert_array_equal(read_image(tmp_path / "colours.png")[0], expected)
    deep = np.arange(1000, 1012)
    pytest.importorskip("imagecodecs")
    content = png(16, 2, deep.astype(">u2").tobytes(), struct.pack(">HHH", 1003, 1004, 1005))
    (tmp_path / "deep.png").write_bytes(content)
    expected = deep.reshape(4, 3).astype(float)
    expected[1] = np.nan
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[0], expected)


def test_indices_of_a_palette_may_be_transparent(tmp_path: Path):
    image = pillow.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for transparent, clear in ((1, [1]), (bytes([0, 9, 0]), [0, 2])):
        image.save(tmp_path / "labels.png", transparency=transparent)
        labels = np.arange(3.0)
        colours = np.arange(10.0, 91, 10).reshape(3, 3)
        labels[clear], colours[clear] = np.nan, np.nan
        np.testing.assert_array_equal(read_array(tmp_path / "labels.png", indices=True)[0], labels)
        np.testing.assert_array_equal(read_image(tmp_path / "labels.png")[0], colours)


def test_deep_transparent_pixels_are_missing(tmp_path: Path):
    codecs = pytest.importorskip("imagecodecs")
    deep = COLOURS.astype(np.uint16) * 250 + 7
    alpha = (COLOURS[..., :1] > 90).astype(np.uint16) * 300
    (tmp_path / "deep.png").write_bytes(codecs.png_encode(np.concatenate([deep, alpha], -1)))
    expected = np.where(alpha == 0, np.nan, deep)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), expected)
    content = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "short.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"short\.png is no readable PNG file"):
        read_image(tmp_path / "short.png")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_is_read_for_sensors_and_refused_for_labels(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo{suffix}"
    pillow.fromarray(COLOURS).save(path, quality=90)
    np.testing.assert_array_equal(read_image(path), np.array(pillow.open(path)))
    with pytest.raises(FormatError, match=r"photo.* is a JPEG file, which is lossy"):
        read_array(path, indices=True)
    pillow.fromarray(COLOURS[..., 0]).save(path)
    assert read_image(path).shape == (40, 50, 1)
    pillow.fromarray(COLOURS).convert("CMYK").save(path)
    assert read_image(path).shape == (40, 50, 3)


def test_jpeg_that_calls_itself_png_is_refused_for_labels(tmp_path: Path):
    pillow.fromarray(COLOURS[..., 0]).save(tmp_path / "labels.png", format="JPEG")
    with pytest.raises(FormatError, match=r"labels\.png is a JPEG file"):
        read_array(tmp_path / "labels.png", indices=True)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.98])
def test_a_file_that_ends_early_is_named(tmp_path: Path, suffix: str, share: float):
    buffer = io.BytesIO()
    pillow.fromarray(COLOURS).save(buffer, format="PNG" if suffix == ".png" else "JPEG")
    (tmp_path / f"short{suffix}").write_bytes(buffer.getvalue()[: int(share * buffer.tell())])
    with pytest.raises(FormatError, match=rf"short\{suffix} is no readable image"):
        read_image(tmp_path / f"short{suffix}")


def test_other_formats_are_not_opened(tmp_path: Path):
    pillow.fromarray(COLOURS).save(tmp_path / "drawing.png", format="GIF")
    with pytest.raises(FormatError, match=r"drawing\.png is no readable image"):
        read_image(tmp_path / "drawing.png")
