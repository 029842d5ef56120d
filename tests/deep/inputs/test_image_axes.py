"""Which axis of an image holds its channels, and that each channel has a scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.deep.inputs.image_axes import has_channels_first
from mmgraph.deep.inputs.modality_input import ChannelsInput


@pytest.mark.parametrize(
    ("shape", "first"),
    [((32, 32, 3), False), ((3, 32, 32), True), ((60, 7, 7), True), ((7, 7, 60), False),
     ((1, 16, 15), True), ((16, 15, 1), False), ((2, 128, 500), True), ((3, 32, 3), False),
     ((8, 8, 8), False), ((16, 15), False)],
)  # fmt: skip
def test_the_axis_of_channels(shape, first):
    assert has_channels_first(shape) == first


def test_each_channel_has_a_scale_wherever_its_axis_is():
    images = np.random.default_rng(0).normal([1, 20, 300], [1, 2, 0], (40, 9, 8, 3))
    images[3, 2:4, 1, 0] = np.nan
    cells = [
        ChannelsInput.fitted("image", block).cells(block)
        for block in (Arrays(images), Arrays(np.moveaxis(images, -1, 1)))
    ]
    assert torch.equal(cells[0].values.movedim(-1, 1), cells[1].values)
    assert torch.equal(cells[0].there.movedim(-1, 1), cells[1].there)
    for channel in range(2):
        values = cells[1].values[:, channel][cells[1].there[:, channel]]
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert not cells[1].there[:, 2].any()  # it does not vary
