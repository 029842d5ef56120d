"""Colours by Pillow's own conversion, shading by order, and what stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmgraph.experiments.retrieval.recolouring import COLOURS, recolour
from mmgraph.graph.errors import MmgraphError


def shaded(base: tuple[int, int, int]) -> np.ndarray:
    """A cloth of a colour with black outlines, darker folds, and nothing beside it."""
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[1:-1, 1:-1] = [0, 0, 0, 255]
    picture[2:-2, 2:-2, :3] = base
    picture[3, 2:-2, :3] = np.array(base) * 6 // 10
    return picture


@pytest.mark.parametrize("base", [(20, 160, 180), (250, 250, 250), (45, 40, 40)])
@pytest.mark.parametrize("colour", COLOURS)
def test_cloth_has_the_colour_and_keeps_folds_and_outlines(base, colour: str):
    found = recolour(shaded(base), colour)
    assert np.abs(found[5, 5, :3].astype(int) - COLOURS[colour]).max() <= 1
    assert (found[..., 3] == shaded(base)[..., 3]).all()
    grey = np.asarray(Image.fromarray(found).convert("L")).astype(int)
    assert grey[1, 1] < grey[3, 4] < grey[5, 5]
    if colour in ("red", "blue") and base[0] > 20:
        hue = np.asarray(Image.fromarray(found[..., :3]).convert("HSV"))[..., 0].astype(int)
        assert abs((hue[3, 4] - hue[5, 5] + 128) % 256 - 128) < 12


def test_other_reds_are_near():
    plain, shifted = (recolour(shaded((20, 160, 180)), "red", (s, 0, 0))[5, 5] for s in (0, 0.05))
    assert 0 < int(shifted[0]) - int(plain[0]) < 40


def test_bad_input_is_named():
    with pytest.raises(MmgraphError, match="unknown colour 'rde'; did you mean 'red'"):
        recolour(shaded((9, 9, 9)), "rde")
    with pytest.raises(MmgraphError, match=r"found uint8 of shape \(16, 16, 3\)"):
        recolour(shaded((9, 9, 9))[..., :3], "red")
    with pytest.raises(MmgraphError, match="no opaque part"):
        recolour(np.zeros((2, 2, 4), np.uint8), "red")
