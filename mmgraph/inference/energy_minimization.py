"""TRW-S, then moves from its labelling: a low energy, with a bound from the messages.

TRW-S gives a bound and a labelling near it. What single passes over the nodes miss, moves of many
nodes find: expansions, swaps or fusions, each a minimum cut that the messages have made small.
Szeliski et al. (2008), "A comparative study of energy minimization methods for Markov random fields
with smoothness-based priors", compare the parts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.memory import check_memory
from mmgraph.inference.move_making import improve
from mmgraph.inference.pairwise_graph import pairwise_graph
from mmgraph.inference.trws import Progress, Search, assignment_of, reporter


def trws_and_moves(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    iterations: int = 50,
    cycles: int = 5,
    tolerance: float = 1e-7,
    time_limit: float | None = None,
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
    progress: Progress | None = None,
) -> Assignment:
    """Return an assignment of low energy, and a bound on how much lower any other can be.

    Parameters
    ----------
    iterations : int, default 50
        Of TRW-S.
    cycles : int, default 5
        At most so many times through all moves; none where TRW-S has closed the gap.

    The other parameters and the errors are those of :func:`trws`.
    """
    began = time.perf_counter()
    check_memory(graph, dtype, memory_budget, messages_per_edge=2)
    pairwise = pairwise_graph(graph, dtype)
    searches: list[Search] = []
    trace: list[TracePoint] = []
    for row in range(evidence.batch):
        deadline = time.perf_counter() + (np.inf if time_limit is None else time_limit)
        report = reporter(trace if row == 0 else [], progress, began)
        search = Search.of_row(pairwise, evidence, row)
        search.run(iterations, tolerance, deadline, report)
        search.settle()
        if search.energy - search.bound > tolerance * max(1.0, abs(search.energy)):
            search.labelling, search.energy = improve(
                pairwise,
                search.unary,
                search.labelling,
                search.messages,
                cycles=cycles,
                deadline=deadline,
            )
            report(search)
        search.messages = search.messages[:0]  # of one row at a time is enough
        searches.append(search)
    return assignment_of(
        searches, graph, variables, "trws_and_moves", began, tuple(trace), tolerance
    )
