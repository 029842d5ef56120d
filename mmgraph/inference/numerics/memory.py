"""How much memory message passing takes, asked before any of it is taken."""

from __future__ import annotations

import math

import torch

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import check_required, default_memory_budget

_STATISTICS_COPIES = 4
"""Statistics, natural parameters, and what is made on the way from one to the other."""

_BYTES_PER_EDGE = 48
"""Ends, function, weight, places of the messages, and the lists of edges at each node."""


def check_memory(
    graph: FactorGraph,
    dtype: torch.dtype | None,
    memory_budget: int | None,
    messages_per_edge: int,
) -> None:
    """Raise MemoryBudgetError if a method's messages, some for each edge, would not fit.

    The budget, in bytes, is by default half of the machine's memory.
    """
    states = sum(v.size * v.cardinality for v in graph.variables.values() if v.is_discrete)
    edges, numbers = 0, 3 * states
    for factor in graph.factors:
        if (group := factor.edge_terms) is not None:
            count, states = group.edge_count, group.ends[0].cardinality
        else:
            discrete = [v for v in factor.scope if v.is_discrete and not v.shape]
            count = len(discrete) if len(discrete) > 1 else 0
            states = math.prod(v.cardinality for v in discrete)
        edges += count
        numbers += messages_per_edge * count * states
    required = numbers * _width(dtype) + edges * _BYTES_PER_EDGE
    budget = default_memory_budget() if memory_budget is None else memory_budget
    advice = (
        "Use dtype=torch.float32, label a part of the image at a time, merge states, or raise "
        "memory_budget"
    )
    check_required(f"messages along {edges:,} edges", required, budget, advice)


def check_statistics_memory(graph: FactorGraph, rows: int, dtype: torch.dtype) -> None:
    """Raise MemoryBudgetError if the statistics of rows (times their chains) would not fit."""
    numbers = sum(
        v.size * (v.cardinality if v.family == "categorical" else 1)
        for v in graph.variables.values()
    )
    required = _STATISTICS_COPIES * rows * numbers * _width(dtype)
    what = f"the statistics of {rows:,} rows of {numbers:,} numbers"
    advice = "Give fewer rows of evidence at a time, or fewer chains"
    check_required(what, required, default_memory_budget(), advice)


def _width(dtype: torch.dtype | None) -> int:
    return 4 if dtype == torch.float32 else 8
