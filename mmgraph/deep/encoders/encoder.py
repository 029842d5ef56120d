"""What every encoder is: from the cells of a modality to a code of each row, for each member."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.options import check_number


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """What encoders take beside the shape of cells.

    Parameters
    ----------
    dropout : float
        The share of numbers that are left out in a step.

    Raises
    ------
    LearningError
        If an option is of another type, or out of its range (which).
    """

    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_number("dropout", self.dropout, "[0, 1)")

    def check(self, shape: Sequence[int]) -> None:
        """Refuse cells of a shape that the options do not suit."""


def check_sizes(name: str, sizes: object) -> None:
    """Check that an option is a tuple (or list) of whole numbers, each at least one."""
    if not (
        isinstance(sizes, tuple | list)
        and sizes
        and all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes)
    ):
        raise LearningError(f"{name} must be whole numbers from 1 on, (16, 32) say, not {sizes!r}")


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
    **options : object
        Those of ``options_kind``.
    """

    axes: ClassVar[Sequence[int]]
    """How many axes the cells of a row may have."""
    reads_sequences: ClassVar[bool] = False
    """Whether it takes sequences of any length, whose shape is ``(0, channels)``."""
    options_kind: ClassVar[type[EncoderOptions]]
    """What else it takes, by name."""
    width: int

    @abc.abstractmethod
    def __init__(self, shape: Sequence[int], width: int, pack: Pack, **options: Any) -> None:
        super().__init__()

    @abc.abstractmethod
    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
