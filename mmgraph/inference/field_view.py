"""The field view of a graph with its evidence: natural parameters and expected log-weights.

Mean field and pseudo-likelihood see a graph through this: what says something of one variable
alone is summed once, and the rest asked through :meth:`Factor.field` as often as statistics change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.errors import EvidenceError, UnknownVariableError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor, LogTable, TableFactor, UnaryFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable

Statistics = Mapping[str, Float[Tensor, "batch *shape states"]]


class FieldView:
    """What the factors and the evidence say of each discrete variable.

    Parameters
    ----------
    graph : FactorGraph
    evidence : Evidence
    device, dtype
        Where, and in which precision, statistics and fields are.

    Attributes
    ----------
    variables : dict of str to Variable
        The discrete ones.
    unary : dict of str to Tensor
        Log-potentials of each variable alone, ``(batch, *shape, states)``.
    couplings : dict of str to list of Factor
        The factors through which others speak of a variable.
    constant : Tensor, shape (batch,)
        The logarithm of what depends on no discrete variable.
    """

    def __init__(
        self, graph: FactorGraph, evidence: Evidence, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.batch, self.device, self.dtype = evidence.batch, device, dtype
        self.variables = {n: v for n, v in graph.variables.items() if v.is_discrete}
        self.unary = {
            n: torch.zeros(evidence.batch, *v.shape, v.cardinality, device=device, dtype=dtype)
            for n, v in self.variables.items()
        }
        self.constant = torch.zeros(evidence.batch, device=device, dtype=dtype)
        self.couplings: dict[str, list[Factor]] = {n: [] for n in self.variables}
        self.factors: list[Factor] = []
        for factor in graph.factors:
            for part in _parts(factor, evidence):
                self._add(part)
        for name, tensor in evidence.soft.items():
            self.unary[name] = self.unary[name] + tensor.to(device, dtype)
        for name in (*evidence.columns, *evidence.arrays):
            excluded = excluded_states(evidence, name)
            assert excluded is not None
            self.unary[name] = self.unary[name].masked_fill(excluded.to(device), -torch.inf)

    def _add(self, factor: Factor) -> None:
        if not factor.scope:
            table = next(factor.tables()).values if factor.is_tabular else None
            assert table is not None
            self.constant = self.constant + table.to(self.device, self.dtype)
        elif len(factor.scope) == 1 and not isinstance(factor, EdgeFactor):
            name = factor.scope[0].name
            field = factor.field(factor.scope[0], {})
            self.unary[name] = self.unary[name] + field.to(self.device, self.dtype)
        else:
            self.factors.append(factor)
            for variable in factor.scope:
                self.couplings[variable.name].append(factor)

    def field(self, name: str, statistics: Statistics) -> Float[Tensor, "batch *shape states"]:
        """Return the natural parameters of a variable given the statistics of the others."""
        total = self.unary[name]
        for factor in self.couplings[name]:
            field = factor.field(self.variables[name], statistics)
            total = total + field.to(self.device, self.dtype)
        return total

    def log_conditional(
        self, name: str, statistics: Statistics
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the logarithm of each element's distribution given the others' statistics.

        Raises
        ------
        EvidenceError
            If no state of some element is possible.
        """
        field = self.field(name, statistics)
        impossible = torch.isneginf(field.detach()).all(-1)
        if bool(impossible.any()):
            row = int(impossible.nonzero()[0, 0])
            raise EvidenceError(
                f"every state of '{name}' is excluded in row {row} by the states that the others "
                "may take"
            )
        return field.log_softmax(-1)

    def expected_log_weight(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of independent elements, ``-inf`` where zeros have mass."""
        total = self.constant
        for name, unary in self.unary.items():
            total = total + _mean(statistics[name], unary)
        for factor in self.factors:
            variable = factor.scope[0]
            field = factor.field(variable, statistics).to(self.device, self.dtype)
            mean = _mean(statistics[variable.name], field)
            # An edge within one variable is seen from both of its ends.
            total = total + (mean / 2 if len(factor.scope) == 1 else mean)
        return total


def _parts(factor: Factor, evidence: Evidence) -> Iterator[Factor]:
    """The factors with a field that stand for a factor."""
    if any(not v.is_discrete for v in factor.scope):
        likelihood = factor.likelihood(evidence)
        if likelihood is not None:
            yield _RowTable(likelihood, evidence.batch)
    elif type(factor).field is Factor.field and factor.is_tabular:
        for table in factor.tables():
            yield TableFactor(table.scope, log_values=table.values)
    else:
        yield factor


class _RowTable(Factor):
    """A table for each row of evidence: what an observed continuous leaf says of its parents."""

    def __init__(self, table: LogTable, batch: int) -> None:
        self.scope = table.scope
        rank = len(table.scope)
        values = table.values if table.values.ndim > rank else table.values.unsqueeze(0)
        self.values = values.expand(batch, *values.shape[1:])

    def tables(self) -> Iterator[LogTable]:
        yield LogTable(self.scope, self.values)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        index = tuple(assignment[v.name].long() for v in self.scope)
        return -self.values[(torch.arange(len(self.values)), *index)]

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch states"]:
        axis = next(i for i, v in enumerate(self.scope) if v is variable)
        finite = self.values.movedim(1 + axis, -1)
        forbidden = torch.isneginf(finite)
        mass = forbidden.to(finite.dtype)
        finite = finite.masked_fill(forbidden, 0.0)
        for v in (v for v in self.scope if v is not variable):
            weight = statistics[v.name].to(finite)
            weight = weight.reshape(len(weight), v.cardinality, *(1,) * (finite.ndim - 2))
            finite, mass = (finite * weight).sum(1), (mass * weight).sum(1)
        return finite.masked_fill(mass > 0, -torch.inf)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> _RowTable:
        values = self.values.to(device=device, dtype=dtype)
        return _RowTable(LogTable(self.scope, values), len(values))


def excluded_states(evidence: Evidence, name: str) -> Bool[Tensor, "batch *shape states"] | None:
    """Return which states hard evidence rules out, or None where there is none."""
    codes = evidence.hard(name)
    if codes is None:
        return None
    states = torch.arange(evidence.variables[name].cardinality, device=codes.device)
    return (codes.unsqueeze(-1) != states) & (codes.unsqueeze(-1) != MISSING)


def _mean(
    probability: Float[Tensor, "batch *shape states"], values: Float[Tensor, "batch *shape states"]
) -> Float[Tensor, " batch"]:
    """The mean, summed over elements; zero times minus infinity is zero."""
    return (probability * values.masked_fill(probability == 0, 0.0)).flatten(1).sum(1)


def default_precision(graph: FactorGraph) -> torch.dtype:
    """Return single precision where the unary factors of all arrays are kept in it, else double."""
    arrays = [f for f in graph.factors if isinstance(f, UnaryFactor) and f.scope[0].shape]
    single = bool(arrays) and all(f.log_values.dtype == torch.float32 for f in arrays)
    return torch.float32 if single else torch.float64


def tables_device(graph: FactorGraph) -> torch.device:
    """Return the device of the first factor that has numbers, else the CPU."""
    for factor in graph.factors:
        for value in vars(factor).values():
            if isinstance(value, Tensor):
                return value.device
    return torch.device("cpu")


def named_variables(graph: FactorGraph, names: Sequence[str] | str | None) -> list[str]:
    """Return the discrete variables asked for, by default all.

    Raises
    ------
    UnknownVariableError
        If the graph has no such variable, or it is continuous.
    """
    if names is None:
        return [n for n, v in graph.variables.items() if v.is_discrete]
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not graph.variable(name).is_discrete:
            raise UnknownVariableError(f"'{name}' is continuous: it has no states to ask for")
    return names
