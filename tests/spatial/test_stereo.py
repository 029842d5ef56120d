"""Stereo: the matching cost against plain loops, the graph's parts, a scene of two planes."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.spatial.stereo import (
    colour_difference_weights,
    disparity,
    matching_cost,
    mutual_matches,
    stereo_graph,
    winner_takes_all,
)


def two_planes(height: int = 24, width: int = 48) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left and right images of a square, 7 pixels shifted, before a plane shifted by 2."""
    generator = np.random.default_rng(0)
    texture = generator.integers(0, 256, (height, width + 16, 3)).astype(np.uint8)
    near = generator.integers(0, 256, (10, 14, 3)).astype(np.uint8)
    left, right = texture[:, 8 : 8 + width].copy(), texture[:, 10 : 10 + width].copy()
    truth = np.full((height, width), 2)
    left[6:16, 20:34] = near
    truth[6:16, 20:34] = 7
    right[6:16, 13:27] = near
    return left, right, truth


def census(image: np.ndarray, y: int, x: int, rows: int, columns: int) -> list[bool]:
    grey = image.mean(2)
    height, width = grey.shape
    return [
        grey[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)] < grey[y, x]
        for dy in range(-(rows // 2), rows // 2 + 1)
        for dx in range(-(columns // 2), columns // 2 + 1)
        if dy or dx
    ]


def test_matching_cost_against_loops():
    left, right = (image[6:14, 15:27] for image in two_planes()[:2])
    costs = matching_cost(left, right, 5, census_window=(3, 5), census_scale=4.0)
    for y, x, d in [(0, 0, 0), (3, 7, 2), (7, 11, 4), (5, 4, 4)]:
        unlike = sum(
            a != b
            for a, b in zip(census(left, y, x, 3, 5), census(right, y, x - d, 3, 5), strict=True)
        )
        difference = np.abs(left[y, x].astype(float) - right[y, x - d]).mean()
        expected = 2 - np.exp(-unlike / 4) - np.exp(-difference / 10)
        assert costs[y, x, d] == pytest.approx(expected, abs=1e-5)


def test_what_lies_outside_prefers_nothing():
    left, right, _ = two_planes()
    costs = matching_cost(left, right, 9)
    np.testing.assert_array_equal(costs[:, 3, 3:], np.repeat(costs[:, 3, 3:4], 6, 1))


def test_aggregation_averages():
    left, right, _ = two_planes()
    plain, wide = (matching_cost(left, right, 4, aggregation=n) for n in (1, 3))
    assert wide[5, 9, 2] == pytest.approx(plain[4:7, 8:11, 2].mean(), abs=1e-5)


def test_equal_images_match_at_no_shift():
    left, _, _ = two_planes()
    costs = matching_cost(left, left, 6)
    assert (costs[:, :, 0] == 0).all()
    assert (winner_takes_all(costs) == 0).all()
    assert mutual_matches(costs).all()


def test_hidden_pixels_have_no_mutual_match():
    left, right, _ = two_planes()
    found = mutual_matches(matching_cost(left, right, 10))
    # Beside the near square's left edge, five columns are hidden behind it in the right image.
    assert found[8:14, 15:20].mean() < 0.5
    assert found[8:14, 23:31].mean() > 0.9


def test_the_field_finds_both_planes():
    left, right, truth = two_planes()
    best = disparity(left, right, 10, iterations=20)
    found = best["disparity"][0].numpy()
    alone = winner_takes_all(matching_cost(left, right, 10))
    wrong, wrong_alone = ((np.abs(x - truth) > 1).mean() for x in (found, alone))
    assert wrong < 0.06
    assert wrong < wrong_alone
    assert best.lower_bound is not None
    assert float(best.lower_bound) <= float(best.energy) + 1e-6


def test_energy_is_what_the_parts_add_up_to():
    left, right = (image[:6, :9] for image in two_planes()[:2])
    costs = matching_cost(left, right, 4)
    graph = stereo_graph(costs, left, strength=0.5, truncation=2.0, unmatched=1.0)
    states = np.random.default_rng(1).integers(0, 4, (6, 9))
    weights = colour_difference_weights(left, strength=0.5)
    expected = np.take_along_axis(costs, states[..., None], 2).sum()
    for number, (dy, dx) in enumerate(((0, 1), (1, 0))):
        gap = np.abs(states[: 6 - dy, : 9 - dx] - states[dy:, dx:]).clip(max=2)
        expected += (weights[number, : 6 - dy, : 9 - dx] * gap).sum()
    assert float(graph.energy({"disparity": states})) == pytest.approx(expected, rel=1e-5)


def test_unmatched_pixels_say_less():
    left, right, _ = two_planes()
    costs = matching_cost(left, right, 10)
    graph = stereo_graph(costs, left, unmatched=0.25)
    log_values = graph.factors[0].log_values.numpy()
    mutual = mutual_matches(costs)
    np.testing.assert_allclose(log_values[mutual], -costs[mutual])
    np.testing.assert_allclose(log_values[~mutual], -0.25 * costs[~mutual])


def test_colour_difference_weights():
    image = np.zeros((3, 4))
    image[:, 2:] = 100.0
    weights = colour_difference_weights(
        image, strength=2.0, across_edges=0.25, scale=10.0, neighbours=8
    )
    assert weights.shape == (4, 3, 4)
    assert weights[0, 0, 0] == 2.0
    assert weights[0, 0, 1] == pytest.approx(2.0 * (0.25 + 0.75 * np.exp(-10)))
    assert weights[1, 0, 1] == 2.0
    # A diagonal of the even part is as much longer as it is weaker.
    assert sorted(set(np.round(weights[2:, 0].ravel(), 4))) == [
        0.0,
        pytest.approx(0.3536, abs=1e-4),
        pytest.approx(1.4142, abs=1e-4),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disparities": 0}, "0 disparities"),
        ({"disparities": 100}, "100 disparities in images 48 pixels wide"),
        ({"census_window": (4, 5)}, "odd sides"),
        ({"census_window": (9, 9)}, "at most 65 pixels"),
        ({"colour_scale": 0.0}, "must be positive"),
        ({"aggregation": 2}, "must be odd"),
        ({"right": np.zeros((24, 47, 3))}, "right one"),
        ({"left": np.full((24, 48, 3), np.nan)}, "not finite"),
        ({"left": np.zeros(5)}, "left image is no image"),
    ],
)
def test_bad_matching(change: dict, message: str):
    left, right, _ = two_planes()
    with pytest.raises(MmgraphError, match=message):
        matching_cost(**({"left": left, "right": right, "disparities": 8} | change))


def test_bad_graph():
    costs = np.zeros((4, 5, 3), np.float32)
    with pytest.raises(MmgraphError, match="4 x 6"):
        stereo_graph(costs, np.zeros((4, 6)))
    with pytest.raises(MmgraphError, match="unmatched"):
        stereo_graph(costs, np.zeros((4, 5)), unmatched=2.0)
    with pytest.raises(MmgraphError, match="across_edges 3"):
        colour_difference_weights(np.zeros((4, 5)), across_edges=3.0)
