"""Which rows of evidence run through which plan: grouped by what they observe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget
from mmgraph.inference.exact.join_tree.compiled_plan import CompiledPlan, compiled_plan
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.request import planned
from mmgraph.inference.exact.join_tree.row_tables import RowTables, row_tables
from mmgraph.inference.exact.join_tree.table_view import table_view

_PATTERN_COMPILE_NANOSECONDS = 40_000
"""What compiling a plan costs for each variable; decides whether a pattern gets its own plan."""

_ROWS_AT_ONCE = 4096


class Batch(NamedTuple):
    """Rows that run through one plan together: their places in the evidence, and what it takes.

    ``row_logs`` are the logarithms that the soft tables were divided by.
    """

    rows: np.ndarray
    compiled: CompiledPlan
    codes: np.ndarray
    soft: np.ndarray
    row_logs: np.ndarray | float


def batches(
    graph: FactorGraph, evidence: Evidence, request: Request, memory_budget: int | None
) -> Iterator[Batch]:
    """Yield batches in which every row of the evidence comes once."""
    view = table_view(graph)
    names = [n for n in evidence.columns if n in view.index]
    columns = [evidence.columns.index(n) for n in names]
    codes = evidence.codes[:, columns]
    observed = np.array([view.index[n] for n in names], np.int64)
    tables = row_tables(graph, evidence, memory_budget)
    all_rows = np.arange(evidence.batch)
    for rows, fixed in _patterns(graph, codes, observed, request, tables, memory_budget):
        partial = [i for i in range(len(observed)) if i not in fixed]
        partial = [i for i in partial if (codes[rows, i] != MISSING).any()]
        here = _specialised(request, tables, observed[fixed], observed[partial])
        compiled = compiled_plan(graph, here, memory_budget)
        step = min(len(rows), max(1, min(_ROWS_AT_ONCE, 2**27 // max(compiled.width, 1))))
        for start in range(0, len(rows), step):
            some = None if step == evidence.batch else rows[start : start + step]
            soft, logs = tables.flat(compiled, some, codes, partial)
            states = codes[:, fixed] if some is None else codes[some][:, fixed]
            places = all_rows if some is None else some
            yield Batch(places, compiled, np.ascontiguousarray(states), soft, logs)


def _specialised(
    request: Request, tables: RowTables, fixed: np.ndarray, partial: np.ndarray
) -> Request:
    """The request for rows that all observe some variables, and others only here and there."""
    return request._replace(
        observed=tuple(fixed.tolist()),
        row_scopes=tables.scopes + tuple((v,) for v in partial.tolist()),
        keep=tuple(v for v in request.keep if v not in set(fixed.tolist())),
    )


def _patterns(
    graph: FactorGraph,
    codes: np.ndarray,
    observed: np.ndarray,
    request: Request,
    tables: RowTables,
    memory_budget: int | None,
) -> list[tuple[np.ndarray, list[int]]]:
    """Split the rows into groups, each with the columns that are fixed in all of its rows.

    A pattern with many rows is worth a plan of its own, in which its observed variables are
    sliced away; the rest share one, in which a variable that some rows miss is soft evidence.
    """
    rows, columns = codes.shape
    present = codes != MISSING
    if not tables.scopes and present.all():
        return [(np.arange(rows), list(range(columns)))]
    # A variable that a row table speaks of must keep its axis, so it is never sliced away.
    sliceable = ~np.isin(observed, [v for scope in tables.scopes for v in scope])
    always = present.all(0) & sliceable
    everything = [(np.arange(rows), np.flatnonzero(always).tolist())]
    if (present.all(0) | ~sliceable).all():
        return everything
    compile_cost = _PATTERN_COMPILE_NANOSECONDS * len(table_view(graph).variables)
    packed = np.packbits(present, axis=1)
    patterns = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    if packed.shape[1] <= 8:  # as whole numbers they sort faster
        wide = np.zeros((rows, 8), np.uint8)
        wide[:, : packed.shape[1]] = packed
        patterns = wide.view(np.uint64).ravel()
    _, first, inverse, counts = np.unique(
        patterns, return_index=True, return_inverse=True, return_counts=True
    )
    keys = present[first]
    if counts.max() < 2 and rows > 1:
        return everything
    shared = _specialised(request, tables, observed[always], observed[~always])
    budget = default_memory_budget() if memory_budget is None else memory_budget
    planned(graph, shared).check_budget(budget)
    row_cost = planned(graph, shared).plan.cost
    groups: list[tuple[np.ndarray, list[int]]] = []
    left = np.ones(rows, bool)
    fixed = keys & sliceable
    # Slicing saves at most the share of the work that the observed variables cause.
    savings = row_cost * 0.5 * (fixed.sum(1) - always.sum()) / max(1, columns)
    worthwhile = counts * savings >= compile_cost if rows > 1 else np.ones(len(keys), bool)
    for k in np.flatnonzero(worthwhile):
        group = np.flatnonzero(inverse == k)
        groups.append((group, np.flatnonzero(fixed[k]).tolist()))
        left[group] = False
    if left.any():
        groups.append((np.flatnonzero(left), np.flatnonzero(always).tolist()))
    return groups
