"""Folders of pictures with a table of captions."""

from __future__ import annotations

import pytest

from mmgraph.data.images.captioned_folder import read_captioned_folder
from mmgraph.graph.errors import FormatError, UnknownVariableError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("cat.png", "dog.gif", "more/car.jpg"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder, table):
    (folder / "captions.csv").write_text(table, encoding="utf-8")
    return read_captioned_folder(folder)


def test_captions_of_a_picture_are_gathered(folder):
    found = read(
        folder,
        "file,caption,group\ncat.png,a cat,pets\nmore/car.jpg,,\ncat.png,猫,\ndog.gif,a dog,pets\n",
    )
    assert found.images == [folder / name for name in ("cat.png", "more/car.jpg", "dog.gif")]
    assert found.texts == [["a cat", "猫"], [], ["a dog"]]
    assert found.ids == ["cat.png", "more/car.jpg", "dog.gif"]
    assert found.groups[0] == found.groups[2] == "pets"
    assert found.groups[1] not in ("", "pets")
    assert read(folder, "caption,file\na cat,cat.png\n").groups is None


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("file,captoin\n", UnknownVariableError, "no column 'caption'; did you mean 'captoin'"),
        ("file,caption\n", FormatError, r"captions\.csv names no picture"),
        ("file,caption\ncat.png,a\n\ncow.png,b\n", FormatError, "line 4: .* no file 'cow.png'"),
        ("file,caption\n,a\n", FormatError, "line 2: .* no file ''"),
        ("file,caption\ncat.png\n", FormatError, "line 2: expected 2 cells"),
    ],
)
def test_bad_tables_are_named_with_the_line(folder, table, error, message):
    with pytest.raises(error, match=message):
        read(folder, table)


def test_a_folder_without_a_table(folder):
    with pytest.raises(FormatError, match=r"no file .*captions\.csv"):
        read_captioned_folder(folder)
