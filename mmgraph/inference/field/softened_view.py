"""A field view in which hard zeros between variables cost a finite energy, perhaps.

Annealing, tempering and iterated modes pass through states that the model forbids. What joins
variables is parted into finite energies and into a count of the hard zeros that are met.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import EdgeTerms, Factor, LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.edges import PairwiseFactor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.interaction import Tabulated
from mmgraph.inference.field.row_table import RowTable
from mmgraph.inference.field.terms import Statistics
from mmgraph.inference.field.view import FieldView, of_rows


class SoftenedView(FieldView):
    """A field view whose factors have finite energies; the zeros that they had count apart."""

    cost: float | Float[Tensor, " batch"]  # of a hard zero; infinity in the model itself

    def __init__(
        self, graph: FactorGraph, evidence: Evidence, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__(graph, evidence, device, dtype)
        self.cost = math.inf
        joining, self.factors = self.factors, []
        self._forbidding: list[Factor] = []
        self._forbidden: dict[str, list[Factor]] = {n: [] for n in self.variables}
        self.couplings = {n: [] for n in self.variables}
        for factor in joining:
            for finite, zeros in _parted(factor):
                self.factors.append(finite)
                for v in finite.scope:
                    self.couplings[v.name].append(finite)
                if zeros is not None:
                    self._forbidding.append(zeros)
                    for v in zeros.scope:
                        self._forbidden[v.name].append(zeros)

    def field(
        self, name: str, statistics: Statistics, inverse: float | Tensor | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return natural parameters, hard zeros at their cost, see :meth:`FieldView.field`."""
        natural = super().field(name, statistics, inverse)
        broken = self.broken(name, statistics)
        if broken is None:
            return natural
        priced = broken * of_rows(self.cost, broken)
        return natural - priced.masked_fill(broken <= 0, 0.0)  # infinitely much times nothing

    def broken(self, name: str, statistics: Statistics) -> Float[Tensor, "batch ..."] | None:
        """Return how many hard zeros each state of a variable would meet; None if there are none.

        The statistics are one-hot rows of the others' states.
        """
        field = self._field_of(self._forbidden[name], name, statistics)
        return None if field is None else -field

    def violations(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return how many hard zeros the states of each row meet."""
        return -self.coupling_log_weight(statistics, self._forbidding, ())


def _parted(factor: Factor) -> Iterator[tuple[Factor, Factor | None]]:
    """Finite factors, and for each one that says -1 where a hard zero was (None: nowhere)."""
    if factor.compact:
        yield factor, None
    elif (edges := factor.edge_terms) is not None:
        yield _parted_edges(factor, edges)
    else:
        for table in factor.tables():
            zero = torch.isneginf(table.values)
            some = bool(zero.any())
            finite = table.values.masked_fill(zero, 0.0)
            minus = -zero.to(finite.dtype)
            yield (
                _of_table(table, finite),
                _of_table(table, minus) if some else None,
            )


def _of_table(table: LogTable, values: Tensor) -> Factor:
    if values.ndim > len(table.scope):
        return RowTable(LogTable(table.scope, values), len(values))
    return TableFactor(table.scope, log_values=values)


def _parted_edges(factor: Factor, group: EdgeTerms) -> tuple[Factor, Factor | None]:
    table = group.interaction.table
    zero = None if table is None else torch.isinf(table)
    if table is None or zero is None or not bool(zero.any()):
        return factor, None
    first, second, weights = group.edges()
    ends = group.ends if len(factor.scope) == 2 else group.ends[0]
    pairs = torch.stack([first, second], 1)
    finite = Tabulated(table.masked_fill(zero, 0.0))
    counted = (weights != 0).to(weights)
    return (
        PairwiseFactor(ends, pairs, finite, weights),
        PairwiseFactor(ends, pairs, Tabulated(zero.to(table.dtype)), counted),
    )
