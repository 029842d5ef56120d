"""Images in files as arrays between zero and one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmgraph.data.images.files import read_images

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        (RANDOM.integers(0, 256, (3, 4), np.uint8), "png"),
        (RANDOM.integers(0, 256, (3, 4, 3), np.uint8), "png"),
        (RANDOM.integers(0, 65536, (3, 4)).astype(np.uint16), "png"),
        (RANDOM.random((3, 4)).astype(np.float32), "tiff"),
        (RANDOM.random((3, 4)) < 0.5, "png"),
    ],
)
def test_pixels_of_every_depth(tmp_path, pixels, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path)
    largest = {"u": np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 0}.get(
        pixels.dtype.kind, 1
    )
    images = read_images([None, path])
    np.testing.assert_allclose(images[1], np.atleast_3d(pixels) / largest, rtol=1e-6)
    assert np.isnan(images[0]).all()


def test_transparency_and_palettes_are_colours(tmp_path):
    colour = np.zeros((2, 2, 4), np.uint8)
    colour[..., 0] = colour[..., 3] = 255
    Image.fromarray(colour).save(tmp_path / "a.png")
    Image.fromarray(colour).convert("P").save(tmp_path / "b.gif")
    images = read_images([tmp_path / "a.png", tmp_path / "b.gif"])
    np.testing.assert_array_equal(images, np.broadcast_to([1.0, 0, 0], (2, 2, 2, 3)))
