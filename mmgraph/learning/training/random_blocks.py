"""Random numbers of training, which do not depend on how many processes train."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmgraph.learning.training.order import block_sizes


class RandomBlocks:
    """Generators of random numbers, one for each block of rows or chains.

    There are ``count`` blocks, of which this process has the ``local`` ones (by default all), each
    with numbers of its own: so these do not depend on how many processes there are.
    """

    def __init__(
        self, count: int, seed: int, device: torch.device, local: Sequence[int] | None = None
    ) -> None:
        self.count = count
        self.local = tuple(range(count)) if local is None else tuple(local)
        self.generators: dict[int, torch.Generator] = {}
        for block in self.local:
            generator = torch.Generator(device)
            generator.manual_seed((seed * 1_000_003 + 7919 * block + 1) % 2**63)
            self.generators[block] = generator

    @property
    def share(self) -> float:
        """The share of the blocks that this process has."""
        return len(self.local) / self.count

    def parts(self, rows: int) -> dict[int, slice]:
        """Return which of this process's rows belong to each of its blocks."""
        sizes = block_sizes(rows, len(self.local))
        result, first = {}, 0
        for block, size in zip(self.local, sizes, strict=True):
            result[block] = slice(first, first + size)
            first += size
        return result

    def uniform(self, rows: int, shape: Sequence[int]) -> Tensor:
        """Return ``(rows, *shape)`` numbers in [0, 1), those of each block by its generator."""
        pairs = zip(self.parts(rows).values(), self.generators.values(), strict=True)
        return torch.cat([
            torch.rand(part.stop - part.start, *shape, generator=g, device=g.device)
            for part, g in pairs
        ])  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Return the states of the generators."""
        return {f"block:{b}:generator": g.get_state() for b, g in self.generators.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up the states of the own generators.

        Generators of another kind of device cannot: they are seeded by a digest of the state, so
        that training goes on from there on with other numbers, the same at each attempt.
        """
        for block, generator in self.generators.items():
            saved = state[f"block:{block}:generator"].cpu().clone()
            if saved.numel() == generator.get_state().numel():
                generator.set_state(saved)
            else:
                digest = hashlib.blake2b(saved.numpy().tobytes(), digest_size=8).digest()
                generator.manual_seed(int.from_bytes(digest) % 2**63)
