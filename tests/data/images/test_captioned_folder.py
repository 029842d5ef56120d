"""Folders of pictures with a table of captions."""

from __future__ import annotations

import pytest
from PIL import Image

from mmgraph.data.images.captioned_folder import read_captioned_folder
from mmgraph.graph.errors import FormatError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("cat.png", "dog.gif", "more/car.jpg"):
        Image.new("RGB", (3, 2), "red").save(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"no image")
    return tmp_path


def read(folder, table, **options):
    (folder / "captions.csv").write_text(table, encoding=options.get("encoding", "utf-8"))
    return read_captioned_folder(folder, **options)


def test_captions_of_a_picture_are_gathered(folder):
    found = read(
        folder,
        "file,caption,group,id\ncat.png, a cat,,\nmore/car.jpg,,,\n./cat.png,猫,pets,c\n"
        ",no picture,,\ndog.gif,a dog,pets,d\ncat.png,,,c\n",
    )
    names = ["cat.png", "more/car.jpg", None, "dog.gif"]
    assert found.images == [name and folder / name for name in names]
    assert found.texts == [["a cat", "猫"], [], ["no picture"], ["a dog"]]
    assert found.ids == ["c", "more/car.jpg", "row 3", "d"]
    assert found.groups[0] == found.groups[3] == "pets"
    assert len({*found.groups, ""}) == 4
    assert read(folder, "text,image\na cat,./cat.png\n")[1:] == ([["a cat"]], ["cat.png"], None)


def test_a_column_for_each_language(folder):
    table = "image;en;zh;pt-BR\ncat.png;cat;猫;\ndog.gif;;狗;cão\n"
    found = read(folder, table, separator=";", encoding="utf-16")
    assert found.texts == {"en": [["cat"], []], "zh": [["猫"], ["狗"]], "pt-BR": [[], ["cão"]]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,captoin\n", "line 1: unknown column 'captoin'; did you mean 'caption'"),
        ("caption\na cat\n", "line 1: the columns are caption; expected 'file'"),
        ("image,id\n", "line 1: the columns are image, id; expected"),
        ("image,caption,en\n", "line 1: the columns are image, caption, en; expected"),
        ("image,file,text\n", "line 1: the columns 'image' and 'file' are both the file"),
        ("file,caption\n,a cat\n", r"captions\.csv names no picture"),
        ("file,caption\ncat.png,a\n\ncow.png,b\n", r"line 4: there is no image .*cow\.png"),
        ("image,text\nbad.png,a\n", r"line 2: .*bad\.png cannot be read as an image"),
        ("image,text\nmore/.,a\n", r"line 2: .*more cannot be read as an image"),
        ("image,en,zh\n\ncat.png,a,\n,, \n", "line 4: there is neither a file nor a caption"),
        ("file,text,id\ncat.png,,1\n\ndog.gif,,1\n", "line 4: the id '1' is that of line 2 too"),
        ("file,text,id\ncat.png,,\n,a,cat.png\n", "line 3: the id 'cat.png' is that of line 2"),
        ("file,text,id\ncat.png,,1\ncat.png,b,2\n", "line 3: 'cat.png' has the id '2', and '1' in"),
        (
            "file,text,group\ncat.png,,\ncat.png,,1\n./cat.png,,2\n",
            "line 4: 'cat.png' has the group '2', and '1' in line 3",
        ),
        ("file,caption\ncat.png\n", "line 2: expected 2 cells"),
    ],
)
def test_bad_tables_are_named_with_the_line(folder, table, message):
    with pytest.raises(FormatError, match=message) as error:
        read(folder, table)
    assert "captions.csv" in str(error.value)


def test_a_folder_without_a_table(folder):
    with pytest.raises(FormatError, match=r"no file .*captions\.csv"):
        read_captioned_folder(folder)
