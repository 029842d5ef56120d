"""Small sets of drawings in place of the catalogue's: discs, squares and bars in four colours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

COLOURS = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220), "grey": (99,) * 3}
SHAPES = ("disc", "square", "bar")
CHINESE = dict(zip((*COLOURS, *SHAPES), "红绿蓝灰圆方条", strict=True))
ROWS = [(colour, shape) for colour in COLOURS for shape in SHAPES for _ in range(6)]


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
    files = [tmp_path / f"{number}.png" for number in range(72)]
    for path, row in zip(files, ROWS, strict=True):
        Image.fromarray(drawing(*row, random)).save(path)
    captions = [f"{colour} {shape} number {n % 4}" for n, (colour, shape) in enumerate(ROWS)]
    clip_art = SimpleNamespace(
        images=files,
        captions=captions,
        tags=[(colour, f"{colour} {shape}") for colour, shape in ROWS],
        artists=["Ann", "Bob", "Cid", ""] * 18,
        categories=[f"{shape}s/all" for _, shape in ROWS],
        groups=np.arange(72) // 2,
    )
    stamps = SimpleNamespace(
        images=files[::9],
        captions={"en": captions[::9], "es": [None, *captions[9::9]]},
        categories=["all"] * 8,
        groups=np.arange(8),
    )
    vendors = ("google", "twitter")
    emoji = SimpleNamespace(
        characters=[chr(128512 + n) for n in range(72)],
        images={one: np.stack([drawing(*row, random) for row in ROWS]) for one in vendors},
        names={
            "en": [" ".join(row) for row in ROWS],
            "zh": ["".join(CHINESE[word] for word in row) for row in ROWS],
        },
        tags={language: [(f"n{n % 5}",) for n in range(72)] for language in ("en", "zh")},
        groups=np.arange(72) // 2,
        categories=[shape for _, shape in ROWS],
    )
    known = {"open_clip_art": clip_art, "tux_paint_stamps": stamps, "emoji": emoji}
    monkeypatch.setattr("mmgraph.datasets.load", known.__getitem__)
    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "cache"))
