"""Small data of two modalities, and a declared machine that learns it in a second."""

from __future__ import annotations

import numpy as np

import mmgraph as mm
from mmgraph.data.multimodal_data import MultimodalData

DECLARATION = """
kind = "boltzmann_machine"
title = "Shapes and sounds"
[data]
dataset = "digits_six_views"
[network]
joint = 12
labels = "shape"
label_links = "all"
[[view]]
modality = "picture"
hidden = [10]
transform = "one_scale"
image = [3, 4]
[[view]]
modality = "tone"
hidden = [8]
[training]
objective = "multi_prediction"
epochs = 12
batch_size = 10
optimiser = "adam"
learning_rate = 0.02
standardise = false
monitor_rows = 20
[prediction]
sweeps = 6
gradient_sweeps = 3
[prediction.hiding]
everything = 0.4
single = 0.4
[prediction.disturbance]
noise = { picture = 0.2 }
[report]
folds = 3
seed = 0
given = [["picture", "tone"], ["picture"], ["tone"]]
representation = true
impute = [{ imputed = "picture", given = ["tone"] }]
"""


def small_data(rows: int = 60) -> MultimodalData:
    """Three shapes, each with a picture of 3 x 4 pixels, values 0-9, and a tone of 5 numbers."""
    generator = np.random.default_rng(0)
    codes = np.arange(rows) % 3
    pictures = 9.0 * (generator.random((3, 12)) < 0.4)
    tones = generator.normal(size=(3, 5))
    return MultimodalData.of_numbers(
        {
            "picture": pictures[codes] + generator.normal(size=(rows, 12)),
            "tone": tones[codes] + 0.5 * generator.normal(size=(rows, 5)),
        },
        codes.astype(np.int64),
        mm.Variable("shape", ("bar", "disc", "ring")),
    )
