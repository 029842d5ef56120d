"""What all questions have in common."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_there_is_not_is_named_by_every_question():
    net = mm.read("asia")
    for ask in (
        lambda: mm.query(net, device="cuda"),
        lambda: mm.query(net, method="gibbs", device="cuda"),
        lambda: mm.map_query(net, method="trws", device="cuda"),
        lambda: mm.map_query(net, method="trws", device=torch.device("cuda")),
        lambda: mm.sample(net, 2, method="gibbs", device="cuda"),
        lambda: mm.log_partition(net, method="mean_field", device="cuda"),
    ):
        with pytest.raises(MmgraphError, match="torch finds no such CUDA device"):
            ask()
    with pytest.raises(MmgraphError, match="unknown device 'gpu'"):
        mm.map_query(net, method="trws", device="gpu")
