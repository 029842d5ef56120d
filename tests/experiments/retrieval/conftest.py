"""Small sets of drawings in place of the catalogue's: discs, squares and bars in four colours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

COLOURS = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220), "grey": (99,) * 3}
SHAPES = ("disc", "square", "bar")
CHINESE = {
    "red": "红",
    "green": "绿",
    "blue": "蓝",
    "grey": "灰",
    "disc": "圆",
    "square": "方",
    "bar": "条",
}


def drawing(colour: str, shape: str, random: np.random.Generator) -> np.ndarray:
    """A drawing on white, of 24 × 24 pixels, opaque."""
    down, right = np.mgrid[:24, :24] - 11 - random.integers(-2, 3, (2, 1, 1))
    size = random.integers(5, 8)
    inside = {
        "disc": down**2 + right**2 < size**2,
        "square": (abs(down) < size) & (abs(right) < size),
        "bar": (abs(down) < 3) & (abs(right) < size + 3),
    }[shape]
    picture = np.full((24, 24, 4), 255, np.uint8)
    picture[inside, :3] = COLOURS[colour]
    return picture


@pytest.fixture
def drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``datasets.load`` return them, and the cache an empty folder."""
    random = np.random.default_rng(0)
    kinds = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    rows = [kind for kind in kinds for _ in range(6)]
    files = []
    for number, (colour, shape) in enumerate(rows):
        path = tmp_path / "drawings" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(drawing(colour, shape, random)).save(path)
        files.append(path)
    captions = [f"{colour} {shape} number {n % 4}" for n, (colour, shape) in enumerate(rows)]
    clip_art = SimpleNamespace(
        images=files,
        captions=captions,
        tags=[(colour, f"{colour} {shape}") for colour, shape in rows],
        artists=[("Ann", "Bob", "Cid", "")[n % 4] for n in range(len(rows))],
        categories=[f"{shape}s/all" for _, shape in rows],
        groups=np.arange(len(rows)) // 2,
    )
    stamps = SimpleNamespace(
        images=files[::9],
        captions={"en": captions[::9], "es": [None, *captions[9::9]]},
        categories=["all"] * len(files[::9]),
        groups=np.arange(len(files[::9])),
    )
    emoji = SimpleNamespace(
        characters=[chr(128512 + n) for n in range(len(rows))],
        images={
            vendor: np.stack([drawing(*row, random) for row in rows])
            for vendor in ("google", "twitter")
        },
        names={
            "en": [" ".join(row) for row in rows],
            "zh": ["".join(CHINESE[word] for word in row) for row in rows],
        },
        tags={
            "en": [("drawing", f"number {n % 5}") for n in range(len(rows))],
            "zh": [(f"{n % 5}",) for n in range(len(rows))],
        },
        groups=np.arange(len(rows)) // 2,
        categories=[shape for _, shape in rows],
        subcategories=[shape for _, shape in rows],
    )
    known = {"open_clip_art": clip_art, "tux_paint_stamps": stamps, "emoji": emoji}
    monkeypatch.setattr("mmgraph.datasets.load", known.__getitem__)
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "cache"))
