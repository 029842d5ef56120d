"""What makes tables a Bayesian network: one a variable, rows that sum to one, and no cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx
import torch

from mmgraph.graph.arrays import float_array
from mmgraph.graph.errors import EvidenceError, GraphError, UnknownStateError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.value_evidence import value_tensor
from mmgraph.graph.variable import Variable, named_states

ROW_SUM_TOLERANCE = 1e-6
"""How far the sum of a distribution may be from one before it is an error."""


def as_table(name: str, table: object) -> Any:
    """Return a table as an array of doubles, a tensor as it is; it has an axis of states."""
    owner = f"the table of '{name}'"
    array = table if isinstance(table, torch.Tensor) else float_array(table, owner)
    if array.ndim == 0:
        raise GraphError(f"{owner} is a single number; it needs an axis of states")
    return array


def forced_distribution(variable: Variable, value: object) -> Factor:
    """Return the distribution of a variable that is set by force: a state, or real numbers.

    Raises
    ------
    UnknownStateError
        If the variable lacks the state, or cannot be set.
    EvidenceError
        If a number is missing, infinite, or there is not one for each element.
    """
    if variable.family == "gaussian" and len(variable.shape) < 2:
        numbers = value_tensor(variable, value)
        if len(numbers) != 1 or bool(numbers.isnan().any()):
            raise EvidenceError(f"do({variable.name}=…) takes one number for each element")
        slopes = torch.zeros(*variable.shape, 0, dtype=torch.float64)
        number = numbers[0].detach().double()
        return LinearGaussian(variable, (), slopes, number, torch.zeros_like(number))
    if variable.shape or not variable.is_discrete:
        raise UnknownStateError(
            f"do({variable.name}=…): only scalar discrete and Gaussian variables can be set"
        )
    table = torch.zeros(variable.cardinality, dtype=torch.float64)
    table[variable.code(value)] = 1.0
    return TableFactor((variable,), table, child=variable)


def with_child_last(factor: Factor) -> Factor:
    """Conditional tables have the child on the last axis, so that a row is a distribution."""
    child = factor.child
    if type(factor) is TableFactor and child is not None and factor.scope[-1] is not child:
        axis = next(i for i, v in enumerate(factor.scope) if v is child)
        return TableFactor((*factor.parents, child), factor.values.movedim(axis, -1), child=child)
    return factor


def checked_by_child(
    variables: Mapping[str, Variable], factors: Iterable[Factor]
) -> dict[str, Factor]:
    """Return the distribution of each variable: there is one, and its rows sum to one."""
    by_child: dict[str, Factor] = {}
    for factor in factors:
        if factor.child is None:
            raise GraphError(f"{factor!r} is not a conditional distribution: it has no child")
        if factor.child.name in by_child:
            raise GraphError(f"'{factor.child.name}' has two conditional distributions")
        _check_rows(factor)
        by_child[factor.child.name] = factor
    missing = [name for name in variables if name not in by_child]
    if missing:
        raise GraphError(f"no conditional distribution for {', '.join(missing[:5])}")
    return by_child


def _check_rows(factor: Factor) -> None:
    """Raise GraphError if a row of a conditional table does not sum to one: which, and its sum."""
    table = factor.conditional_table()
    if table is None:
        return
    sums = table.detach().sum(-1)
    wrong = ~((sums - 1.0).abs() <= ROW_SUM_TOLERANCE)
    if bool(wrong.any()):
        where = wrong.nonzero()[0].tolist()
        assert factor.child is not None
        row = f"the row ({named_states(factor.parents, where)})" if where else "the table"
        raise GraphError(
            f"the distribution of '{factor.child.name}': {row} sums to "
            f"{float(sums[tuple(where)]):.9g}, not 1"
        )


def check_acyclic(graph: nx.DiGraph) -> None:
    """Raise GraphError if the edges form a cycle; it names the variables on it."""
    if nx.is_directed_acyclic_graph(graph):
        return
    cycle = [u for u, _ in nx.find_cycle(graph)]
    raise GraphError(f"the edges form a cycle: {' -> '.join((*cycle, cycle[0]))}")
