"""Layers of units as an ordinary pairwise model, for methods that need tables."""

from __future__ import annotations

import math

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph

MOST_EDGES = 200_000
"""Pairs of units up to which methods that look at each of them are of any use."""


def tabulated(graph: FactorGraph) -> FactorGraph:
    """Return a graph of the same variables with tables in the place of matrices; kept with it.

    Raises
    ------
    NotTabularError
        If a layer has no states, or the layers have too many pairs of units.
    """
    layers = [f for f in graph.factors if f.compact]
    pairs = sum(math.prod(v.size for v in f.scope) for f in layers if len(f.scope) == 2)
    if pairs > MOST_EDGES:
        raise NotTabularError(
            f"the layers have {pairs:,} pairs of units, and methods on tables take up to "
            f"{MOST_EDGES:,}. Use mean_field, gibbs, parallel_tempering or "
            "annealed_importance_sampling"
        )
    learns = any(f.requires_grad for f in layers)
    return _tabular_graph(graph) if learns else graph.cached(_tabular_graph)


def _tabular_graph(graph: FactorGraph) -> FactorGraph:
    return FactorGraph(graph.variables.values(), (_tabular(f) for f in graph.factors))


def _tabular(factor: Factor) -> Factor:
    for variable in factor.scope if factor.compact else ():
        if not variable.is_discrete:
            raise NotTabularError(
                f"'{variable.name}' is {variable.family}, which no table holds. Use mean_field, "
                "gibbs, parallel_tempering or annealed_importance_sampling"
            )
    return factor.over_states()
