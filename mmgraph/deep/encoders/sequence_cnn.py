"""Convolutional nets of sequences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.sequence_changes import SmallChanges
from mmgraph.deep.encoders.sequence_stem import SequenceStem, StridedLayer, code_layers
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack


class SequenceCNN(Encoder):
    """Convolutions over time, each of which halves the steps; maps of all scales are pooled.

    Parameters
    ----------
    channels : tuple of int
        How many maps each convolution has; the first one is the stem.
    stride : int
        By what the stem divides the steps.
    dropout : float
        The share of what is pooled that is left out in a step.
    speed, shift, scaling, rotation : float
        As of :class:`~mmgraph.deep.encoders.sequence_changes.SmallChanges`.
    """

    axes = (2,)
    reads_sequences = True

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        pack: Pack,
        channels: tuple[int, ...] = (16, 32, 48, 64),
        stride: int = 4,
        dropout: float = 0.2,
        **changes: float,
    ) -> None:
        super().__init__(shape, width, pack)
        self.width, self.members = width, pack.members
        first, *others = channels
        self.stem = SequenceStem(shape[-1], [first], [stride], pack, SmallChanges(pack, **changes))
        scales, inputs = [], first
        for outputs in others:
            scales.append(StridedLayer(inputs, outputs, 5, 2, pack))
            inputs = outputs
        self.scales = nn.ModuleList(scales)
        numbers = 2 * sum(channels) + self.stem.numbers
        self.code = code_layers(numbers, width, dropout, pack)

    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
        steps, sums = self.stem(cells)
        pooled = [sums, steps.pooled(self.members)]
        for scale in self.scales:
            steps = scale(steps)
            pooled.append(steps.pooled(self.members))
        return self.code(torch.cat(pooled, 2))
