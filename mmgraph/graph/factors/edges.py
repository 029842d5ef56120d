"""Pairwise factors in groups: one interaction along many edges, a weight for each edge."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor, whole_numbers
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Edges, EdgeTerms, Factor, Parts
from mmgraph.graph.interaction import (
    Interaction,
    Tabulated,
    as_interaction,
    restored_interaction,
)
from mmgraph.graph.variable import Variable


class EdgeFactor(Factor, EdgeTerms):
    """The product of one interaction over many edges, its own :class:`EdgeTerms`.

    Attributes
    ----------
    weights : Tensor
        In the shape in which they are kept.
    """

    weights: Tensor

    @property
    def edge_terms(self) -> EdgeFactor:
        """The factor itself."""
        return self

    @property
    def is_tabular(self) -> bool:
        """An array of tables is no table; inference asks for the edges."""
        return False

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the weights, and the table of energies if there is one."""
        table = self.interaction.table
        return (self.weights,) if table is None else (self.weights, table)

    def parameters(self) -> dict[str, Tensor]:
        """As :meth:`Factor.parameters`."""
        return {"weights": self.weights, **self.interaction.parameters()}

    def settings(self) -> dict[str, Any]:
        """As :meth:`Factor.settings`."""
        return self.interaction.settings()

    def with_tensors(self, weights: Tensor, *table: Tensor) -> Self:  # type: ignore[override]
        """As :meth:`Factor.with_tensors`."""
        made = copy(self)
        made.weights = weights
        if table:
            made.interaction = Tabulated(*table)
        return made

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """As :meth:`Factor.to`; the interaction may be of a class of the user's own."""
        moved = self.with_tensors(*(t.to(device=device, dtype=dtype) for t in self.tensors()))
        moved._float_weights(moved.weights)
        return moved

    def _check_ends(self) -> None:
        first, second = self.ends
        for variable in self.ends:
            if not variable.is_discrete:
                raise GraphError(f"{self!r}: '{variable.name}' has no states")
        if self.interaction.table is not None:
            self.interaction.energies(first.cardinality, second.cardinality)
        elif first.cardinality != second.cardinality:
            raise GraphError(
                f"{self!r}: '{first.name}' has {first.cardinality} states and '{second.name}' "
                f"{second.cardinality}; only a table joins different numbers of states"
            )

    def _float_weights(self, numbers: object) -> Tensor:
        """Weights as a floating tensor, checked for what no edge may have."""
        weights, table = float_tensor(numbers, repr(self)), self.interaction.table
        if not bool(torch.isfinite(weights.detach()).all()):
            raise GraphError(f"{self!r}: a weight is NaN or infinite")
        forbids_pairs = table is not None and bool(torch.isinf(table.detach()).any())
        if forbids_pairs and bool((weights.detach() < 0).any()):
            raise GraphError(f"{self!r}: a negative weight on a table that forbids pairs")
        return weights

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Sum over the edges, see :meth:`Factor.energy`."""
        a, b = self.ends
        first, second, weights = self.edges()
        x = assignment[a.name].long().reshape(-1, a.size)[:, first]
        y = assignment[b.name].long().reshape(-1, b.size)[:, second]
        energy = self.interaction.pair_energy(x, y, a.cardinality).to(weights)
        return (weights * energy).masked_fill(weights == 0, 0.0).sum(1)

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Add up what the neighbours say, see :meth:`Factor.field`."""
        a, b = self.ends
        first, second, weights = self.edges()
        result: Tensor | None = None
        for end, other, near, far, transposed in (
            (a, b, first, second, False),
            (b, a, second, first, True),
        ):
            if end is not variable:
                continue
            rows = statistics[other.name].to(weights)
            rows = rows.reshape(rows.shape[0], other.size, other.cardinality)
            energy = self._expected(rows[:, far], transposed) * weights[:, None]
            energy = energy.masked_fill((weights == 0)[:, None], 0.0)
            if result is None:
                result = energy.new_zeros(rows.shape[0], end.size, end.cardinality)
            result = result.index_add(1, near, -energy)
        assert result is not None, f"'{variable.name}' is not in the scope of {self!r}"
        return result.reshape(result.shape[0], *variable.shape, variable.cardinality)

    def _expected(self, statistics: Tensor, transposed: bool) -> Tensor:
        if isinstance(self.interaction, Tabulated):
            return self.interaction.expected(statistics, transposed)
        return self.interaction.expected(statistics)


class PairwiseFactor(EdgeFactor):
    """An interaction along a list of edges.

    Parameters
    ----------
    variables : Variable or two Variables
        The variable, or two, whose elements the edges join.
    edges : array-like of int, shape (edges, 2)
        Places of the ends in the flattened arrays.
    interaction : Interaction or array-like
        A table of energies, ``(first, second)`` or ``(edges, first, second)``, may stand for
        ``Tabulated``.
    weights : float or array-like, shape (edges,), default 1
        What each edge's energy is multiplied by.

    Raises
    ------
    GraphError
        If an end does not exist, an edge joins an element to itself, a shape does not fit, or a
        weight is not finite.
    """

    kind = "pairwise"

    def __init__(
        self,
        variables: Variable | tuple[Variable, Variable],
        edges: object,
        interaction: Interaction | object,
        weights: object = 1.0,
    ) -> None:
        ends = (variables, variables) if isinstance(variables, Variable) else tuple(variables)
        if len(ends) != 2:
            raise GraphError(f"an edge joins two variables, not {len(ends)}")
        self.ends = (ends[0], ends[1])
        self.scope = (ends[0],) if ends[0] is ends[1] else self.ends
        self.interaction = as_interaction(interaction)
        self._check_ends()
        pairs = whole_numbers(edges, f"the ends of the edges of {self!r}")
        pairs = pairs if pairs.numel() else pairs.reshape(-1, 2)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise GraphError(f"{self!r}: edges of shape {tuple(pairs.shape)}, not (edges, 2)")
        for column, variable in enumerate(self.ends):
            outside = (pairs[:, column] < 0) | (pairs[:, column] >= variable.size)
            if bool(outside.any()):
                row = int(outside.nonzero()[0, 0])
                raise GraphError(
                    f"{self!r}: edge {row} ends at element {int(pairs[row, column])} of "
                    f"'{variable.name}', which has {variable.size}"
                )
        if ends[0] is ends[1] and bool((pairs[:, 0] == pairs[:, 1]).any()):
            row = int((pairs[:, 0] == pairs[:, 1]).nonzero()[0, 0])
            raise GraphError(f"{self!r}: edge {row} joins element {int(pairs[row, 0])} to itself")
        tables = self.interaction.table
        if tables is not None and tables.ndim == 3 and len(tables) != len(pairs):
            raise GraphError(f"{self!r}: {len(tables)} tables for {len(pairs)} edges")
        self._pairs = pairs
        self.weights = self._float_weights(weights)
        if self.weights.ndim == 0:
            self.weights = self.weights.expand(len(pairs))
        if tuple(self.weights.shape) != (len(pairs),):
            raise GraphError(
                f"{self!r}: weights of shape {tuple(self.weights.shape)} for {len(pairs)} edges"
            )

    @property
    def edge_count(self) -> int:
        """The number of edges, see :attr:`EdgeFactor.edge_count`."""
        return len(self._pairs)

    def edges(self) -> Edges:
        """Return the edges as given, see :meth:`EdgeFactor.edges`."""
        return Edges(self._pairs[:, 0], self._pairs[:, 1], self.weights)

    def parameters(self) -> dict[str, Tensor]:
        """As :meth:`Factor.parameters`."""
        return {"edges": self._pairs, **super().parameters()}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        interaction = restored_interaction(parts.settings, parts.parameters)
        names = ("edges", "weights", *interaction.parameters())
        first, *second = parts.without_child((1, 2), names)
        parameters = parts.parameters
        if parameters["edges"].dtype != torch.int64:
            raise GraphError(f"the edges are {parameters['edges'].dtype}, not int64")
        ends = (first, second[0]) if second else first
        return cls(ends, parameters["edges"], interaction, parameters["weights"])

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """As :meth:`Factor.to`."""
        moved = super().to(device, dtype)
        moved._pairs = self._pairs.to(device=device)
        return moved
