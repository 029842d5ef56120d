"""Weights of edges: one by one as the formula has it, gaps neutral, borders of the image zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factors.grid import neighbourhood
from mmgraph.spatial.edges import contrast_weights, plain_weights


@pytest.mark.parametrize(("shape", "neighbours"), [((4, 5), 4), ((4, 5), 8), ((3, 2, 4), 26)])
def test_every_edge_has_its_weight(shape: tuple[int, ...], neighbours: int):
    image = np.random.default_rng(0).normal(size=(*shape, 2)) * [1.0, 50.0]
    offsets = neighbourhood(len(shape), neighbours)
    weights = contrast_weights(image, neighbours)
    assert weights.shape == (len(offsets), *shape)
    standard = image / image.reshape(-1, 2).std(0)
    squares, places = [], []
    for number, offset in enumerate(offsets):
        for place in np.ndindex(shape):
            far = tuple(np.add(place, offset))
            if all(0 <= i < n for i, n in zip(far, shape, strict=True)):
                squares.append(float(((standard[place] - standard[far]) ** 2).sum()))
                places.append((number, *place))
            else:
                assert weights[(number, *place)] == 0
    variance = np.mean(squares)
    for square, place in zip(squares, places, strict=True):
        expected = math.exp(-square / (2 * variance)) / math.hypot(*offsets[place[0]])
        assert weights[place] == pytest.approx(expected)
    mm.GridFactor(mm.Variable("label", 2, shape), mm.Potts(), weights, neighbours=neighbours)


def test_gaps_are_neutral():
    image = np.array([[0.0, 0.0, 9.0, np.nan]])[..., None]
    known = contrast_weights(image, 4, distance_scaled=False)
    horizontal = known[[o == (0, 1) for o in neighbourhood(2, 4)].index(True)][0]
    assert horizontal[0] == 1.0
    assert horizontal[2] == pytest.approx(horizontal[:2].mean())
    assert horizontal[3] == 0.0
    masked = contrast_weights(np.nan_to_num(image), 4, missing=np.isnan(image[..., 0]))
    np.testing.assert_allclose(masked, known)


def test_images_without_contrast_or_values_have_even_weights():
    plain = plain_weights((3, 4), 8)
    assert set(np.unique(plain).round(6)) == {0.0, round(1 / math.sqrt(2), 6), 1.0}
    nothing = contrast_weights(np.full((3, 4, 2), np.nan), 8)
    np.testing.assert_allclose(nothing, math.exp(-0.5) * plain)
    assert (plain_weights((1, 1)) == 0).all()


@pytest.mark.parametrize("neighbours", [6, 26])
def test_edges_across_thick_slices_weigh_less(neighbours: int):
    image = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
    offsets = neighbourhood(3, neighbours)
    even = contrast_weights(image, neighbours)
    np.testing.assert_array_equal(contrast_weights(image, neighbours, spacing=(2, 2, 2)), even)
    thick = contrast_weights(image, neighbours, spacing=(10.0, 2.0, 2.0))
    for offset, before, after in zip(offsets, even, thick, strict=True):
        longer = math.hypot(5 * offset[0], *offset[1:]) / math.hypot(*offset)
        np.testing.assert_allclose(after, before / longer)
    plain = plain_weights((3, 4, 5), neighbours, spacing=(5, 1, 1))
    across = offsets.index((1, 0, 0))
    assert set(np.unique(plain[across])) == {0.0, 0.2}
    same = contrast_weights(image, neighbours, spacing=(5, 1, 1), distance_scaled=False)
    np.testing.assert_array_equal(same, contrast_weights(image, neighbours, distance_scaled=False))


@pytest.mark.parametrize("spacing", [(1, 2), (1, 1, 0), (1, 1, -1), (1, 1, math.inf), 5, "many"])
def test_a_spacing_is_one_positive_number_an_axis(spacing: object):
    with pytest.raises(GraphError, match="the spacing must be 3 positive numbers"):
        plain_weights((2, 2, 2), spacing=spacing)


def test_sigma_is_the_contrast_of_an_edge():
    image = np.array([[-1.0, 1.0]])[..., None]
    weights = contrast_weights(image, 4, sigma=2.0)
    assert weights.max() == pytest.approx(math.exp(-0.5))
    for sigma in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(GraphError, match="sigma must be a positive number"):
            contrast_weights(image, sigma=sigma)
    with pytest.raises(GraphError, match="5 neighbours"):
        contrast_weights(image, 5)


def test_what_a_mask_hides_is_missing():
    rng = np.random.default_rng(3)
    image = rng.normal(size=(5, 6, 2))
    hidden = rng.random((5, 6)) < 0.2
    expected = contrast_weights(image, missing=hidden)
    wild = np.where(hidden[..., None], 1e9, image)
    masked = np.ma.array(wild, mask=np.repeat(hidden[..., None], 2, -1))
    np.testing.assert_array_equal(contrast_weights(masked), expected)
    region = np.ma.array(np.zeros((5, 6), bool), mask=hidden)
    np.testing.assert_array_equal(contrast_weights(image, missing=region), expected)
    backwards = image[::-1].astype(">f8")[::-1]
    np.testing.assert_array_equal(contrast_weights(backwards, missing=hidden), expected)


def test_a_masked_spacing_is_refused():
    masked = np.ma.MaskedArray([5.0, 1.0, 1.0], [True, False, False])
    for spacing in (masked, [np.ma.masked, 1.0, 1.0]):
        with pytest.raises(GraphError, match=r"the spacing must be .* a mask hides 1 of 3 numbers"):
            plain_weights((2, 2, 2), spacing=spacing)
    unmasked = np.ma.MaskedArray([5.0, 1.0, 1.0], False)
    np.testing.assert_array_equal(
        plain_weights((2, 2, 2), spacing=unmasked), plain_weights((2, 2, 2), spacing=(5, 1, 1))
    )
