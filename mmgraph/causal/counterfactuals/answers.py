"""Probabilities of events in parallel worlds, by exact inference on the network of their copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.causal.counterfactuals.worlds import (
    Copy,
    Do,
    ParallelWorlds,
    World,
    at_inputs,
    both,
)
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import joint, log_partition, query
from mmgraph.networks.bayesian_network import BayesianNetwork

Distribution = Callable[[Copy, Variable, list[Variable]], Factor]
"""Makes the distribution of a copy from it, its variable and its inputs that are variables."""


def constant(child: Variable, state: int) -> TableFactor:
    """Return the distribution of a variable that has one state for certain."""
    table = torch.zeros(child.cardinality, dtype=torch.float64)
    table[state] = 1.0
    return TableFactor((child,), table, child=child)


def table_of(network: BayesianNetwork, name: str) -> Float64[torch.Tensor, "*parents child"]:
    """Return a variable's conditional table in double precision.

    Raises
    ------
    GraphError
        If it has none: a real variable, or an array.
    """
    table = network.distribution(name).conditional_table()
    if table is None:
        raise GraphError(f"'{name}' has no table: worlds are of scalar discrete variables")
    return table.detach().double()


def sliced_tables(network: BayesianNetwork) -> Distribution:
    """Return the distributions of copies by a network's tables, at those inputs that are set."""

    def distribution(copy: Copy, child: Variable, inputs: list[Variable]) -> Factor:
        if copy.state is not None:
            return constant(child, copy.state)
        table = table_of(network, copy.variable)[at_inputs(copy)]
        return TableFactor((*inputs, child), table, child=child)

    return distribution


def worlds_of(network: BayesianNetwork) -> ParallelWorlds:
    """Return the parallel worlds of a network, none of which holds a copy yet but the actual one.

    Raises
    ------
    GraphError
        If a variable has no table.
    """
    order = network.topological_order()
    for name in order:
        table_of(network, name)
    return ParallelWorlds({n: network.parents(n) for n in order}, network.variables)


def probability(
    worlds: ParallelWorlds,
    distribution: Distribution,
    asked: Sequence[World],
    given: Sequence[World],
) -> float | Float64[np.ndarray, " rows"]:
    """Return P(asked | given), of worlds jointly; an array where an event has rows."""
    condition = worlds.read(given, "given")
    condition.check_possible()
    whole = both(worlds.read(asked, "query"), condition)
    network = worlds.network(whole.codes, distribution)
    log_p = log_partition(network, whole.cells(network)).numpy()
    if condition.codes:
        first = next(iter(condition.codes))
        log_p = log_p - query(network, condition.cells(network), first).log_evidence.numpy()
    p = np.where(whole.contradictory, 0.0, np.exp(np.minimum(log_p, 0.0)))
    return p if whole.has_rows else float(p[0])


def distribution_over(
    worlds: ParallelWorlds,
    distribution: Distribution,
    variables: Sequence[tuple[str, Do]],
    given: Sequence[World],
) -> Float64[np.ndarray, "*rows *states"]:
    """Return the joint distribution of variables, each in its world, an axis each."""
    condition = worlds.read(given, "given")
    condition.check_possible()
    names = [worlds.copy_of(name, do) for name, do in variables]
    network = worlds.network((*names, *condition.codes), distribution)
    distinct = list(dict.fromkeys(names))
    table = joint(network, distinct, condition.cells(network)).numpy()
    if len(distinct) < len(names):  # a copy that several worlds share: a diagonal
        sizes = [network.variable(n).cardinality for n in names]
        states = np.indices(table.shape[1:])
        spread = np.zeros((len(table), *sizes))
        spread[(slice(None), *(states[distinct.index(n)] for n in names))] = table
        table = spread
    return table if condition.has_rows else table[0]
