"""What is right in a fold, by places made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mmgraph.experiments.retrieval.fold_search import FoldSearch
from mmgraph.experiments.retrieval.search_data import SearchData


def search(places: np.ndarray, **texts: list[str | None]) -> FoldSearch:
    """A fold whose captions lie where their pictures do, in all languages but the last."""
    data = SearchData.of([None] * len(places), texts)

    def text_places(asked: dict[str, list[str | None]]) -> np.ndarray:
        (language, rows), *_ = asked.items()
        there = np.array([[row is not None] for row in rows])
        return there * (places if language == next(iter(texts)) else places[::-1])

    model = SimpleNamespace(text_places=text_places, calibrations={})
    return FoldSearch(data, model, np.arange(len(places)), places)


def test_equal_captions_are_right_and_pictures_without_one_are_not_asked():
    made = search(np.eye(4, dtype=np.float32)[[0, 0, 2, 3]], en=["a", "a", "b", None]).pairs()
    assert made["text to picture"]["recall_at_1"].tolist() == [1, 1, 1]
    assert made["picture to text"]["group"].tolist() == [0, 1, 2]
    other = search(np.eye(4, dtype=np.float32)[[0, 0, 2, 3]], en=["a", "c", "b", "d"]).pairs()
    assert other["text to picture"]["recall_at_1"].tolist() == [0, 0, 1, 1]


def test_overlaps_are_of_the_first_ten_hits():
    circle = np.linspace(0, np.pi, 40)
    places = np.stack([np.cos(circle), np.sin(circle)], 1).astype(np.float32)
    names = [str(n) for n in range(40)]
    shared = search(places, en=names, zh=names).languages()["same hits in en and zh"]["overlap"]
    assert shared[0] == shared[-1] == 0
    assert shared[19] > 0.8
