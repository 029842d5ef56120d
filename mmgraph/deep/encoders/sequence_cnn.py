"""Convolutional nets of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from mmgraph.deep.encoders.encoder import check_sizes
from mmgraph.deep.encoders.sequence_changes import SequenceOptions
from mmgraph.deep.encoders.sequence_stem import SequenceEncoder, Steps, StridedLayer
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack
from mmgraph.learning.training.options import check_whole


@dataclass(frozen=True, kw_only=True)
class SequenceCNNOptions(SequenceOptions):
    """What convolutional nets of sequences take, beside what all encoders of sequences do.

    Parameters
    ----------
    channels : tuple of int
        How many maps each convolution has; the first one is the stem.
    stride : int
        By what the stem divides the steps.
    """

    channels: tuple[int, ...] = (16, 32, 48, 64)
    stride: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes("channels", self.channels)
        check_whole(self, "stride")


class SequenceCNN(SequenceEncoder):
    """Convolutions over time, each of which halves the steps; maps of all scales are pooled.

    See :class:`SequenceCNNOptions`.
    """

    options_kind = SequenceCNNOptions

    def _convolutions(self, options: SequenceCNNOptions) -> tuple[Sequence[int], Sequence[int]]:
        return options.channels[:1], [options.stride]

    def _make_layers(self, options: SequenceCNNOptions, pack: Pack) -> int:
        scales, inputs = [], options.channels[0]
        for outputs in options.channels[1:]:
            scales.append(StridedLayer(inputs, outputs, 5, 2, pack))
            inputs = outputs
        self.scales = nn.ModuleList(scales)
        return 2 * sum(options.channels)

    def _summary(self, steps: Steps) -> list[Codes]:
        pooled = [steps.pooled(self.members)]
        for scale in self.scales:
            steps = scale(steps)
            pooled.append(steps.pooled(self.members))
        return pooled
