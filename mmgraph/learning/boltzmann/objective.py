"""What the training of a machine maximises: the protocol of objectives."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.training.random_blocks import RandomBlocks

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
