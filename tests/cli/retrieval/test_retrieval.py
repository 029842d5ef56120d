"""``mmgraph new retrieval``, ``index`` and ``search`` on a folder of coloured shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {"red": (200, 20, 20), "green": (20, 160, 40), "blue": (30, 60, 220)}
SHAPES = ("square", "bar", "frame")


def drawing(colour: tuple[int, int, int], shape: str, size: int) -> Image.Image:
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[16 - size : 16 + size, 16 - size : 16 + size] = colour
    if shape == "frame":
        pixels[20 - size : 12 + size, 20 - size : 12 + size] = 255
    if shape == "bar":
        pixels[: 22 - size] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 45 shapes, one of them without a caption, and its declaration."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shop"
    folder.mkdir()
    lines = ["file,caption,group"]
    for colour, paint in COLOURS.items():
        for shape in SHAPES:
            for size in range(5, 10):
                name = f"{colour} {shape} {size}.png"
                drawing(paint, shape, size).save(folder / name)
                caption = "" if size == 9 and shape == "bar" else f"{colour} {shape}"
                lines.append(f"{name},{caption},{name}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "my.toml").write_text('kind = "retrieval"\n[data]\nfolder = "shop"\n')
    return folder


def test_a_folder_is_declared_indexed_and_searched(mmgraph, shop: Path):
    code, out, err = mmgraph("new", "retrieval", "shop")
    assert (code, err) == (0, "mmgraph: 45 pictures, 42 of them with captions\n")
    Path("new.toml").write_text(out)
    code, out, err = mmgraph("index", "new.toml", "--output", "shop.mmgraph")
    assert (code, out) == (0, "")
    assert "wrote shop.mmgraph: 45 pictures to be searched" in err
    code, out, err = mmgraph("search", "shop.mmgraph", "red bar", "--picture", "hits.png")
    assert code == 0
    assert out.count("red bar") == 9
    assert Path("hits.png").stat().st_size > 0
    hits = json.loads(mmgraph("search", "shop.mmgraph", "red bar", "--k", "3", "--json")[1])["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert all(hit["id"].startswith("red bar") for hit in hits)
    assert all(0 <= hit["probability"] <= 1 for hit in hits)
    assert "`mmgraph search shop.mmgraph WORDS` asks it" in mmgraph("infer", "shop.mmgraph")[2]
    drawing(COLOURS["blue"], "frame", 8).save("asked.png")
    found = mmgraph("search", "shop.mmgraph", "--image", "asked.png", "--k", "1", "--json")[1]
    assert json.loads(found)["hits"][0]["caption"] == "blue frame"


def test_captions_in_two_languages_are_both_searched(mmgraph, shop: Path):
    chinese = dict(zip((*COLOURS, *SHAPES, ""), (*"红绿蓝方条框", ""), strict=True))
    table = shop / "captions.csv"
    rows = [line.split(",")[:2] for line in table.read_text().splitlines()[1:]]
    lines = [f"{name},{text},{''.join(map(chinese.get, text.split(' ')))}" for name, text in rows]
    table.write_text("\n".join(["image,en,zh", *lines, ",red disc,红圆", ""]), encoding="utf-8")
    code, out, err = mmgraph("new", "retrieval", "shop")
    assert (code, err) == (0, "mmgraph: 45 pictures, 42 of them with captions\n")
    Path("my.toml").write_text(out)
    assert "45 pictures to be" in mmgraph("index", "my.toml", "--output", "shop.mmgraph")[2]
    queries = {"red frame": "red frame ", "红框": "red frame ", "red disc": "red "}
    for query, beginning in queries.items():
        found = json.loads(mmgraph("search", "shop.mmgraph", query, "--k", "3", "--json")[1])
        assert [hit["id"].startswith(beginning) for hit in found["hits"]] == [True] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("my.toml", '"shop"', '"shopp"'), "shopp/captions.csv"),
        (("my.toml", "[data]", "[dta]"), "there is no place for 'dta'; did you mean 'data'?"),
        (("my.toml", "[data]", '[data]\ndataset = "emoji"'), "[data] names both: folder"),
        (("my.toml", "[data]", '[retrieval]\nimage = "pixls"\n[data]'), "did you mean 'pixels'"),
        (("my.toml", "[data]", '[retrieval]\ntext = "word"\n[data]'), "did you mean 'words'"),
        (("shop/captions.csv", "red bar 5.png", "red bar 55.png"), "shop/red bar 55.png"),
        (("shop/captions.csv", "caption", "captoin"), "'captoin'; did you mean 'caption'"),
        (("shop/red bar 6.png", None, ""), "red bar 6.png"),
    ],
)
def test_what_cannot_be_indexed(mmgraph, shop: Path, change: tuple, message: str):
    file, old, new = change
    path = Path(file)
    path.write_text(new if old is None else path.read_text().replace(old, new, 1))
    code, out, err = mmgraph("index", "my.toml", "--output", "shop.mmgraph")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("shop.mmgraph").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "my.toml", "red"), "my.toml is a declaration: mmgraph index my.toml"),
        (("search", "asia", "red"), "asia holds a BayesianNetwork"),
        (("search", "shop.mmgraph", "red"), "no network called 'shop.mmgraph'"),
        (("search", "asia", "red", "--picture", "hits.gif"), "found '.gif'"),
        (("index", "my.toml", "--output", "shop.toml"), "found '.toml'"),
        (("new", "retrieval", "shop", "--schema", "s.toml"), "has no --schema"),
    ],
)
def test_wrong_arguments(mmgraph, shop: Path, arguments: tuple, message: str):
    code, out, err = mmgraph(*arguments)
    assert (code, out) == (2, "")
    assert message in err
