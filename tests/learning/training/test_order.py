"""Batches and blocks of rows."""

from __future__ import annotations

import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.order import batch_sizes, block_sizes


def test_sizes_of_blocks_and_batches():
    assert block_sizes(7, 3) == [3, 2, 2]
    assert batch_sizes(105, 20, 2) == [20, 20, 20, 20, 20, 5]
    assert batch_sizes(101, 20, 2) == [20, 20, 20, 20, 21]
    assert batch_sizes(7, 20, 2) == [7]
    with pytest.raises(LearningError, match="1 rows cannot be cut into 2 blocks"):
        batch_sizes(1, 20, 2)
