"""What rows of evidence say in tables: of the parents of an observed leaf, of states ruled out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.factors.table import mean_log_table
from mmgraph.graph.variable import Variable


class RowTable(Factor):
    """A table for each row of a batch of evidence, of one or as many tables."""

    def __init__(self, table: LogTable, batch: int) -> None:
        self.scope = table.scope
        rank = len(table.scope)
        values = table.values if table.values.ndim > rank else table.values.unsqueeze(0)
        self.values = values.expand(batch, *values.shape[1:])

    def tables(self) -> Iterator[LogTable]:
        """Yield the tables of all rows, see :meth:`Factor.tables`."""
        yield LogTable(self.scope, self.values)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Look each row up in its own table, see :meth:`Factor.energy`."""
        index = tuple(assignment[v.name].long() for v in self.scope)
        return -self.values[(torch.arange(len(self.values)), *index)]

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch states"]:
        """Average each row's table over the other variables, see :meth:`Factor.field`."""
        return mean_log_table(self.scope, self.values, variable, statistics)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RowTable:
        """Return the tables on another device or in another precision."""
        values = self.values.to(device=device, dtype=dtype)
        return RowTable(LogTable(self.scope, values), len(values))


def excluded_states(evidence: Evidence, name: str) -> Bool[Tensor, "batch *shape states"] | None:
    """Return which states hard evidence rules out, or None where there is none."""
    codes = evidence.hard(name)
    if codes is None:
        return None
    states = torch.arange(evidence.variables[name].cardinality, device=codes.device)
    return (codes.unsqueeze(-1) != states) & (codes.unsqueeze(-1) != MISSING)
