"""An interaction between the neighbours of an array: images and volumes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Edges, Parts
from mmgraph.graph.factors.edges import EdgeFactor
from mmgraph.graph.interaction import Interaction, as_interaction, restored_interaction
from mmgraph.graph.variable import Variable

Offset = tuple[int, ...]

_LARGEST_NEIGHBOURHOOD = 4096
"""The most neighbours of an element that a file may ask for."""


def neighbourhood(dimensions: int, neighbours: int) -> tuple[Offset, ...]:
    """Return one offset for each pair of opposite neighbours.

    There are 2 in a line, 4 or 8 in a plane, 6 or 26 in a volume: those that share a face, or a
    corner. An array of so many dimensions may have no such neighbourhood: GraphError.
    """
    faces, corners = 2 * dimensions, 3**dimensions - 1
    if dimensions < 1 or neighbours not in (faces, corners):
        possible = f"{faces} or {corners}" if dimensions > 1 else "2"
        raise GraphError(
            f"{neighbours} neighbours in {dimensions} dimensions (known there: {possible})"
        )
    # Of two opposite offsets the one that leads onwards in scan order is kept.
    onwards = [
        offset
        for offset in itertools.product((-1, 0, 1), repeat=dimensions)
        if offset > (0,) * dimensions
    ]
    if neighbours == faces:
        onwards = [offset for offset in onwards if sum(map(abs, offset)) == 1]
    return tuple(sorted(onwards, key=lambda offset: (sum(map(abs, offset)), offset)))


def offset_slices(
    shape: Sequence[int], offset: Offset
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the parts of an array in which the edges of an offset start and end.

    Where it leads nowhere inside the array, both parts are empty.
    """
    starts = tuple(
        slice(max(0, -step), max(0, length - max(0, step)))
        for step, length in zip(offset, shape, strict=True)
    )
    stops = tuple(
        slice(max(0, step), max(0, length + min(0, step)))
        for step, length in zip(offset, shape, strict=True)
    )
    return starts, stops


class GridFactor(EdgeFactor):
    """An interaction between every element of an array and its neighbours.

    Parameters
    ----------
    variable : Variable
        An array; ``(height, width)`` for an image, ``(depth, height, width)`` for a volume.
    interaction : Interaction or array-like
        A table of energies ``(states, states)`` may stand for ``Tabulated``; its first axis is the
        element that an offset starts from.
    weights : float or array-like, default 1
        One for all edges, one for each offset, or an array ``(offsets, *shape)`` whose entry
        ``[o, i, j]`` belongs to the edge from ``(i, j)`` to ``(i, j) + offset o``; entries whose
        edge would leave the array are not used.
    neighbours : int or sequence of offsets, default: those that share a face
        See :func:`neighbourhood`; any other set of offsets may be given itself.

    Attributes
    ----------
    offsets : tuple of tuple of int
        Of the neighbours, in the order of the weights.

    Raises
    ------
    GraphError
        If the variable is no array, a shape does not fit or a weight is not finite.
    """

    kind = "grid"
    offsets: tuple[Offset, ...]

    def __init__(
        self,
        variable: Variable,
        interaction: Interaction | object,
        weights: object = 1.0,
        neighbours: int | Sequence[Offset] | None = None,
    ) -> None:
        self.ends = (variable, variable)
        self.scope = (variable,)
        self.interaction = as_interaction(interaction)
        if self.interaction.table is not None and self.interaction.table.ndim == 3:
            raise GraphError(f"{self!r}: a table for each edge asks for a PairwiseFactor")
        self._check_ends()
        dimensions = len(variable.shape)
        if neighbours is None:
            neighbours = 2 * dimensions
        if isinstance(neighbours, int):
            self.offsets = neighbourhood(dimensions, neighbours)
        else:
            self.offsets = tuple(tuple(int(step) for step in offset) for offset in neighbours)
        self._check_offsets()
        self.weights = self._float_weights(weights)
        count = len(self.offsets)
        if tuple(self.weights.shape) not in ((), (count,), (count, *variable.shape)):
            raise GraphError(
                f"{self!r}: weights of shape {tuple(self.weights.shape)}; one number, ({count},) "
                f"or {(count, *variable.shape)} was expected"
            )

    def _check_offsets(self) -> None:
        dimensions = len(self.ends[0].shape)
        for offset in self.offsets:
            if len(offset) != dimensions or not any(offset):
                raise GraphError(f"{self!r}: {offset} is no offset in {dimensions} dimensions")
            opposite = tuple(-step for step in offset)
            if self.offsets.count(offset) > 1 or opposite in self.offsets:
                raise GraphError(f"{self!r}: the neighbours at {offset} are joined twice")

    def _shifts(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], Tensor]]:
        """Yield where the edges of each offset start and end, and their weights."""
        for number, offset in enumerate(self.offsets):
            starts, stops = offset_slices(self.ends[0].shape, offset)
            weights = self.weights if self.weights.ndim == 0 else self.weights[number]
            yield starts, stops, weights[starts] if weights.ndim else weights

    @property
    def edge_count(self) -> int:
        """As many as elements and offsets, see :attr:`EdgeFactor.edge_count`."""
        return self.ends[0].size * len(self.offsets)

    def edges(self) -> Edges:
        """Return the edges, offset by offset, each in scan order."""
        variable = self.ends[0]
        places = torch.arange(variable.size, device=self.weights.device).reshape(variable.shape)
        first, second, weights = [], [], []
        for starts, stops, weight in self._shifts():
            first.append(places[starts].reshape(-1))
            second.append(places[stops].reshape(-1))
            weights.append(weight.expand(places[starts].shape).reshape(-1))
        return Edges(torch.cat(first), torch.cat(second), torch.cat(weights))

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Sum over the edges without listing them, see :meth:`Factor.energy`."""
        variable = self.ends[0]
        states = assignment[variable.name].long()
        total = self.weights.new_zeros(states.shape[0])
        for starts, stops, weight in self._shifts():
            x, y = states[(slice(None), *starts)], states[(slice(None), *stops)]
            energy = self.interaction.pair_energy(x, y, variable.cardinality).to(weight)
            energy = (weight * energy).masked_fill(weight == 0, 0.0)
            total = total + energy.flatten(1).sum(1)
        return total

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Add up what the neighbours say, see :meth:`Factor.field`."""
        rows = statistics[variable.name].to(self.weights)
        result = torch.zeros_like(rows)
        for starts, stops, weight in self._shifts():
            at, to = (slice(None), *starts), (slice(None), *stops)
            scale = weight.unsqueeze(-1) if weight.ndim else weight
            for near, far, transposed in ((at, to, False), (to, at, True)):
                energy = scale * self._expected(rows[far], transposed)
                result[near] = result[near] - energy.masked_fill(scale == 0, 0.0)
        return result

    def settings(self) -> dict[str, Any]:
        """As :meth:`Factor.settings`."""
        return {**super().settings(), "offsets": [list(offset) for offset in self.offsets]}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        interaction = restored_interaction(parts.settings, parts.parameters)
        (variable,) = parts.without_child((1,), ("weights", *interaction.parameters()))
        offsets = restored_offsets(parts.settings.get("offsets"))
        return cls(variable, interaction, parts.parameters["weights"], offsets)


def restored_offsets(offsets: object) -> list[Offset]:
    """Return offsets from the list of lists of integers that a file holds, or raise GraphError."""
    if not isinstance(offsets, list) or len(offsets) > _LARGEST_NEIGHBOURHOOD:
        raise GraphError("expected a list of offsets")
    for offset in offsets:
        if not isinstance(offset, list) or not all(type(step) is int for step in offset):
            raise GraphError(f"expected an offset, found {offset!r}"[:80])
    return [tuple(offset) for offset in offsets]
