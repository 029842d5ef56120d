"""How processes share blocks of rows."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.data_parallel import Processes


def test_blocks_are_shared_alike_or_not_at_all():
    assert list(Processes(1, 2).blocks(4)) == [2, 3]
    batch = torch.arange(7)
    parts = [Processes(rank, 2).rows(batch, 4) for rank in range(2)]
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6]]
    with pytest.raises(LearningError, match="2 blocks of chains cannot be shared by 3 processes"):
        Processes(0, 3).blocks(2)
