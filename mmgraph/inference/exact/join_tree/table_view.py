"""The table view of a graph, ready for the exact engine: scopes as indices, tables as doubles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import scaled
from mmgraph.graph.variable import Variable


@dataclass
class TableView:
    """What exact inference needs of a graph.

    Attributes
    ----------
    variables : tuple of Variable
        The scalar discrete variables; all indices below refer to this order.
    index : dict of str to int
        Their places by name.
    cardinalities : list of int
        Their numbers of states.
    factors : list of Factor
        The factors that are tables, one for each entry of ``scopes``.
    scopes : list of tuple of int
        Their variables, in the order of their axes.
    children : list of int
        The variable that each is a conditional distribution of, or -1.
    continuous : list of Factor
        The factors with a continuous variable; they speak when that variable is observed.
    """

    variables: tuple[Variable, ...]
    index: dict[str, int]
    cardinalities: list[int]
    factors: list[Factor | None]
    scopes: list[tuple[int, ...]]
    children: list[int]
    continuous: list[Factor]

    def tensors(self) -> list[tuple[Tensor | None, float]]:
        """Each factor's potentials and the logarithm of what they were divided by.

        ``None`` stands for the constant one over a variable that no factor mentions.
        """
        return [(None, 0.0) if factor is None else scaled(factor) for factor in self.factors]

    def log_tensors(self) -> list[Tensor | None]:
        """Each factor's log-potentials, as they are: nothing is divided out."""
        return [None if f is None else next(f.tables()).values.double() for f in self.factors]

    def arrays(self) -> tuple[list[np.ndarray | None], float]:
        """The potentials as float64 arrays, and the sum of the logarithms divided out."""
        arrays: list[np.ndarray | None] = []
        log_scale = 0.0
        for tensor, scale in self.tensors():
            log_scale += scale
            arrays.append(
                None if tensor is None else np.asarray(tensor.detach().cpu().numpy(), np.float64)
            )
        return arrays, log_scale


def table_view(graph: FactorGraph) -> TableView:
    """Return the table view of a graph, made once and kept with it.

    Raises
    ------
    NotTabularError
        If a variable is an array, or a factor has neither a table nor a likelihood.
    """
    return graph.cached(_make_view)


def _make_view(graph: FactorGraph) -> TableView:
    continuous = [f for f in graph.factors if not f.is_tabular]
    leaves = {f.child.name for f in continuous if f.child is not None}
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
    factors: list[Factor | None] = [f for f in graph.factors if f.is_tabular]
    scopes = [tuple(index[v.name] for v in f.scope) for f in factors if f is not None]
    children = [index[f.child.name] if f and f.child is not None else -1 for f in factors]
    mentioned = {v for scope in scopes for v in scope}
    for v in range(len(variables)):
        if v not in mentioned:
            factors.append(None)
            scopes.append((v,))
            children.append(-1)
    return TableView(
        tuple(variables),
        index,
        [v.cardinality for v in variables],
        factors,
        scopes,
        children,
        continuous,
    )
