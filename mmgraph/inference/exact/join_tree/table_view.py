"""The table view of a graph for exact inference: scopes as indices, tables as doubles."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, NotTabularError, UnknownVariableError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor, scaled
from mmgraph.graph.variable import Variable
from mmgraph.inference.gaussian.tables import likelihood_tables


@dataclass(frozen=True)
class TableStructure:
    """What exact inference needs of a graph, whatever its numbers.

    Attributes
    ----------
    variables : tuple of Variable
        The scalar discrete variables; all indices below refer to this order.
    index : dict of str to int
        Their places by name.
    cardinalities : list of int
        Their numbers of states.
    scopes : list of tuple of int
        The variables of each table in the order of its axes: first those of the tabular factors,
        then variables alone that no factor mentions.
    children : list of int
        The variable that each is a conditional distribution of, or -1.
    """

    variables: tuple[Variable, ...]
    index: dict[str, int]
    cardinalities: list[int]
    scopes: list[tuple[int, ...]]
    children: list[int]

    def places(self, wanted: Sequence[int]) -> dict[str, tuple[int, int]]:
        """Return where each variable's marginal begins and ends in a row of all of them."""
        ends = itertools.accumulate((self.cardinalities[v] for v in wanted), initial=0)
        return {
            self.variables[v].name: at
            for v, at in zip(wanted, itertools.pairwise(ends), strict=True)
        }


@dataclass(frozen=True)
class TableView(TableStructure):
    """The structure with its factors.

    Attributes
    ----------
    factors : list of Factor
        One for each of ``scopes``, of ones over a variable that no factor of the graph mentions.
    continuous : list of Factor
        The factors with a continuous variable; they speak when that variable is observed.
    """

    factors: list[Factor]
    continuous: list[Factor]

    def tensors(self) -> list[tuple[Tensor, float]]:
        """Return each factor's potentials, and the logarithm of what they were divided by."""
        return [scaled(factor) for factor in self.factors]

    def parameters(self) -> list[Tensor]:
        """Return every tensor that tables and likelihoods are computed from."""
        tensors: list[Tensor] = []
        for factor in self.factors:
            tensors += factor.tensors() or (next(factor.tables()).values,)
        return tensors + [t for factor in self.continuous for t in factor.tensors()]

    def log_tensors(self) -> list[Tensor]:
        """Return each factor's log-potentials, as they are: nothing is divided out."""
        return [next(factor.tables()).values.double() for factor in self.factors]

    def arrays(self) -> tuple[list[np.ndarray], float]:
        """Return the potentials as float64 arrays, and the sum of the logarithms divided out."""
        pairs = self.tensors()
        arrays = [np.asarray(tensor.detach().cpu().numpy(), np.float64) for tensor, _ in pairs]
        return arrays, sum(scale for _, scale in pairs)


def table_view(graph: FactorGraph) -> TableView:
    """Return the table view of a graph, made once and kept with it."""
    return graph.cached(_with_factors)


def _with_factors(graph: FactorGraph) -> TableView:
    structure = table_structure(graph)
    factors: list[Factor] = [f for f in graph.factors if f.is_tabular]
    for (v,) in structure.scopes[len(factors) :]:
        variable = structure.variables[v]
        factors.append(TableFactor((variable,), log_values=torch.zeros(variable.cardinality)))
    continuous = [f for f in graph.factors if not f.is_tabular]
    return TableView(**vars(structure), factors=factors, continuous=continuous)


def row_log_tables(
    graph: FactorGraph,
    evidence: Evidence,
    device: torch.device | None = None,
    memory_budget: int | None = None,
) -> list[tuple[tuple[int, ...], Tensor]]:
    """Return scopes and log-tables ``(batch, *states)`` of what comes with the rows.

    They are those of soft evidence and of observed continuous variables, on another ``device`` or
    with gradients where one is given; EvidenceError if a likelihood is NaN.
    """
    index = table_structure(graph).index
    tables: list[tuple[tuple[int, ...], Tensor]] = [
        ((index[name],), values) for name, values in evidence.soft.items()
    ]
    for scope, values in likelihood_tables(graph, evidence, device, memory_budget):
        names = tuple(v.name for v in scope)
        if bool(values.detach().isnan().any()):
            raise EvidenceError(f"the likelihood of {', '.join(names)} is not a number")
        values = values.expand(evidence.batch, *values.shape[1:])
        tables.append((tuple(index[n] for n in names), values))
    return tables


def wants_torch(graph: FactorGraph, evidence: Evidence) -> bool:
    """Whether a table or soft evidence asks for gradients, or lies on another device."""
    return graph.cached(_needs_torch) or any(
        _is_for_torch(t) for group in (evidence.soft, evidence.values) for t in group.values()
    )


def _needs_torch(graph: FactorGraph) -> bool:
    return any(map(_is_for_torch, table_view(graph).parameters()))


def _is_for_torch(tensor: Tensor) -> bool:
    return tensor.requires_grad or tensor.device.type != "cpu"


def indices(graph: FactorGraph, names: Sequence[str] | None) -> tuple[int, ...]:
    """Return the places of variables in the table view, by default of all.

    UnknownVariableError is raised for what is no discrete variable.
    """
    index = table_structure(graph).index
    if names is None:
        return tuple(range(len(index)))
    for name in names:
        if name not in index:
            graph.variable(name)
            raise UnknownVariableError(f"'{name}' is continuous: it has no table of probabilities")
    return tuple(index[name] for name in names)


def table_structure(graph: FactorGraph) -> TableStructure:
    """Return the table view without its numbers, shared by graphs of the same structure.

    NotTabularError is raised for an array, and for a factor with neither a table nor a likelihood.
    """
    return graph.cached_structure(_structure)


def _structure(graph: FactorGraph) -> TableStructure:
    leaves = {f.child.name for f in graph.factors if not f.is_tabular and f.child is not None}
    variables = []
    for name, variable in graph.variables.items():
        if variable.is_discrete and not variable.shape:
            variables.append(variable)
        elif name not in leaves:
            raise NotTabularError(
                f"'{name}' is not a scalar discrete variable; exact inference needs one, or a "
                "continuous leaf with discrete parents"
            )
    index = {v.name: i for i, v in enumerate(variables)}
    tabular = [f for f in graph.factors if f.is_tabular]
    scopes = [tuple(index[v.name] for v in f.scope) for f in tabular]
    children = [index[f.child.name] if f.child is not None else -1 for f in tabular]
    alone = set(range(len(variables))).difference(*scopes)
    scopes += [(v,) for v in sorted(alone)]
    children += [-1] * len(alone)
    cardinalities = [v.cardinality for v in variables]
    return TableStructure(tuple(variables), index, cardinalities, scopes, children)
