"""The common base of conditional tables that are computed from a few parameters."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor, check_scalar_discrete
from mmgraph.graph.variable import Variable, named_states

TABLE_BUDGET_BYTES = 1 << 30
"""A conditional table may take this much; a larger one is refused before it is built."""


class ParametricTable(TableFactor):
    """A conditional table, axes ``(*parents, child)``, computed from parameters that are kept.

    The table is made once, by torch operations: gradients flow from it to the parameters.
    """

    child: Variable

    def parameters(self) -> dict[str, Tensor]:
        """Return the numbers that the table is computed from, by name."""
        return Factor.parameters(self)

    @abc.abstractmethod
    def updated(self, counts: Float[Tensor, "*parents child"]) -> Self:
        """Return the distribution of the same kind that fits expected family counts best.

        Never has it a lower expected log-likelihood ``Σ counts · log table`` than this one.

        Parameters
        ----------
        counts : Tensor, shape (*parent states, child states)
            Non-negative and finite.

        Raises
        ------
        LearningError
            If the counts have another shape, or are negative or not finite.
        """

    def __reduce__(self) -> tuple[Any, ...]:
        # The table is computed again, so that a copy's gradients flow to the copy's parameters.
        return self.restore, (self.scope, self.child, self.parameters(), self.settings())

    def _checked_counts(self, counts: Tensor) -> Float[Tensor, "*parents child"]:
        """Expected family counts in double precision."""
        expected = tuple(v.cardinality for v in self.scope)
        if tuple(counts.shape) != expected:
            raise LearningError(
                f"{self!r}: the counts have shape {tuple(counts.shape)}, not {expected}"
            )
        counts = counts.detach().to(self.values.device, torch.float64)
        bad = ~((counts >= 0) & (counts < math.inf))
        if bool(bad.any()):
            cell = [int(i) for i in bad.nonzero()[0]]
            raise LearningError(
                f"{self!r}: the count {float(counts[tuple(cell)])} at "
                f"({named_states(self.scope, cell)}) is negative or not finite"
            )
        return counts


def check_family(kind: str, child: Variable, parents: Sequence[Variable]) -> None:
    """Refuse variables that cannot stand in a table, and a table beyond the memory budget."""
    scope = (*parents, child)
    owner = f"{kind} of '{child.name}'"
    check_scalar_discrete(owner, scope, child)
    sizes = [v.cardinality for v in scope]
    required = 8 * math.prod(sizes)
    if required > TABLE_BUDGET_BYTES:
        raise GraphError(
            f"{owner}: {len(parents)} parents make a table of {math.prod(sizes):,} cells, "
            f"{required / 2**30:,.3g} GiB; {TABLE_BUDGET_BYTES / 2**30:,.3g} GiB are allowed. "
            "Fewer parents, or a chain of small tables (NoisyOr.chain, NoisyMax.chain), fit"
        )


def real_parameter(owner: str, numbers: object, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
    """Return a parameter as a floating tensor of the shape asked for, finite throughout."""
    tensor = float_tensor(numbers, owner)
    if tuple(tensor.shape) != shape:
        raise GraphError(f"{owner}: shape {tuple(tensor.shape)}, not {shape}")
    if not bool(tensor.detach().isfinite().all()):
        raise GraphError(f"{owner}: a number is not finite")
    return tensor
