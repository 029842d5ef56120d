"""How much memory message passing takes, asked before any of it is taken."""

from __future__ import annotations

import math
import os

import torch

from mmgraph.graph.errors import MemoryBudgetError
from mmgraph.graph.factor_graph import FactorGraph

_STATISTICS_COPIES = 4
"""Statistics, natural parameters, and what is made on the way from one to the other."""

_BYTES_PER_EDGE = 48
"""Ends, function, weight, places of the messages, and the lists of edges at each node."""


def device_budget(device: torch.device) -> int:
    """Return the bytes to take by default: half of the machine's, or what a GPU has free."""
    if device.type != "cuda":
        return default_memory_budget()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def check_memory(
    graph: FactorGraph,
    dtype: torch.dtype | None,
    memory_budget: int | None,
    messages_per_edge: int,
) -> None:
    """Refuse a graph whose messages would not fit.

    Parameters
    ----------
    graph : FactorGraph
        The graph.
    dtype : torch.dtype or None
        Of the messages; None counts as double.
    memory_budget : int or None
        In bytes; by default half of the machine's memory.
    messages_per_edge : int
        How many messages the method keeps for each edge.

    Raises
    ------
    MemoryBudgetError
        With the sizes, and what to do instead.
    """
    budget = default_memory_budget() if memory_budget is None else memory_budget
    width = 4 if dtype == torch.float32 else 8
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
    required = numbers * width + edges * _BYTES_PER_EDGE
    if required > budget:
        raise MemoryBudgetError(
            f"messages along {edges:,} edges would need {format_bytes(required)}, the budget is "
            f"{format_bytes(budget)}. Use dtype=torch.float32, label a part of the image at a "
            "time, merge states, or raise memory_budget",
            required,
            budget,
        )


def check_statistics_memory(
    graph: FactorGraph, rows: int, dtype: torch.dtype, memory_budget: int | None = None
) -> None:
    """Refuse rows of layers of units whose statistics would not fit.

    Parameters
    ----------
    graph : FactorGraph
        With layers of units; others are counted elsewhere.
    rows : int
        Of evidence, times the chains of each.
    dtype : torch.dtype
        Of the statistics.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory.

    Raises
    ------
    MemoryBudgetError
        With the sizes, and what to do instead.
    """
    budget = default_memory_budget() if memory_budget is None else memory_budget
    numbers = sum(
        v.size * (v.cardinality if v.family == "categorical" else 1)
        for v in graph.variables.values()
    )
    required = _STATISTICS_COPIES * rows * numbers * (4 if dtype == torch.float32 else 8)
    if required > budget:
        raise MemoryBudgetError(
            f"the statistics of {rows:,} rows of {numbers:,} numbers would need "
            f"{format_bytes(required)}, the budget is {format_bytes(budget)}. Give fewer rows of "
            "evidence at a time, or fewer chains, or raise memory_budget",
            required,
            budget,
        )


def default_memory_budget() -> int:
    """Half of the machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def format_bytes(size: float) -> str:
    """Return a size in bytes as people read it: ``"3.2 GiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.3g} EiB"
