"""Patches of two sensors, by convolutional nets: random pixels, and a split apart in space.

    pytest tests/benchmarks/test_deep_land_cover.py --benchmark-only -s

The splits of ``mmgraph run indian_pines``, whose figures by spectra, windows and random fields the
README has. Patches of random test pixels overlap those of training pixels; in the disjoint split
those of test pixels hold no place from which a label was taken. Patch, bands and training were
chosen on held-out training pixels of the first seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.experiments.land_cover.declaration import read_land_cover
from mmgraph.experiments.land_cover.land_cover import load_scene
from mmgraph.experiments.land_cover.splits import make_split
from mmgraph.graph.errors import DatasetError
from mmgraph.spatial import image_patches, principal_bands

SIDE, BANDS = 9, 10
ENCODER = ("cnn", {"rotation": 180.0, "channels": (32, 32)})
TRAINING = {"epochs": 40, "decay": 0.05}
DECLARATION = read_land_cover("indian_pines")


@pytest.fixture(scope="module")
def scene() -> Any:
    try:
        return load_scene(DECLARATION)
    except DatasetError as error:
        pytest.skip(f"the scene cannot be had: {error}")


@pytest.mark.parametrize("declared", DECLARATION.splits, ids=lambda split: split.name)
def test_patches(benchmark: Any, scene: Any, declared: Any):
    split = make_split(scene.labels, declared, DECLARATION.training, 0)
    covers = scene.labels.reshape(-1)
    bands = {s: principal_bands(cube, split.train, BANDS) for s, cube in scene.sensors.items()}

    def rows(pixels: np.ndarray) -> mm.MultimodalData:
        cut = {sensor: image_patches(image, pixels, SIDE) for sensor, image in bands.items()}
        return mm.MultimodalData.of(cut, [f"{code:02d}" for code in covers[pixels]])

    training = TRAINING | ({"epochs": 4} if benchmark.disabled else {})
    options: dict[str, Any] = {"encoders": ENCODER, "fusion": "hybrid", "training": training}
    options |= {"members": 1, "folds": 0}
    model = benchmark.pedantic(
        lambda: mm.DeepClassifier(**options).fit(rows(split.train)), rounds=1
    )
    pixels = split.test[:: 8 if benchmark.disabled else 1]
    tested = rows(pixels)
    for given in DECLARATION.given:
        answers = model.classes_[model.predict_proba(tested, given=given).argmax(1)]
        accuracy = float((answers.astype(int) == covers[pixels]).mean())
        benchmark.extra_info["+".join(given)] = accuracy
        print(f"\n{declared.name}, {'+'.join(given)}: patches {accuracy:.3f}")
    assert accuracy > (0.4 if benchmark.disabled else 0.7)
