"""Labels from strokes drawn by chance on photographs and on a satellite image: learned weights
against all weights one.

pytest tests/benchmarks/test_strokes.py --benchmark-only -s -m slow

The regions of the photographs were outlined by hand; pixels within two of a border do not count.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from mmgraph.graph.errors import DatasetError
from mmgraph.spatial.labelling import LabellingWarning, label_image

SEEDS = 6
WEIGHTS: dict[str, dict[str, Any]] = {
    "learned": {},
    "all one, even prior": {"sensor_weights": 1.0, "edge_weight": 1.0, "prior": "even"},
}

# Of photographs 439 pixels wide and 293 high: polygons and ellipses (centre, radii), in this order.
WATER = [(0, 142), (439, 142), (439, 293), (0, 293)]
TREES = [
    (0, 95), (30, 120), (50, 160), (20, 180), (20, 215), (45, 235), (110, 240), (150, 265),
    (210, 275), (240, 250), (255, 230), (330, 190), (380, 215), (375, 150), (400, 95), (439, 100),
    (439, 293), (0, 293),
]  # fmt: skip
TEMPLE = [
    (141, 20), (150, 60), (218, 80), (205, 95), (225, 125), (220, 165), (240, 175), (237, 215),
    (255, 230), (240, 250), (210, 275), (200, 265), (150, 265), (115, 240), (50, 230), (45, 185),
    (60, 165), (60, 120), (80, 105), (66, 75), (130, 45),
]  # fmt: skip
REGIONS = {
    "china.jpg": [(1, WATER), (3, TREES), (2, TEMPLE)],
    "flower.jpg": [(1, (211, 152, 92, 93)), (1, (262, 296, 60, 37))],
}


def photograph(name: str, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of 140 x 94 pixels and its regions, -1 near their borders."""
    from PIL import Image, ImageDraw
    from sklearn.datasets import load_sample_image

    outline = Image.new("L", (439, 293))
    pen = ImageDraw.Draw(outline)
    for code, shape in REGIONS[name]:
        if isinstance(shape, tuple):
            x, y, wide, high = shape
            pen.ellipse([x - wide, y - high, x + wide, y + high], fill=code)
        else:
            pen.polygon(shape, fill=code)
    size = (140, 93)
    small = Image.fromarray(load_sample_image(name)).resize(size, Image.Resampling.BILINEAR)
    image = np.asarray(small, np.float64)
    image = image + np.random.default_rng(5).normal(0, noise, image.shape)
    regions = np.asarray(outline.resize(size, Image.Resampling.NEAREST)).astype(int)
    border = ndimage.maximum_filter(regions, 5) != ndimage.minimum_filter(regions, 5)
    return image, np.where(border, -1, regions)


def satellite() -> tuple[np.ndarray, np.ndarray]:
    """Three bands of a part of Indian Pines, and its larger classes."""
    from mmgraph import datasets

    scene: Any = datasets.load("indian_pines")
    part = np.s_[:90, 20:120]
    sizes = np.bincount(scene.labels.reshape(-1))
    large = np.flatnonzero(sizes > 400)[1:]
    codes = np.where(np.isin(scene.labels, large), scene.labels, 0)[part]
    truth = np.unique(codes, return_inverse=True)[1].reshape(codes.shape) - 1
    return scene.cube[part][..., [28, 16, 8]].astype(np.float64), truth


def strokes(truth: np.ndarray, seed: int) -> np.ndarray:
    """One to four wriggling strokes a class, 15 to 90 pixels long and 2 to 4 wide."""
    random = np.random.default_rng(seed)
    drawn = np.full(truth.shape, -1)
    for code in range(truth.max() + 1):
        inside = ndimage.binary_erosion(truth == code, iterations=2)
        inside = inside if inside.any() else truth == code
        for _ in range(random.integers(1, 5)):
            _draw(drawn, truth, inside, code, random)
    return drawn


def _draw(
    drawn: np.ndarray,
    truth: np.ndarray,
    inside: np.ndarray,
    code: int,
    random: np.random.Generator,
) -> None:
    places = np.argwhere(inside)
    row, column = places[random.integers(len(places))].astype(float)
    direction = random.uniform(0, 2 * np.pi)
    width, length = random.integers(2, 5), random.integers(15, 90)
    for _ in range(length):
        brush = np.s_[int(row) : int(row) + width, int(column) : int(column) + width]
        drawn[brush][truth[brush] == code] = code
        for attempt in range(8):  # on, or where that leaves the region, to a side
            turned = direction + random.normal(0, 0.25)
            turned += random.uniform(-2, 2) if attempt else 0.0
            to = row + np.sin(turned), column + np.cos(turned)
            ahead = tuple(int(np.clip(x, 0, n - 1)) for x, n in zip(to, truth.shape, strict=True))
            if inside[ahead] and min(to) >= 0:
                row, column, direction = *to, turned
                break
        else:
            return


@cache
def scenes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        "temple": photograph("china.jpg"),
        "temple, noise": photograph("china.jpg", 40.0),
        "flower": photograph("flower.jpg"),
        "satellite": satellite(),
    }


def figures(image: np.ndarray, truth: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Accuracy, log-loss, edge weight and seconds, a row a seed."""
    rows = []
    for seed in range(SEEDS):
        drawn = strokes(truth, seed)
        counted = (truth >= 0) & (drawn < 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabellingWarning)
            found = label_image(image, drawn, method="trws", **options)
        probability = np.maximum(found.marginals[counted, truth[counted]], 1e-12)
        accuracy = (found.labels == truth)[counted].mean()
        rows.append([accuracy, -np.log(probability).mean(), found.edge_weight, found.seconds])
    return np.array(rows)


@pytest.mark.slow
def test_learned_weights_against_plain_ones(benchmark: Any):
    for package in ("PIL", "sklearn"):
        pytest.importorskip(package)
    try:
        images = scenes()
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")

    def all_figures() -> dict[str, np.ndarray]:
        return {
            name: np.stack([figures(*scene, options) for scene in images.values()])
            for name, options in WEIGHTS.items()
        }

    found = benchmark.pedantic(all_figures, rounds=1)
    for name, table in found.items():
        print(f"\n{name}: accuracy, log-loss, seconds, edge weights")
        for scene, rows in zip(images, table, strict=True):
            accuracy, loss, _, seconds = rows.mean(0)
            edges = " ".join(f"{edge:g}" for edge in rows[:, 2])
            print(f"  {scene:14} {accuracy:.3f} {loss:.2f} {seconds:.1f}  {edges}")
        accuracy, loss, _, seconds = table.mean((0, 1))
        print(f"  {'mean':14} {accuracy:.3f} {loss:.2f} {seconds:.1f}")
    learned, plain = (found[name].mean((0, 1)) for name in WEIGHTS)
    assert learned[0] >= plain[0]
    assert learned[1] <= plain[1]
    assert set(found["learned"][..., 2].reshape(-1)) <= {0.5, 1.0, 2.0, 4.0}
