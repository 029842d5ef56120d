"""Pairs that are held out, captions, and figures of scores made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.experiments.retrieval.garments import Drawing, garment_drawings
from mmgraph.experiments.retrieval.recoloured import coloured_garments, unseen_pair_figures
from mmgraph.experiments.retrieval.recolouring import COLOURS
from mmgraph.retrieval.retriever import Retriever

SQUARE = np.full((4, 4, 4), 255, np.uint8)
NAMES = [{"en": f"g{i:02}", "zh": f"衣{i}", "es": f"ropa {i}"} for i in range(22)]


def test_every_garment_and_colour_remains_and_no_pair_is_on_both_sides():
    made = coloured_garments([Drawing(n, s, SQUARE) for n in NAMES for s in ("a", "b")])
    pairs = made.garments * 11 + made.colours
    assert not set(pairs[made.held_out]) & set(pairs[~made.held_out])
    assert np.bincount(made.garments[~made.held_out]).tolist() == [16] * 22
    assert np.bincount(made.colours[~made.held_out]).tolist() == [32] * 11
    queries = made.one_of_each_pair(made.held_out)
    assert len(queries) == 66
    assert set(pairs[queries]) == set(pairs[made.held_out])


def test_captions_and_pictures_say_the_same_of_each_row():
    made = coloured_garments([Drawing(NAMES[1], "a", SQUARE), Drawing(NAMES[0], "b", SQUARE)])
    red = list(COLOURS).index("red")
    assert [captions[red] for captions in made.captions.values()] == [
        "red g01",
        "红色衣1",
        "ropa 1 de color rojo",
    ]
    assert made.captions["en"][11 + red] == "red g00"
    assert made.sources == ["a"] * 11 + ["b"] * 11
    assert made.garments.tolist() == [1] * 11 + [0] * 11
    seen = np.array([picture[0, 0, :3] for picture in made.pictures[:11]], int)
    wanted = np.array(list(COLOURS.values()))
    nearest = ((seen[:, None] - wanted) ** 2).sum(2).argmin(1)
    assert nearest.tolist() == list(range(11))


def test_first_hits_are_right_in_part():
    made = coloured_garments([Drawing(n, "a", SQUARE) for n in NAMES[:2]])
    items = np.arange(22)
    scores = np.zeros((4, 22))
    scores[0, 0] = 1  # both
    scores[1, 12] = 1  # of g01, the colour of query 1
    scores[2, 5] = 1  # of g00, another colour
    found = made.figures(scores, np.arange(4), items)  # the last finds all alike
    assert found == {
        "recall_at_1": 0.25,
        "recall_at_10": 0.25,
        "colour_right": 0.5,
        "garment_right": 0.5,
    }


@pytest.mark.slow
def test_a_red_dress_is_found_that_no_example_was_like():
    made = coloured_garments(
        garment_drawings(datasets.load("emoji"), datasets.load("tux_paint_stamps"))
    )
    finder = Retriever(image="pixels")
    features = finder.picture_features(made.pictures)
    figures = unseen_pair_figures(finder, made, features)
    assert list(figures) == ["en", "zh", "es"]
    for found in figures.values():
        assert found["text_to_picture"]["recall_at_1"] > 0.95
        assert found["picture_to_text"]["recall_at_1"] > 0.9
    found = unseen_pair_figures(finder, made, features, "google")["en"]["text_to_picture"]
    assert found["colour_right"] > 0.95
    assert found["garment_right"] > 0.6
