"""Patches of images beside a loop over their pixels; principal bands beside eigenvectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import LearningError
from mmgraph.spatial import image_patches, principal_bands


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 5, 9]), st.data())
def test_a_patch_is_what_lies_around_its_pixel(height, width, side, data):
    image = np.random.default_rng(0).normal(size=(height, width, 2))
    pixels = data.draw(st.lists(st.integers(0, height * width - 1), max_size=4))
    cut = image_patches(image, pixels, side)
    assert cut.shape == (len(pixels), side, side, 2)
    for patch, pixel in zip(cut, pixels, strict=True):
        for down in range(side):
            for along in range(side):
                y = pixel // width + down - side // 2
                x = pixel % width + along - side // 2
                if 0 <= y < height and 0 <= x < width:
                    assert np.array_equal(patch[down, along], image[y, x])
                else:
                    assert np.isnan(patch[down, along]).all()


def test_an_image_of_one_channel_needs_no_axis_of_it():
    image = np.arange(12).reshape(3, 4)
    assert image_patches(image, [5], 3)[0, :, :, 0].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]


def test_principal_bands_are_those_of_the_pixels_that_are_learned_from():
    generator = np.random.default_rng(1)
    image = generator.normal(size=(6, 5, 3)) @ generator.normal(size=(3, 4)) + 10
    pixels = np.arange(0, 30, 2)
    learned = image.reshape(-1, 4)[pixels]
    bands = principal_bands(image, pixels, 2)
    values, vectors = np.linalg.eigh(np.corrcoef(learned.T))
    standard = (image - learned.mean(0)) / learned.std(0)
    for place in range(2):
        expected = standard @ vectors[:, -1 - place]
        assert abs(np.sum(bands[:, :, place] * expected)) == pytest.approx(np.sum(expected**2))
    assert bands.reshape(-1, 2)[pixels].var(0) == pytest.approx(values[:-3:-1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_patches(np.ones((4, 4)), [0], 2), "odd number of pixels wide, not 2"),
        (lambda: image_patches(np.ones((4, 4)), [16], 3), "no pixel 16: the image has 16"),
        (lambda: image_patches(np.ones((4, 4)), [-1], 3), "no pixel -1"),
        (lambda: image_patches(np.ones((4, 4)), [0.5], 3), "pixels are whole numbers"),
        (lambda: image_patches(np.ones(4), [0], 3), "two axes or three, not 1"),
        (lambda: principal_bands(np.ones((4, 4, 2)), [0, 1], 3), "1 to 2 components of 2 bands"),
        (lambda: principal_bands(np.full((2, 2, 2), np.nan), [0], 1), "without missing cells"),
    ],
)
def test_what_cannot_be_cut(call, message):
    with pytest.raises(LearningError, match=message):
        call()
