"""Garments among the emoji, with stamps beside theirs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from mmgraph.experiments.retrieval.garments import _STAMPS, LANGUAGES, garment_drawings


def test_garments_are_taken_from_vendors_and_stamps(tmp_path: Path):
    paths = [tmp_path / f"{name}.png" for name in [*_STAMPS, "frog"]]
    for path in paths:
        Image.new("LA", (200, 100), (9, 255)).save(path)
    characters = ["🐸", "👕", "🕶\ufe0f", "💍"]
    emoji = SimpleNamespace(
        characters=characters,
        subcategories=["animal", *["clothing"] * 3],
        images={"google": np.zeros((4, 2, 2, 4), np.uint8), "twitter": np.ones((4, 2, 2, 4))},
        names={language: [f"{language} {c}" for c in characters] for language in LANGUAGES},
    )
    found = garment_drawings(emoji, SimpleNamespace(images=paths))
    shirt = ["google", "twitter", "tux_paint_stamps"]
    assert [d.source for d in found] == [*shirt, "google", "twitter"]
    assert found[2].names == {"en": "en 👕", "zh": "zh 👕", "es": "es 👕"}
    assert found[2].picture.shape == (64, 128, 4)
    assert found[4].picture.all()
