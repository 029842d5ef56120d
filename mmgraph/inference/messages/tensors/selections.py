"""Edges between a table's node, whose states are the table's cells, and one of its variables.

As in :mod:`mmgraph.inference.pairwise.graph`: no energy where the cell has the variable's state,
else a hard zero. No table of pairs is made: messages are sums over cells, and copies to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.inference.messages.tensors.messages import EdgeGroup, log_sum_exp


class SelectionGroup(EdgeGroup):
    """Edges from a variable (``first``) to a table (``second``), of tables of one shape.

    The variable is an ``axis`` of the shape; messages are padded to so many ``states``.
    """

    def __init__(
        self,
        first: Int64[Tensor, " edges"],
        second: Int64[Tensor, " edges"],
        shape: Sequence[int],
        axis: int,
        states: int,
        like: Tensor,
    ) -> None:
        super().__init__(first, second, like.new_ones(len(first)), None, states)
        self.shape, self.axis = tuple(shape), axis
        self.cells = math.prod(shape)
        stride = math.prod(shape[axis + 1 :])
        cell = torch.arange(states, device=like.device)
        self.state_of_cell = (cell // stride) % shape[axis]

    def reweighted(self, factor: Float[Tensor, " edges"]) -> SelectionGroup:
        """Return itself: a multiple of no energy, and of a hard zero, is the same."""
        return self

    def send(
        self,
        source: Float[Tensor, "batch edges states"],
        towards_second: bool,
        sums: bool,
        chosen: Int64[Tensor, " chosen"] | None = None,
    ) -> Float[Tensor, "batch edges states"]:
        """As :meth:`EdgeGroup.send`: copy states' energies to their cells, or sum over cells."""
        if towards_second:
            return source[..., self.state_of_cell]
        table = source[..., : self.cells].reshape(*source.shape[:2], *self.shape)
        table = table.movedim(2 + self.axis, 2).flatten(3)
        sent = -log_sum_exp(-table, -1) if sums else table.amin(-1)
        missing = self.states - sent.shape[-1]
        return torch.nn.functional.pad(sent, (0, missing), value=torch.inf)

    def pair_energies(
        self,
        x: Int64[Tensor, "batch chosen"],
        towards_second: bool,
        chosen: Int64[Tensor, " chosen"],
    ) -> Float[Tensor, "batch chosen states"]:
        """As :meth:`EdgeGroup.pair_energies`: zero at the states that go with ``x``."""
        if towards_second:
            agrees = self.state_of_cell == x[..., None]
        else:
            states = torch.arange(self.states, device=x.device)
            agrees = states == self.state_of_cell[x][..., None]
        return torch.where(agrees, 0.0, torch.inf).to(self.weights)
