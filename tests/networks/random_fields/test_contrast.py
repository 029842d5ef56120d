"""The contrast of edges: the likeness of their ends, and what is not known of it."""

from __future__ import annotations

import numpy as np

from mmgraph.graph.factors.grid import neighbourhood
from mmgraph.networks.random_fields.contrast import differences, edge_contrast


def test_the_mean_square_is_the_scale_where_none_is_given():
    squares = np.array([0.0, 1.0, 5.0, np.nan])
    found = edge_contrast(squares)
    assert (found.mean_square, found.known) == (2.0, 3)
    np.testing.assert_allclose(found.likeness, np.exp(-squares / 4.0))
    np.testing.assert_allclose(edge_contrast(squares, 3.0).likeness, np.exp(-squares / 18.0))


def test_without_contrast_only_equal_ends_are_alike():
    assert edge_contrast(np.zeros(3)).likeness.tolist() == [1.0, 1.0, 1.0]
    assert edge_contrast(np.array([0.0, 4.0]), 0.0).likeness.tolist() == [1.0, 0.0]
    nothing = edge_contrast(np.full(2, np.nan))
    assert (nothing.mean_square, nothing.known) == (0.0, 0)
    assert np.isnan(nothing.likeness).all()


def test_edges_that_leave_the_grid_have_no_distance():
    image = np.arange(6.0, dtype=np.float32).reshape(2, 3, 1) ** 2
    across, down = neighbourhood(2, 4)
    found = differences(image, (across, down), lambda some, others: np.abs(some - others).sum(-1))
    assert found.dtype == np.float32
    by_offset = dict(zip((across, down), found, strict=True))
    np.testing.assert_array_equal(by_offset[0, 1], [[1, 3, np.nan], [7, 9, np.nan]])
    np.testing.assert_array_equal(by_offset[1, 0], [[9, 15, 21], [np.nan] * 3])
