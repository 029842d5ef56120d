"""A net of several modalities: an encoder of each, a fusion of their codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from mmgraph.deep.encoders.named import encoder_kind
from mmgraph.deep.fusion.fusion import Present, Scores
from mmgraph.deep.fusion.named import FUSIONS
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.training.options import check_number, check_whole


@dataclass(frozen=True)
class NetDesign:
    """What a net is made of, as JSON holds it.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        Of the cells of each modality.
    encoders : mapping of str to (name, options)
        Of each modality, by the names of :data:`~mmgraph.deep.encoders.named.ENCODERS`.
    fusion : str
        A name of :data:`~mmgraph.deep.fusion.named.FUSIONS`.
    outputs, members, width : int
        How many scores a row has, how many nets there are, how wide codes are.
    dropout : float
        The share of hidden units of the fusion that are left out in a step.
    options : mapping of str to object
        What else the fusion takes.
    """

    shapes: Mapping[str, tuple[int, ...]]
    encoders: Mapping[str, tuple[str, Mapping[str, Any]]]
    fusion: str
    outputs: int
    members: int = 5
    width: int = 128
    dropout: float = 0.3
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the design as JSON holds it."""
        return asdict(self)


class Net(nn.Module):
    """Encoders of modalities and a fusion, of several members in one.

    Parameters
    ----------
    design : NetDesign
    generator : torch.Generator
        Draws initial parameters; on the CPU.

    Attributes
    ----------
    prior : Tensor of float64, shape (outputs,)
        The shares of the classes in the rows that the net has learned from.

    Raises
    ------
    LearningError
        If an encoder or a fusion is unknown, or an encoder does not take such cells.
    """

    prior: Float64[Tensor, " outputs"]

    def __init__(self, design: NetDesign, generator: torch.Generator) -> None:
        super().__init__()
        check_whole(design, "members", "width")
        check_number("dropout", design.dropout, "[0, 1)")
        self.design, self.pack = design, Pack(design.members, generator)
        kind = named("fusion", design.fusion, FUSIONS)
        self.modalities = tuple(design.shapes)
        encoders = []
        self.widths: dict[str, int] = {}
        for modality, shape in design.shapes.items():
            if not kind.encodes and 0 in shape:
                raise LearningError(
                    f"{design.fusion} fusion joins features, and '{modality}' is of sequences of "
                    "any length"
                )
            encoder = self._encoder(modality, shape) if kind.encodes else _Cells(shape)
            encoders.append(encoder)
            self.widths[modality] = encoder.width
        self.encoders = nn.ModuleList(encoders)
        self.fusion = kind(
            self.widths, design.outputs, self.pack, design.width, design.dropout, **design.options
        )

        shares = torch.full((design.outputs,), 1 / design.outputs, dtype=torch.float64)
        self.register_buffer("prior", shares)

    def _encoder(self, modality: str, shape: tuple[int, ...]) -> Any:
        name, options = self.design.encoders[modality]
        kind = encoder_kind(modality, name, shape)
        return kind(shape, self.design.width, self.pack, **options)

    def codes(self, cells: Mapping[str, Cells]) -> dict[str, Codes]:
        """Return the code of each modality, as each member has it."""
        return {
            modality: encoder(cells[modality])
            for modality, encoder in zip(self.modalities, self.encoders, strict=True)
        }

    def forward(self, cells: Mapping[str, Cells]) -> Scores:
        """Return the scores of rows by what is there of them."""
        return self.fusion(self.codes(cells), presence(cells))


def presence(cells: Mapping[str, Cells]) -> Present:
    """Return which rows have each modality."""
    return {modality: rows.present for modality, rows in cells.items()}


def named(what: str, name: str, kinds: Mapping[str, Any]) -> Any:
    """Return the kind of a name.

    Raises
    ------
    LearningError
        If there is none.
    """
    if name not in kinds:
        raise LearningError(
            f"the {what} is none of {', '.join(kinds)}, but '{name}'{suggestion(name, kinds)}"
        )
    return kinds[name]


class _Cells(nn.Module):
    """The cells of a row, one after another, and which are there, as its code."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.width = 2 * math.prod(shape)

    def forward(self, cells: Cells) -> Codes:
        values, there = cells.values.flatten(1), cells.there.flatten(1).to(cells.values.dtype)
        return torch.cat([values, there - 1], 1)[None]
