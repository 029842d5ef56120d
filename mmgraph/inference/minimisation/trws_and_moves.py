"""TRW-S, then moves from its labelling: a low energy, with a bound from the messages.

TRW-S gives a bound and a labelling near it. What single passes over the nodes miss, moves of many
nodes find: expansions, swaps or fusions, each a minimum cut that the messages have made small.
Szeliski et al. (2008), "A comparative study of energy minimization methods for Markov random fields
with smoothness-based priors", compare the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.trws import Progress, Search, SearchOptions, search_rows
from mmgraph.inference.minimisation.move_making import improve


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

    def finish(search: Search, deadline: float) -> bool:
        if search.energy - search.bound <= tolerance * max(1.0, abs(search.energy)):
            return False
        search.labelling, search.energy = improve(
            search.pairwise,
            search.unary,
            search.labelling,
            search.messages,
            cycles=cycles,
            deadline=deadline,
        )
        return True

    options = SearchOptions(iterations, tolerance, time_limit, dtype, memory_budget, progress)
    return search_rows("trws_and_moves", graph, evidence, variables, options, finish)
