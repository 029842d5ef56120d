"""Data sets as searches take them: captions by language, and what stays together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments.retrieval.search_data import (
    ARTISTS,
    GROUPED,
    RANDOM,
    SearchData,
    Vocabulary,
    pictures_digest,
    search_data,
)
from mmgraph.graph.errors import DatasetError


def test_each_vendor_draws_every_emoji_and_says_the_same(drawings):
    data = search_data("emoji", ["zh", "en"])
    assert len(data) == 144
    assert data.language == "zh"
    assert data.texts["en"][73] == data.texts["en"][1] == "red disc, drawing, number 1"
    assert data.texts["zh"][1] == "红圆, 1"
    assert data.sources[71:73] == ["google", "twitter"]
    for codes in data.groupings.values():
        assert (codes[:72] == codes[72:]).all()
    assert data.files is None


def test_clip_art_stays_with_its_artist_unless_that_is_unknown(drawings):
    data = search_data("open_clip_art", ["en"])
    artists = data.groupings[ARTISTS]
    assert artists[0] == artists[4] != artists[1]
    assert artists[3] != artists[7]
    assert len(set(data.groupings[RANDOM])) == 72 == len(data.files)
    assert data.tags[0] == ("red",)
    assert data.categories[0] == "discs"
    assert data.ids[3] == "3.png"
    asked = data.asked_words()
    assert asked["tag to pictures"].words == ["blue", "green", "grey", "red"]
    assert asked["tag to pictures"].said.sum(0).tolist() == [18] * 4


def test_groups_of_several_sets_stay_apart(drawings):
    names = ("open_clip_art", "tux_paint_stamps")
    data = SearchData.union({name: search_data(name, ["en"]) for name in names})
    groups = data.groupings[GROUPED]
    assert len(data) == 80
    assert not set(groups[:72]) & set(groups[72:])
    assert len(set(groups)) == 36 + 8
    assert set(data.categories) == set(names)
    assert len(set(data.sources)) == 2


def test_words_are_ranked_by_how_many_say_them_then_by_name():
    bags = [["b", "b", "a"], ["c", "a"], ["c"], []]
    assert Vocabulary.of(bags).words == ["a", "c", "b"]
    assert Vocabulary.of(bags, most=1).words == ["a"]
    assert Vocabulary.of(bags, least=2).said.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]


def test_digests_are_of_what_is_in_files(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"xy")
    one = pictures_digest([tmp_path / "a"])
    (tmp_path / "b").write_bytes(b"xy")
    assert one == pictures_digest([tmp_path / "b"])
    assert one == pictures_digest([np.frombuffer(b"xy", np.uint8)])
    (tmp_path / "b").write_bytes(b"xz")
    assert one != pictures_digest([tmp_path / "b"])


def test_a_language_that_is_not_there_is_named(drawings):
    with pytest.raises(DatasetError, match=r"has no captions in 'fr' \(there are en"):
        search_data("open_clip_art", ["fr"])


def test_rows_and_files_are_those_of_pictures():
    picture = np.zeros((2, 2, 3), np.uint8)
    data = SearchData.of([None, picture], {"": [["a"], ["b", "c"]]}, groups=["x", "y"])
    left = data.rows([1])
    assert (len(left), left.ids, left.caption(0)) == (1, ["1"], "b, c")
    assert left.groups == [1]
    assert SearchData.of([None, Path("a.png")], data.texts).files == [None, Path("a.png")]
