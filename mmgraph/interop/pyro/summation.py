"""The discrete variables of a model, summed out exactly beside what real values say of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact import torch_contraction

MOST_CONFIGURATIONS = 1 << 12
"""Configurations of the variables that real values speak of, up to which these are listed."""

LISTED_SHARE = 8
"""What part of the memory budget the lists of all rows, and their gradients, may take."""

_ROWS_AT_ONCE = 1 << 12


class RowTable(Factor):
    """A log-table ``(batch, *states)`` that comes with the rows; others take its place."""

    tensor_names: ClassVar[tuple[str, ...]] = ("table",)

    def __init__(self, scope: Sequence[Variable], table: Tensor | None = None) -> None:
        self.scope = tuple(scope)
        self.table = table

    @property
    def is_tabular(self) -> bool:
        """No: it differs from row to row."""
        return False

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the entries of a full assignment."""
        assert self.table is not None
        rows = torch.arange(len(self.table))
        return -self.table[(rows, *(assignment[v.name] for v in self.scope))]

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return the table."""
        return None if self.table is None else LogTable(self.scope, self.table)


class DiscreteSum:
    """The sum over all discrete variables, of tables that change with real values.

    The join tree sums out what the changing tables do not speak of once; the configurations of the
    others are listed where they are few and fit the memory for all rows.

    Parameters
    ----------
    graph : FactorGraph
        Scalar discrete variables and real ones, of which the tabular factors are taken.
    evidence : Evidence
        On the discrete variables.
    scopes : sequence of tuple of Variable
        Those of the changing tables.
    constant : sequence of (scope, table)
        What observed real values say.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        scopes: Sequence[tuple[Variable, ...]],
        constant: Sequence[tuple[tuple[Variable, ...], Tensor]],
    ) -> None:
        discrete = [v for v in graph.variables.values() if v.is_discrete]
        tabular = [f for f in graph.factors if f.is_tabular]
        self.evidence = Evidence(
            graph.variables,
            evidence.batch,
            evidence.columns,
            evidence.codes,
            soft=evidence.soft,
        )
        self._changing = [RowTable(scope) for scope in scopes]
        self._still = [(scope, table) for scope, table in constant if scope]
        still = [RowTable(scope, table) for scope, table in self._still]
        alone: Tensor = sum((t for scope, t in constant if not scope), torch.zeros(()).double())
        self._alone = alone.expand(evidence.batch)
        self.graph = FactorGraph(discrete, [*tabular, *still, *self._changing])
        before = FactorGraph(discrete, [*tabular, *still])
        spoken = dict.fromkeys(v for scope in scopes for v in scope)
        self._listed = tuple(v for v in discrete if v in spoken)
        self._table: Tensor | None = None
        weight = torch_contraction.marginals(before, self.evidence, ())["log_weight"].detach()
        if self._can_list(len(scopes)):
            names = [v.name for v in self._listed]
            joint = torch_contraction.joint_distribution(before, self.evidence, names).detach()
            self._table = joint.log() + weight.reshape(-1, *(1,) * (joint.ndim - 1))

    @property
    def is_listed(self) -> bool:
        """Whether configurations are listed, rather than summed along a join tree each time."""
        return self._table is not None

    def _can_list(self, tables: int) -> bool:
        """Whether the configurations are few, and fit for all rows and a sum for each table."""
        configurations = math.prod(v.cardinality for v in self._listed)
        size = 8 * self.evidence.batch * configurations * (1 + tables)
        fits = size <= default_memory_budget() // LISTED_SHARE
        return configurations <= MOST_CONFIGURATIONS and fits

    def log_weight(self, tables: Sequence[Float[Tensor, "batch *states"]]) -> Tensor:
        """Return the logarithm of the sum of every row, given the changing tables."""
        rest: Tensor | float = self._alone
        if self._table is None:
            for factor, table in zip(self._changing, tables, strict=True):
                if factor.scope:
                    factor.table = table
                else:
                    rest = rest + table
            return rest + torch_contraction.log_evidence(self.graph, self.evidence)
        total = self._table
        for factor, table in zip(self._changing, tables, strict=True):
            if factor.scope:
                total = total + self._aligned(factor.scope, table)
            else:
                rest = rest + table
        return rest + (total.flatten(1).logsumexp(1) if total.ndim > 1 else total)

    def _aligned(self, scope: Sequence[Variable], table: Tensor) -> Tensor:
        """A table with an axis for each listed variable, in their order."""
        order = sorted(range(len(scope)), key=lambda i: self._listed.index(scope[i]))
        sizes = [v.cardinality if v in scope else 1 for v in self._listed]
        return table.permute(0, *(1 + i for i in order)).reshape(len(table), *sizes)

    def marginals(
        self,
        tables: Sequence[Float[Tensor, "batch_and_draws *states"]],
        draws: int,
        names: Sequence[str],
    ) -> dict[str, Float[Tensor, "batch_and_draws states"]]:
        """Return the marginals of every row given each of its draws of the changing tables."""
        return self._by_parts(tables, draws, lambda graph, rows: _marginals(graph, rows, names))

    def samples(
        self,
        tables: Sequence[Float[Tensor, "batch_and_draws *states"]],
        draws: int,
        generator: torch.Generator | None,
    ) -> dict[str, Int64[Tensor, " batch_and_draws"]]:
        """Return states of all variables, drawn given each draw of the changing tables."""

        def drawn(graph: FactorGraph, rows: Evidence) -> dict[str, Tensor]:
            states = torch_contraction.exact_samples(graph, rows, 1, generator)
            return {name: codes[:, 0] for name, codes in states.items()}

        return self._by_parts(tables, draws, drawn)

    def _by_parts(
        self,
        tables: Sequence[Float[Tensor, "batch_and_draws *states"]],
        draws: int,
        answer: Callable[[FactorGraph, Evidence], dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Answer so many rows at once as fit, each of them repeated for each draw."""
        index = np.repeat(np.arange(self.evidence.batch), draws)
        variables = self.graph.variables.values()
        tabular = [f for f in self.graph.factors if f.is_tabular]
        parts = []
        for first in range(0, len(index), _ROWS_AT_ONCE):
            rows = index[first : first + _ROWS_AT_ONCE]
            still = [
                RowTable(scope, table[rows] if len(table) > 1 else table)
                for scope, table in self._still
            ]
            changing = [
                RowTable(factor.scope, table[first : first + _ROWS_AT_ONCE].detach())
                for factor, table in zip(self._changing, tables, strict=True)
                if factor.scope
            ]
            graph = FactorGraph(variables, [*tabular, *still, *changing])
            parts.append(answer(graph, self.evidence.rows(rows)))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _marginals(graph: FactorGraph, rows: Evidence, names: Sequence[str]) -> dict[str, Tensor]:
    marginals: dict[str, Tensor] = torch_contraction.marginals(graph, rows, names)["moments"][0]
    return {name: table.detach() for name, table in marginals.items()}
