"""Pieces of labelled pixels, and whether they were drawn or fell at random."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.spatial.annotations.strokes import are_strokes, pieces


def test_pieces_touch_at_corners_and_are_of_one_class():
    drawing = np.full((5, 6), -1)
    drawing[0, 0] = drawing[1, 1] = 0
    drawing[1, 2] = 1
    drawing[4, 5] = 0
    places, codes = np.argwhere(drawing >= 0), drawing[drawing >= 0]
    assert len(set(pieces(places, codes).tolist())) == 3
    number = dict(zip(map(tuple, places.tolist()), pieces(places, codes).tolist(), strict=True))
    assert number[0, 0] == number[1, 1]
    volume = np.argwhere(np.ones((2, 2, 2)))
    assert pieces(volume, np.zeros(8, int)).tolist() == [0] * 8


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.6, 1.0])
def test_pixels_at_random_are_no_strokes(share: float):
    assert not are_strokes(np.random.default_rng(0).random((60, 80)) < share)
    assert not are_strokes(np.random.default_rng(0).random((6, 20, 30)) < share)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_lines_and_patches_are_strokes(width: int):
    drawn = np.zeros((60, 80), bool)
    drawn[10 : 10 + width, 5:60] = True
    drawn[30:55, 20 : 20 + width] = True
    diagonal = np.zeros((60, 80), bool)
    diagonal[np.arange(40), np.arange(40)] = True
    assert are_strokes(drawn)
    assert are_strokes(diagonal)
    assert not are_strokes(np.zeros((3, 3), bool))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_strokes_on_the_slices_of_a_volume(axis: int):
    slices = np.zeros((9, 20, 30), bool)
    slices[2, 5, 3:20] = slices[6, 12, 8:25] = True
    assert are_strokes(np.moveaxis(slices, 0, axis))
