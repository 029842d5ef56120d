"""What every encoder is: from the cells of a modality to a code of each row, for each member."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack


class Encoder(nn.Module, abc.ABC):
    """A net from the cells of one modality to a code.

    What is there of a row is an input of the net; a cell that is missing has no influence but by
    being missing. Of a row of which nothing is there the code may be anything finite: fusions do
    not look at it.

    Parameters
    ----------
    shape : sequence of int
        Of the cells of a row, see :class:`~mmgraph.deep.inputs.cells.Cells`; of sequences ``(0,
        channels)``.
    width : int
        How many numbers a code has.
    pack : Pack
    options : dict
        What else the kind of encoder takes.
    """

    axes: ClassVar[Sequence[int]]
    """How many axes the cells of a row may have."""
    reads_sequences: ClassVar[bool] = False
    """Whether it takes sequences of any length, whose shape is ``(0, channels)``."""
    width: int

    @abc.abstractmethod
    def __init__(self, shape: Sequence[int], width: int, pack: Pack, **options: Any) -> None:
        super().__init__()

    @abc.abstractmethod
    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
