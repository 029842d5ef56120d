"""What a task is read from: arguments of other kinds than those expected are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.spatial.labelling import label_image

SENSORS = {"optical": np.arange(12.0).reshape(3, 4), "radar": np.arange(12.0).reshape(3, 4) ** 2}
LABELS = np.where(np.arange(12).reshape(3, 4) % 6 == 0, np.arange(12).reshape(3, 4) // 6, -1)
MASK = np.zeros((3, 4), bool)
FIXED = {"sensor_weights": 1.0, "edge_weight": 1.0, "method": "icm"}


@pytest.mark.parametrize("missing", [MASK, [MASK], "optical", False])
def test_masks_are_given_by_sensor(missing: object):
    with pytest.raises(LearningError, match=r"missing: masks by the names of sensors.*'optical'"):
        label_image(SENSORS, LABELS, missing=missing, **FIXED)


@pytest.mark.parametrize("generator", [3, 0, np.random.default_rng(0)])
def test_a_generator_is_one_of_torch(generator: object):
    with pytest.raises(LearningError, match=r"the generator must be a torch\.Generator, not"):
        label_image(SENSORS, LABELS, generator=generator, **FIXED)


def test_a_generator_of_a_device_gives_a_seed(device: str):
    generator = torch.Generator(device).manual_seed(1)
    found = label_image(SENSORS, LABELS, generator=generator, **FIXED)
    assert found.labels[0, 0] == 0


@pytest.mark.parametrize(("name", "meant"), [("edge_wieght", "edge_weight"), ("mising", "missing")])
def test_an_unknown_option_is_named(name: str, meant: str):
    with pytest.raises(MmgraphError, match=rf"option .* '{name}'; did you mean '{meant}'"):
        label_image(SENSORS, LABELS, **{name: 1.0})
