"""The distributions of a network along learned edges, each from the rows that speak of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from mmgraph.data.encoding import CodedRows
from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.conditionals.fitting import Fitted, fitted
from mmgraph.learning.conditionals.parameter_posterior import ParameterPosterior
from mmgraph.learning.conditionals.skeleton import uninformed
from mmgraph.learning.counts import IncompleteDataError
from mmgraph.learning.structure.constraints import Edge
from mmgraph.learning.structure.problem import StructureData


def network_parameters(
    data: StructureData, edges: Iterable[Edge], method: str = "auto", **options: Any
) -> Fitted:
    """Return the distributions along edges, each from the rows in which no experiment set it.

    Parameters
    ----------
    data : StructureData
    edges : iterable of (parent, child)
        Of its variables.
    method, **options
        As for ``BayesianNetwork.fit``.

    Raises
    ------
    LearningError
        If a variable was set in every row, or method, options and variables do not fit together.
    IncompleteDataError
        If cells are missing and variables were set.
    """
    by_name = {v.name: v for v in data.variables}
    parents: dict[str, list[str]] = {name: [] for name in by_name}
    for parent, child in edges:
        parents[child].append(parent)
    factors = [uninformed([by_name[p] for p in parents[n]], v) for n, v in by_name.items()]
    rows = _coded_rows(data)
    if not data.is_set.any():
        graph = FactorGraph(data.variables, factors)
        return fitted(graph, rows, method, weights=data.weights, **options)
    _check_rows(data)
    was_set = np.vstack([data.is_set, np.zeros(len(factors), bool)])[data.experiment]
    found: dict[int, Factor] = {}
    beliefs: dict[str, Any] = {}
    patterns, pattern_of = np.unique(was_set, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        children = np.flatnonzero(pattern_of == number).tolist()
        graph = FactorGraph(data.variables, [factors[i] for i in children])
        part = fitted(graph, rows, method, weights=data.weights * ~pattern, **options)
        found |= zip(children, part.factors, strict=True)
        beliefs |= part.posterior or {}
    posterior = ParameterPosterior({n: beliefs[n] for n in by_name}) if beliefs else None
    return Fitted([found[i] for i in range(len(factors))], None, posterior)


def _check_rows(data: StructureData) -> None:
    """Refuse missing cells, and variables that were set in every row."""
    for name, is_set in zip(data.names, data.always_set, strict=True):
        if is_set:
            raise LearningError(
                f"'{name}' is set by the experiment in every row: nothing says what it depends on"
            )
    if (data.codes < 0).any() or np.isnan(data.values).any():
        raise IncompleteDataError("cells are missing: interventions take complete rows")


def _coded_rows(data: StructureData) -> CodedRows:
    """The rows as fits take them."""
    discrete = tuple(v.name for v in data.variables if v.is_discrete)
    real = [v.name for v in data.variables if not v.is_discrete]
    values = {n: torch.from_numpy(c) for n, c in zip(real, data.values, strict=True)}
    by_name = {v.name: v for v in data.variables}
    return CodedRows(by_name, discrete, np.asfortranarray(data.codes.T), values)
