"""The order in which training meets its rows: epochs, batches, and blocks of these."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError


def block_sizes(rows: int, blocks: int) -> list[int]:
    """Return the sizes of blocks of rows: as equal as can be, the larger ones first."""
    whole, over = divmod(rows, blocks)
    return [whole + (block < over) for block in range(blocks)]


def batch_sizes(rows: int, batch: int, blocks: int) -> list[int]:
    """Return the sizes of an epoch's batches; a last one with too few rows is joined to another."""
    if rows < blocks:
        raise LearningError(f"{rows} rows cannot be cut into {blocks} blocks; set blocks=1")
    sizes = [batch] * (rows // batch)
    rest = rows % batch
    if rest >= blocks or (rest and not sizes):
        sizes.append(rest)
    elif rest:
        sizes[-1] += rest
    return sizes


def epoch_order(seed: int, epoch: int, rows: int) -> Int64[Tensor, " rows"]:
    """Return the order of the rows in an epoch, the same in all processes."""
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(rows, generator=generator)
