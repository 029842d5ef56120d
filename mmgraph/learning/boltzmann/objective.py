"""What training maximises: the protocol of objectives, and the random numbers that they share."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters

MEAN = "mean:"
"""What the name of a layer's mean begins with, among gradients."""


class Objective(abc.ABC):
    """A function of the parameters that training maximises.

    Gradients are averages over the rows of this process; the sum over processes is taken with its
    share of the batch, ``row_share``, which is set before each call.
    """

    row_share: float = 1.0

    def __init__(self, parameters: BoltzmannParameters, random: RandomBlocks | None) -> None:
        self.parameters = parameters
        self.random = RandomBlocks(1, 0, parameters.device) if random is None else random

    @abc.abstractmethod
    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the direction of ascent, and numbers to be averaged over the epoch.

        The direction has an entry for each of the parameters' tensors. Entries ``"mean:NAME"`` are
        mean activations of a hidden layer: what its centre follows, and what sparsity looks at.
        """

    def state(self) -> dict[str, Tensor]:
        """Return what the next call depends on beside the parameters.

        Entries ``"block:K:…"`` belong to the ``K``-th block of random numbers; all blocks have the
        same entries of the same shapes.
        """
        return self.random.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state; blocks of other processes are passed over."""
        self.random.load(state)

    def described(self) -> dict[str, Any]:
        """Return what the objective depends on beside the settings of the loop, as JSON has it.

        Training goes on from a checkpoint only with the objective that it was begun with.
        """
        return {"kind": type(self).__name__}

    def report(self) -> dict[str, float]:
        """Return monitors of the epoch that ends, and begin a new one."""
        return {}


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
