"""Images as pictures: their own colours where they have any, stretched where they have none."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.image_pictures import as_picture, blended, with_strokes


def test_colours_of_bytes_and_of_shares_are_shown_as_they_are():
    rgb = np.random.default_rng(0).integers(0, 200, (9, 7, 3)).astype(np.uint8)
    np.testing.assert_allclose(as_picture(rgb), rgb / 255)
    np.testing.assert_allclose(as_picture(rgb.astype(np.float64)), rgb / 255)
    np.testing.assert_allclose(as_picture(rgb / 255), rgb / 255)
    opacity = np.full((9, 7, 1), 255)
    np.testing.assert_allclose(as_picture(np.concatenate([rgb, opacity], -1)), rgb / 255)


def test_sixteen_bits_are_stretched_alike_in_all_bands():
    random = np.random.default_rng(0)
    deep = random.integers(3000, 9000, (20, 20, 3))
    deep[..., 2] //= 2  # an image that is poor in blue stays so
    picture = as_picture(deep)
    low, high = np.percentile(deep, [2, 98])
    np.testing.assert_allclose(picture, np.clip((deep - low) / (high - low), 0, 1))
    assert picture[..., 2].mean() < picture[..., 0].mean() - 0.3
    dark = random.integers(0, 40, (20, 20, 3))
    assert as_picture(dark).max() == 1.0


def test_pictures_are_stretched_and_keep_gaps():
    image = np.linspace(0, 4095, 400).reshape(20, 20)
    image[3, 3] = np.nan
    picture = as_picture(image)
    assert np.isnan(picture[3, 3])
    assert (np.nanmin(picture), np.nanmax(picture)) == (0.0, 1.0)
    masked = np.ma.MaskedArray(np.where(np.isnan(image), 9e9, image), np.isnan(image))
    np.testing.assert_array_equal(as_picture(masked), picture)
    assert as_picture(np.ones((2, 3, 200))).shape == (2, 3, 3)
    assert as_picture(np.ones((2, 3, 2))).shape == (2, 3)
    assert np.isnan(as_picture(np.full((2, 2), np.nan))).all()
    with pytest.raises(MmgraphError, match=r"\(height, width\)"):
        as_picture(np.zeros(3))


def test_layers():
    grey = np.array([[0.0, np.nan], [1.0, 0.5]])
    paint = np.zeros((2, 2, 3))
    paint[..., 0] = 1.0
    painted = np.array([[True, True], [False, True]])
    mixed = blended(grey, paint, painted)
    np.testing.assert_allclose(mixed[0], [[0.5, 0, 0], [1.0, 0.5, 0.5]])
    np.testing.assert_allclose(mixed[1, 0], [1, 1, 1])
    strokes = with_strokes(mixed, np.array([[-1, 0], [-1, -1]]), [(0.0, 1.0, 0.0)])
    np.testing.assert_allclose(strokes[0], [[0.5, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(mixed[0, 1], [1.0, 0.5, 0.5])
