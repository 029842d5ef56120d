"""Bernoulli units drawn by a compiled loop on the CPU: the random numbers are most of the work."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.exponential_family import Bernoulli
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.numerics.counted_random import (
    HALF_STEP_SINGLE,
    SINGLE_SHIFT,
    STEP_SINGLE,
    random_keys,
    random_words,
)

_MANY = 4096
"""Units from which on a kernel is worth its call."""
_BLOCK = np.uint64(4096)
_ZERO = np.uint64(0)


class CountedBernoulli(Bernoulli):
    """Bernoulli units whose samples, in single precision on the CPU, come from counted numbers.

    A key is drawn from the generator, and the numbers are those of its counters: the same seed
    gives the same samples.
    """

    def sample(
        self, natural: Float[Tensor, "batch ..."], generator: torch.Generator | None
    ) -> Float[Tensor, "batch ..."]:
        """Draw 0 or 1."""
        counted = natural.device.type == "cpu" and natural.dtype == torch.float32
        if not counted or natural.numel() < _MANY or natural.requires_grad:
            return super().sample(natural, generator)
        drawn = natural.sigmoid().contiguous()
        _draw(drawn.view(-1).numpy(), random_keys(generator, 1)[0])
        return drawn


@compiled
def _draw(chances, key):
    """Put 0 or 1 in the place of each chance of 1."""
    count = np.uint64(len(chances))
    words = np.empty(_BLOCK, np.uint32)
    zero, one = np.float32(0), np.float32(1)
    quarter = np.uint64(_BLOCK // np.uint64(4))
    begin = _ZERO
    block = _ZERO
    while begin < count:
        random_words(words, quarter, block * quarter, _ZERO, _ZERO, _ZERO, key)
        size = min(_BLOCK, count - begin)
        part = chances[begin : begin + size]
        for i in range(size):
            uniform = np.float32(np.int32(words[i] >> SINGLE_SHIFT)) * STEP_SINGLE
            part[i] = one if uniform + HALF_STEP_SINGLE < part[i] else zero
        begin += size
        block += np.uint64(1)
