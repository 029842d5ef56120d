"""Colours and shapes of pictures, against pictures whose answer is known."""

from __future__ import annotations

import numpy as np
import torch

from mmgraph.retrieval.images import pixels
from mmgraph.retrieval.images.pixels import Pixels

FEATURES = Pixels()
CELLS, _, _, COLOUR, SILHOUETTE, _ = range(6)
STARTS = np.cumsum((0, *FEATURES.widths))


def kind(values: np.ndarray, number: int) -> np.ndarray:
    return values[:, STARTS[number] : STARTS[number + 1]]


def disc(colour: tuple[int, ...], radius: int, hole: int = 0, side: int = 128) -> np.ndarray:
    offsets = np.arange(side) - (side - 1) / 2
    distance = np.hypot(offsets, offsets[:, None])
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[(distance < radius) & (distance >= hole)] = colour
    return picture


def test_lab_of_known_colours():
    # Lindbloom's calculator, under D65.
    colours = torch.tensor([[[[255, 0, 0], [0, 0, 255], [255, 255, 255], [119, 119, 119]]]])
    lab = pixels._cielab(colours.byte())[0, :, 0].T
    known = [[53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [100, 0, 0], [50.03, 0, 0]]
    np.testing.assert_allclose(lab, known, atol=0.02)


def test_white_paper_does_not_count():
    shares = kind(FEATURES.features([disc((255, 0, 0), r) for r in (60, 20, 6)]), COLOUR)
    red = pixels._NAMED_COLOURS.index((255, 0, 0))
    assert (shares.argmax(1) == red).all()
    assert (shares[:, red] > 0.8).all()


def test_holes_belong_to_the_silhouette():
    whole, ring = FEATURES.features([disc((0, 0, 0), 50), disc((0, 0, 0), 50, 40)])[:, None]
    np.testing.assert_array_equal(kind(whole, SILHOUETTE), kind(ring, SILHOUETTE))
    assert np.abs(kind(whole, CELLS) - kind(ring, CELLS)).max() > 0.1
    # π / 4 of the square of the disc, which is 88 % of the square wide.
    np.testing.assert_allclose(kind(whole, SILHOUETTE).mean(), np.pi / 4 * 0.88**2, atol=0.05)


def test_gradients_of_a_mirrored_picture_are_mirrored():
    square = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    square[:, 0, 0] = square[:, 0, -1] = 255
    one, other = (
        kind(FEATURES.of_squares(s.copy()), CELLS).reshape(16, 8, 8)
        for s in (square, square[:, :, ::-1])
    )
    mirrored = one[(8 - np.arange(16)) % 16][..., ::-1]
    np.testing.assert_allclose(other, mirrored, atol=2e-3)


def test_a_step_in_brightness_has_one_direction():
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    picture[:, :, 28:] = 255  # brighter to the right: direction zero
    cells = kind(FEATURES.of_squares(picture), CELLS).reshape(16, 8, 8)
    assert (cells[0, :, 3] > 0.5).all()
    np.testing.assert_array_equal(cells[1:], 0)


def test_empty_pictures_are_finite_and_the_batch_does_not_matter():
    pictures = [np.ones((1, 1)), disc((0, 0, 255), 30), np.zeros((3, 5))]
    values = FEATURES.features(pictures)
    assert np.isfinite(values).all()
    assert values.shape == (3, FEATURES.width)
    for picture, row in zip(pictures, values, strict=True):
        np.testing.assert_allclose(FEATURES.features([picture])[0], row, atol=1e-5)
