"""Data sets as searches take them: captions by language, and what stays together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments.retrieval.search_data import (
    SearchData,
    Vocabulary,
    pictures_digest,
    search_data,
)
from mmgraph.graph.errors import DatasetError


def test_each_vendor_draws_every_emoji_and_says_the_same(drawings):
    data = search_data("emoji", ["zh", "en"])
    assert len(data) == 144
    assert data.texts["en"][73] == data.texts["en"][1] == "red disc, n1"
    assert data.caption(1) == "红圆, n1"
    assert data.sources[71:73] == ["google", "twitter"]
    for codes in data.groupings.values():
        assert (codes[:72] == codes[72:]).all()


def test_clip_art_stays_with_its_artist_unless_that_is_unknown(drawings):
    data = search_data("open_clip_art", ["en"])
    artists = data.groupings["artists"]
    assert artists[0] == artists[4] != artists[1]
    assert artists[3] != artists[7]
    assert len(set(data.groupings["random"])) == 72
    assert (data.tags[0], data.categories[0], data.ids[3]) == (("red",), "discs", "3.png")
    tags = data.asked_words()["tag to pictures"]
    assert tags.words == ["blue", "green", "grey", "red"]
    assert tags.said.sum(0).tolist() == [18] * 4


def test_groups_and_sources_of_several_sets_stay_apart(drawings):
    names = ("open_clip_art", "tux_paint_stamps")
    data = SearchData.union({name: search_data(name, ["en"]) for name in names})
    groups = data.groupings["grouped"]
    assert not set(groups[:72]) & set(groups[72:])
    assert len(set(groups)) == 36 + 8
    assert [data.categories.count(name) for name in names] == [72, 8]
    assert len(set(data.sources)) == 2


def test_words_are_ranked_by_how_many_say_them_then_by_name():
    bags = [["b", "b", "a"], ["c", "a"], ["c"], []]
    assert Vocabulary.of(bags).words == ["a", "c", "b"]
    assert Vocabulary.of(bags, most=1).words == ["a"]
    assert Vocabulary.of(bags, least=2).said.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]


def test_pictures_are_told_apart_by_what_is_in_their_files(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"xy")
    picture = np.frombuffer(b"xy", np.uint8)
    assert pictures_digest([None, picture]) == pictures_digest([None, tmp_path / "a"])
    assert pictures_digest([picture]) != pictures_digest([picture[:1]])
    assert SearchData.of([None, picture], {"": ["a", "b"]}).files is None
    assert SearchData.of([None, tmp_path], {"": ["a", "b"]}).files == [None, tmp_path]


def test_a_language_that_is_not_there_is_named(drawings):
    with pytest.raises(DatasetError, match=r"has no captions in 'fr' \(there are en"):
        search_data("open_clip_art", ["fr"])
