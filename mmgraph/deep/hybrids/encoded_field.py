"""A random field whose unaries an encoder says: neighbours agree, and a net reads each element."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.inputs.cells import Cells
from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factors.grid import GridFactor, Offset, neighbourhood
from mmgraph.graph.interaction import Tabulated
from mmgraph.graph.soft_evidence import soft
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.exact import marginals
from mmgraph.inference.mean_field.mean_field import mean_field_marginals
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField

Labels = Int64[Tensor, "fields elements"]
_LABEL = "label"


class EncodedField(nn.Module):
    """Elements of a chain, an image or a volume, read by an encoder and joined to neighbours.

    The encoder's code of an element is its log-potential of each state. Each offset to neighbours
    has a table of energies (or one number, the cost of unequal labels), learned with the encoder
    through inference: exact on chains, trees and small grids, or mean field with a fixed number of
    updates, which gradients run through. Part by part, the encoder is trained by itself
    (:meth:`unaries`), and then the energies alone (:meth:`graphical`) on elements that it has
    not learned from. An element of which nothing is there has its neighbours' evidence alone.

    Parameters
    ----------
    encoder : Encoder
        Of elements; its width is the number of states.
    states : int
    shape : sequence of int
        Of a field: ``(length,)``, ``(height, width)`` or ``(depth, height, width)``.
    members : int
        How many there are in the encoder's pack.
    interaction : {"potts", "table"}
    neighbours : int or sequence of offsets, optional
        By default those that share a face.
    inference : {"mean_field", "exact"}
    updates : int
        Of mean field.
    weight : float
        The energy of unequal labels to begin with.

    Raises
    ------
    LearningError
        If the width of the encoder is not the number of states, or an option is out of its range.
    GraphError
        If there are no such neighbours.

    References
    ----------
    Zheng et al. (2015), "Conditional random fields as recurrent neural networks"; Krähenbühl and
    Koltun (2013), "Parameter learning and convergent inference for dense random fields".
    """

    def __init__(
        self,
        encoder: Encoder,
        states: int,
        shape: Sequence[int],
        *,
        members: int = 1,
        interaction: Literal["potts", "table"] = "potts",
        neighbours: int | Sequence[Offset] | None = None,
        inference: Literal["mean_field", "exact"] = "mean_field",
        updates: int = 10,
        weight: float = 0.5,
    ) -> None:
        super().__init__()
        check_choice("interaction", interaction, ("potts", "table"), LearningError)
        check_choice("inference", inference, ("mean_field", "exact"), LearningError)
        if encoder.width != states:
            raise LearningError(f"the encoder has {encoder.width} outputs, but there are {states} "
                                "states")  # fmt: skip
        if updates < 1 or min(shape, default=0) < 1:
            raise LearningError(f"{updates} updates of fields of shape {tuple(shape)}: at least 1")
        self.encoder, self.states, self.shape = encoder, states, tuple(shape)
        self.inference, self.updates = inference, updates
        faces = 2 * len(self.shape) if neighbours is None else neighbours
        self.offsets = (
            neighbourhood(len(self.shape), faces) if isinstance(faces, int) else tuple(faces)
        )
        unequal = weight * (1 - torch.eye(states))
        numbers = torch.tensor(float(weight)) if interaction == "potts" else unequal
        start = numbers.repeat(members, len(self.offsets), *[1] * numbers.ndim)
        self.energies = nn.Parameter(start)

    def unaries(self, cells: Cells) -> Float[Tensor, "members elements states"]:
        """Return what the encoder says of elements; zeros of those of which nothing is there.

        Raises
        ------
        LearningError
            If they are not as many as fields have, or what is said is not finite.
        """
        count, size = len(cells.values), prod(self.shape)
        if not count or count % size:
            raise LearningError(
                f"{count} elements are no fields of shape {self.shape}, which have {size} each: "
                "fields of other sizes need a model of their own"
            )
        code = self.encoder(cells).where(cells.present[None, :, None], 0.0)
        if not bool(code.detach().isfinite().all()):
            raise LearningError("what the encoder says of elements is not finite")
        return code

    def forward(self, cells: Cells) -> Float[Tensor, "members fields elements states"]:
        """Return the logarithms of marginals, of fields whose elements come one after another."""
        code = self.unaries(cells)
        fields = code.reshape(len(code), -1, *self.shape, self.states)
        answers = [self._of_member(*pair) for pair in zip(fields, self.energies, strict=True)]
        return torch.stack(answers).flatten(2, -2)

    def _of_member(
        self, code: Float[Tensor, "fields *shape states"], energies: Tensor
    ) -> Float[Tensor, "fields *shape states"]:
        code, energies = code.double(), energies.double()
        if energies.ndim == 1:
            energies = energies[:, None, None] * (1 - torch.eye(self.states).to(energies))
        variable = Variable(_LABEL, self.states, shape=self.shape)
        factors = [
            GridFactor(variable, Tabulated(table), neighbours=[offset])
            for offset, table in zip(self.offsets, energies, strict=True)
        ]
        field = MarkovRandomField([variable], factors)
        evidence = Evidence.of({_LABEL: soft(code)}, field.variables)
        if self.inference == "mean_field":
            return mean_field_marginals(field, evidence, self.updates)[_LABEL]
        table = marginals(field, evidence, [_LABEL], "torch").marginal(_LABEL)
        return table.clamp(min=torch.finfo(table.dtype).tiny).log()

    def loss(self, cells: Cells, labels: Labels) -> Float[Tensor, " members"]:
        """Return the mean log-loss of each member over elements that are labelled, others -1.

        Raises
        ------
        LearningError
            If labels are of fields of another size, none is there, or one is no state.
        """
        return log_loss(self(cells), labels)

    def graphical(self) -> list[nn.Parameter]:
        """Return the parameters that are learned last where training is part by part."""
        return [self.energies]


def log_loss(
    logarithms: Float[Tensor, "members fields elements states"], labels: Labels
) -> Float[Tensor, " members"]:
    """Return the mean of minus the logarithms at labels, without those that are missing (-1)."""
    if labels.shape != logarithms.shape[1:3]:
        raise LearningError(
            f"labels of {tuple(labels.shape)} (fields, elements) for fields of "
            f"{tuple(logarithms.shape[1:3])}"
        )
    there = labels != MISSING
    if not bool(there.any()):
        raise LearningError("no element is labelled, so that there is nothing to learn from")
    if int(labels.max()) >= logarithms.shape[-1] or int(labels.min()) < MISSING:
        raise LearningError(f"a label is none of {logarithms.shape[-1]} states")
    picked = logarithms.gather(
        -1, labels.clamp(min=0)[None, :, :, None].expand(len(logarithms), -1, -1, 1)
    )
    return -picked[..., 0][:, there].mean(1)
