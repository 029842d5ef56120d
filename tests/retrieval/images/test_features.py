"""Features of several pictures, whatever they come from."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError, LearningError, MemoryBudgetError
from mmgraph.retrieval.images import features
from mmgraph.retrieval.images.features import ImageFeatures
from mmgraph.retrieval.images.named import IMAGE_FEATURES, image_features


class Means(ImageFeatures):
    name, size, batch, widths = "means", 8, 2, (1, 2)

    def of_squares(self, squares):
        assert len(squares) <= self.batch
        return squares.mean((1, 2), dtype=np.float32)


def test_a_row_for_each_picture_and_none_where_there_is_none():
    calls: list[tuple[int, int]] = []
    pictures = [np.full((2, 2), value) for value in (0.0, 0.2, 0.4)]
    values = Means().features(
        [pictures[0], None, pictures[1], None, None, None, pictures[2]],
        progress=lambda *call: calls.append(call),
    )
    assert values.dtype == np.float32
    expected = [0, np.nan, 51, np.nan, np.nan, np.nan, 102]
    np.testing.assert_array_equal(values, np.repeat(np.float32(expected)[:, None], 3, 1))
    assert calls == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert Means().features([]).shape == (0, Means().width)


def test_bad_pictures_are_named_and_memory_is_counted(monkeypatch):
    with pytest.raises(FormatError, match="image 2 cannot be read"):
        Means().features([None, np.zeros((1, 1)), b"nothing"])
    monkeypatch.setattr(features, "default_memory_budget", lambda: 100)
    with pytest.raises(MemoryBudgetError, match="the features of 9 images would need 108 B"):
        Means().features([None] * 9)


def test_features_have_names():
    for name, kind in IMAGE_FEATURES.items():
        assert type(image_features(name)) is kind
        assert kind.name == name
    with pytest.raises(LearningError, match="'pixel'; did you mean 'pixels'"):
        image_features("pixel")
