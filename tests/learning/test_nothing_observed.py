"""Rows in which every cell is missing teach nothing, and leave the network as it was."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError


def test_a_fit_on_missing_cells_alone_is_refused():
    net = mm.read("asia")
    before = net.distribution("xray").values.clone()
    with pytest.raises(LearningError, match="no cell"):
        net.fit({"asia": [None] * 3, "xray": [None] * 3})
    assert torch.equal(net.distribution("xray").values, before)
