from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.graph.errors import MissingExtraError
from tests.datasets.packages.made import tgz

# Code points, category, name, place on the sheet (x, y), whether Twitter draws it.
ROWS = [
    ("1F408-200D-2B1B", "Animals & Nature", "black cat", (0, 1), True),
    ("1F408", "Animals & Nature", "cat", (1, 0), True),
    ("1F9D1-200D-1F33E", "People & Body", "farmer", (1, 1), True),
    ("1F468-200D-1F33E", "People & Body", "man farmer", (2, 1), True),
    ("1F33E", "Animals & Nature", "sheaf of rice", (0, 2), True),
    ("2764-FE0F", "Smileys & Emotion", "red heart", (2, 0), True),
    ("1FAE9", "Smileys & Emotion", "new face", (2, 2), False),
    ("1F3FB", "Component", "light skin tone", (1, 2), True),
]


def sheet(seed: int) -> tuple[np.ndarray, bytes]:
    cells = np.random.default_rng(seed).integers(0, 256, (3, 3, 32, 32, 4), np.uint8)
    pixels = np.zeros((3, 34, 3, 34, 4), np.uint8)
    pixels[:, 1:-1, :, 1:-1] = cells.transpose(0, 2, 1, 3, 4)
    file = io.BytesIO()
    image = pytest.importorskip("PIL.Image").fromarray(pixels.reshape(102, 102, 4))
    image.save(file, "png")
    return cells, file.getvalue()


def packages(*sheets: bytes) -> tuple[bytes, bytes]:
    rows = [
        {"unified": code, "category": category, "subcategory": "some", "sheet_x": x, "sheet_y": y,
         "sort_order": order, "has_img_google": True, "has_img_twitter": twitter}
        for order, (code, category, _, (x, y), twitter) in enumerate(ROWS)
    ]  # fmt: skip
    words = {"en": "", "fr": " en français"}
    files = {
        f"package/{language}/compact.json": json.dumps(
            [{"hexcode": code.removesuffix("-FE0F"), "label": name + ending}
             | ({"tags": [category]} if "2764" not in code else {})
             for code, category, name, *_ in ROWS]
        ).encode()
        for language, ending in words.items()
    }  # fmt: skip
    drawings = {
        f"package/img/{vendor}/sheets/32.png": content
        for vendor, content in zip(("google", "twitter"), sheets, strict=True)
    }
    emoji = {"package/emoji.json": json.dumps(rows[::-1]).encode()}
    return tgz(files), tgz(emoji | drawings)


def test_emoji_are_cut_out_named_and_grouped(made):
    (google, first), (twitter, second) = sheet(0), sheet(1)
    made("emoji", *packages(first, second))
    data = datasets.load("emoji")
    assert data.characters[:2] == ["\U0001f408\u200d\u2b1b", "\U0001f408"]
    assert len(data.characters) == 6
    for cells, drawn in ((google, data.images["google"]), (twitter, data.images["twitter"])):
        expected = np.stack([cells[y, x] for *_, (x, y), _ in ROWS[:6]])
        np.testing.assert_array_equal(drawn, expected)
    assert data.names["fr"][1] == "cat en français"
    assert data.tags["en"][-2:] == [("Animals & Nature",), ()]
    assert data.groups.tolist() == [0, 0, 1, 1, 2, 3]
    assert data.categories[-1] == "Smileys & Emotion"
    assert set(data.subcategories) == {"some"}
    assert "zh-hant" in data.names
    assert len(list(data.names)) == len(data.tags) == 28
    with pytest.raises(KeyError, match=r"did you mean 'zh-hant'"):
        data.names["zh-hans"]


def test_absent_pillow_is_named(made, monkeypatch):
    made("emoji", *packages(b"", b""))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"mmgraph\[images\]"):
        datasets.load("emoji")


@pytest.mark.slow
def test_the_real_emoji():
    data = datasets.load("emoji")
    assert len(data.characters) == len(set(data.characters)) == 1906
    assert {v: drawn.shape for v, drawn in data.images.items()} == {
        "google": (1906, 32, 32, 4),
        "twitter": (1906, 32, 32, 4),
    }
    assert all(drawn[..., 3].any((1, 2)).all() for drawn in data.images.values())
    assert all(all(data.names[language]) for language in ("en", "zh", "es"))
    assert data.groups.max() + 1 == 1666
    cat = data.names["en"].index("cat")
    assert data.groups[cat] == data.groups[data.names["en"].index("black cat")]
    assert data.tags["zh"][cat]
