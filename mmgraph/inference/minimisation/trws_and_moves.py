"""TRW-S, then moves from its labelling: a low energy, with a bound from the messages.

TRW-S gives a bound and a labelling near it. What single passes over the nodes miss, moves of many
nodes find: expansions, swaps or fusions, each a minimum cut that the messages have made small.
Szeliski et al. (2008), "A comparative study of energy minimization methods for Markov random fields
with smoothness-based priors", compare the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.options import SearchOptions
from mmgraph.inference.messages.trws import Search, search_rows
from mmgraph.inference.minimisation.move_making import improve
from mmgraph.inference.options import keyword_options


@dataclass(frozen=True)
class TrwsAndMovesOptions(SearchOptions):
    """Options of :func:`trws_and_moves`."""

    iterations: int = 50
    cycles: int = 5


@keyword_options(TrwsAndMovesOptions)
def trws_and_moves(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: TrwsAndMovesOptions,
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
        if search.energy - search.bound <= options.tolerance * max(1.0, abs(search.energy)):
            return False
        search.labelling, search.energy = improve(
            search.pairwise,
            search.unary,
            search.labelling,
            search.messages,
            cycles=options.cycles,
            deadline=deadline,
        )
        return True

    return search_rows("trws_and_moves", graph, evidence, variables, options, finish)
