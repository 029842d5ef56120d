"""The tables that come anew with every row: soft evidence and observed continuous leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import LEAST_POTENTIAL
from mmgraph.inference.exact.join_tree.compiled_plan import CompiledPlan
from mmgraph.inference.exact.join_tree.table_view import row_log_tables


class RowTables(NamedTuple):
    """Log-likelihoods over small scopes, one table for each row of evidence."""

    scopes: tuple[tuple[int, ...], ...]
    values: list[Float64[np.ndarray, "batch *states"]]

    def flat(
        self,
        compiled: CompiledPlan,
        rows: np.ndarray | None,
        codes: Int64[np.ndarray, "batch columns"],
        partial: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray | float]:
        """Return likelihoods side by side for some rows, and the logarithms they were divided by.

        ``LEAST_POTENTIAL`` stands for a positive one that is smaller still.

        Parameters
        ----------
        rows : ndarray or None
            None stands for all.
        partial : sequence of int
            Columns of ``codes`` that some rows miss: their tables are one at the observed state,
            and one everywhere where nothing was observed.
        """
        count = len(codes) if rows is None else len(rows)
        if not self.scopes and not partial:
            return np.empty((count, 0)), 0.0
        row_axes = compiled.row_axes()
        blocks: list[np.ndarray] = []
        logs = np.zeros(count)
        for values, axes in zip(self.values, row_axes, strict=False):
            table = values if rows is None else values[rows]
            table = table.transpose(0, *(1 + a for a in axes)).reshape(count, -1)
            top = table.max(1)
            finite = np.where(np.isneginf(top), 0.0, top)
            logs += finite
            likelihood = np.exp(table - finite[:, None])
            lost = (likelihood < LEAST_POTENTIAL) & (table > -np.inf)
            blocks.append(np.where(lost, LEAST_POTENTIAL, likelihood))
        for i in partial:
            column = codes[:, i] if rows is None else codes[rows, i]
            (variable,) = compiled.request.row_scopes[len(blocks)]
            states = np.arange(compiled.planned.structure.cardinalities[variable])
            blocks.append(
                ((column[:, None] == states) | (column[:, None] == MISSING)).astype(np.float64)
            )
        return np.ascontiguousarray(np.concatenate(blocks, axis=1)), logs


def row_tables(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None = None
) -> RowTables:
    """Return what soft evidence and continuous observations say of the discrete variables."""
    # A table whose parents are observed would have to be sliced row by row; it is multiplied in
    # as it stands instead, over variables that stay soft.
    tables = row_log_tables(graph, evidence, memory_budget=memory_budget)
    values = [np.asarray(tensor.detach().cpu().numpy(), np.float64) for _, tensor in tables]
    return RowTables(tuple(scope for scope, _ in tables), values)
