"""What is left of a mixed network for given evidence once its continuous variables are summed out.

Methods that know discrete variables and leaves alone are asked about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import UnknownVariableError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.gaussian.mixtures import (
    Belief,
    MixtureMarginals,
    clusters_with,
    model_of,
)
from mmgraph.inference.gaussian.model import row_factors
from mmgraph.inference.gaussian.tables import cluster_tables, without_penalties
from mmgraph.inference.model_variables import normal_variables
from mmgraph.inference.posterior import Posterior


class RowLeaf(Factor):
    """A leaf that has a log-table for each row: its child is observed at the number of the row.

    Attributes
    ----------
    table : Tensor, shape (rows, *states)
        It may be exchanged for another one.
    """

    child: Variable

    def __init__(
        self, child: Variable, parents: tuple[Variable, ...], table: Float[Tensor, "rows *states"]
    ) -> None:
        self.scope, self.child, self.table = (*parents, child), child, table

    @property
    def is_tabular(self) -> bool:
        """No: it depends on the row."""
        return False

    def parameters(self) -> dict[str, Tensor]:
        """Return the table, see :meth:`Factor.parameters`."""
        return {"table": self.table}

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return the tables of the rows that the evidence names, see :meth:`Factor.likelihood`."""
        rows = evidence.values.get(self.child.name)
        if rows is None:
            return None
        return LogTable(self.parents, self.table[rows.long().to(self.table.device)])

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Look each row up in its own table, see :meth:`Factor.energy`."""
        index = (assignment[self.child.name], *(assignment[v.name] for v in self.parents))
        return -self.table[tuple(i.long() for i in index)]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> RowLeaf:
        """Return the tables on another device or in another precision."""
        return RowLeaf(self.child, self.parents, self.table.to(device=device, dtype=dtype))


class DiscretePart(NamedTuple):
    """A graph of discrete variables and leaves, and what it is to be asked with."""

    graph: FactorGraph
    evidence: Evidence


def discrete_part(
    graph: FactorGraph, evidence: Evidence, device: torch.device | None = None
) -> DiscretePart:
    """Return a mixed graph with its linear Gaussian variables summed out, given evidence.

    Parameters
    ----------
    device : torch.device, optional
        See :func:`~mmgraph.inference.gaussian.tables.likelihood_tables`.

    Raises
    ------
    TreewidthError
        If those that are not observed join more discrete parents than the memory holds.
    NotConjugateError
        If a continuous parent is neither normal nor linear.
    """
    return with_row_tables(graph, evidence, cluster_tables(graph, evidence, device))


def with_row_tables(
    graph: FactorGraph, evidence: Evidence, tables: Iterable[LogTable]
) -> DiscretePart:
    """Return a graph with tables of rows in the place of distributions with real parents."""
    apart = row_factors(graph)
    gone = {f.child.name for f in apart if f.child is not None and not f.child.is_discrete}
    likelihoods = [f.likelihood(evidence) for f in graph.factors if f.needs_values]
    name = "row"
    while name in graph.variables:
        name = f"evidence_{name}"
    row = Variable(name, family="gaussian")
    tables = [*tables, *(table for table in likelihoods if table is not None)]
    leaves = [RowLeaf(row, table.scope, table.values) for table in tables]
    variables = [v for n, v in graph.variables.items() if n not in gone]
    variables += [row] if leaves else []
    made = FactorGraph(variables, [*(f for f in graph.factors if f not in apart), *leaves])
    values = {n: t for n, t in evidence.values.items() if n not in gone}
    if leaves:
        values[name] = torch.arange(evidence.batch, dtype=torch.float64)
    return DiscretePart(made, replace(evidence, variables=made.variables, values=values))


def with_real_variables(
    posterior: Posterior,
    graph: FactorGraph,
    evidence: Evidence,
    names: Iterable[str] | None,
) -> Posterior:
    """Return the posterior of a discrete part as that of a mixed graph, its real variables with it.

    Parameters
    ----------
    posterior : Posterior
        Of all discrete variables, if real ones are among the names.
    names : iterable of str, optional
        The variables asked for.

    Raises
    ------
    UnknownVariableError
        If the density of one that is named depends on a joint distribution that the method lacks.
    """
    normal = normal_variables(graph)
    asked = {} if names is None else {n: None for n in names if n in normal}
    belief = _belief(evidence, posterior.marginals, posterior.method)
    real = MixtureMarginals(graph, evidence, normal if names is None else asked, belief)
    real.compute(asked)
    return replace(
        posterior,
        model_variables=graph.variables,
        moments=posterior.moments if names is None else posterior.moments.of(names),
        log_weight=_unpenalised(graph, evidence, posterior.log_weight),
        bound=_unpenalised(graph, evidence, posterior.bound),
        is_normalised=graph.is_normalised,
        real=real if real.names else None,
    )


def _unpenalised(graph: FactorGraph, evidence: Evidence, log_weight: Any) -> Any:
    """Log-weights as :func:`without_penalties`; of a function, when it is called; or None."""
    if callable(log_weight):
        return lambda: without_penalties(graph, evidence, log_weight())
    return None if log_weight is None else without_penalties(graph, evidence, log_weight)


def check_joint_beliefs(
    graph: FactorGraph, evidence: Evidence, names: Iterable[str], method: str
) -> None:
    """Check that marginals of discrete variables tell the densities of some continuous ones.

    Raises
    ------
    UnknownVariableError
        If a density depends on several discrete variables that a row does not observe.
    """
    for name in names:
        model = model_of(graph, name)
        for patterns, clusters in clusters_with(model, evidence, [name]):
            for cluster in clusters:
                if model.place[name] in cluster.ranked:
                    scope = [v.name for v in cluster.scope]
                    _check_one_free(evidence, scope, patterns.order, method)


def _check_one_free(
    evidence: Evidence, names: Sequence[str], rows: Int64[np.ndarray, " rows"], method: str
) -> None:
    """Check that no row leaves more than one of some discrete variables free."""
    free = np.zeros(len(rows), np.int64)
    for name in names:
        codes = evidence.hard(name)
        free += 1 if codes is None else codes.cpu().numpy()[rows] == MISSING
    if (free > 1).any():
        others = "'junction_tree' does" if method == "gibbs" else "'junction_tree' and 'gibbs' do"
        raise UnknownVariableError(
            f"'{method}' knows no joint distribution of {', '.join(names)}, on which the "
            f"density of continuous variables depends; {others}"
        )


def _belief(evidence: Evidence, marginals: Mapping[str, Tensor], method: str) -> Belief:
    """Joint distributions of a method that has marginals: one free variable, others observed."""

    def belief(names: Sequence[str], rows: Int64[np.ndarray, " rows"]) -> Tensor:
        _check_one_free(evidence, names, rows, method)
        joint, places = torch.ones(len(rows), 1, dtype=torch.float64), torch.from_numpy(rows)
        for name in names:
            each = marginals[name].cpu().double().expand(evidence.batch, -1)[places]
            joint = (joint.unsqueeze(-1) * each.unsqueeze(1)).flatten(1)
        return joint.reshape(-1, *(marginals[n].shape[-1] for n in names))

    return belief
