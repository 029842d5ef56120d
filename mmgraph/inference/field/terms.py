"""What the factors and the evidence of a graph say, sorted by variable.

What says something of one variable alone, and what whole observed layers say, is summed once; the
factors that join free variables are kept for :mod:`mmgraph.inference.field.view` to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import (
    Categorical,
    ExponentialFamily,
    Gaussian,
    ReplicatedSoftmax,
)
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.rectified_gaussian import RectifiedGaussian
from mmgraph.inference.field.clamping import Clamped, clamped, without_certain
from mmgraph.inference.field.form import Form
from mmgraph.inference.field.row_table import RowTable, excluded_states
from mmgraph.inference.model_variables import field_variables, is_compact
from mmgraph.inference.numerics.bernoulli_sampler import CountedBernoulli

Statistics = Mapping[str, Float[Tensor, "batch ..."]]


class FieldTerms:
    """What the factors and the evidence say of each variable, on a device and in a precision.

    Continuous variables take part where compact factors speak of them.

    Attributes
    ----------
    variables : dict of str to Variable
        Those with a field.
    forms : dict of str to Form
        How their statistics are kept.
    families : dict of str to ExponentialFamily
        What turns their natural parameters into means and samples.
    compact : set of str
        The variables of which compact factors alone speak.
    clamped : dict of str to Clamped
        Observed units of compact variables.
    free : list of str
        Variables that are not observed as a whole in every row.
    unary : dict of str to Tensor
        Natural parameters of each variable alone, ``(batch, *statistics)``; of a compact one
        perhaps one row. Layers that are clamped as a whole count in.
    couplings : dict of str to list of Factor
        The factors through which others speak of a variable.
    """

    def __init__(
        self, graph: FactorGraph, evidence: Evidence, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._prepare(graph, evidence.batch, device, dtype)
        self._clamp(evidence)
        self._add_all(part for factor in graph.factors for part in _parts(factor, evidence))
        for name, tensor in evidence.soft.items():
            self._add_soft(name, tensor.to(device, dtype))
        for name in (*evidence.columns, *evidence.arrays):
            if name not in self.compact:
                excluded = excluded_states(evidence, name)
                assert excluded is not None
                self.unary[name] = self.unary[name].masked_fill(excluded.to(device), -torch.inf)
        self._add_observed_layers()

    @classmethod
    def structure(
        cls, graph: FactorGraph, evidence: Evidence, device: torch.device, dtype: torch.dtype
    ) -> Self:
        """Return a view that knows what is free and joined, and no field, which costs little."""
        view = cls.__new__(cls)
        view._prepare(graph, evidence.batch, device, dtype)
        view._clamp(evidence)
        parts = (part for factor in graph.factors for part in _parts(factor, evidence))
        view.factors = [f for f in parts if len(f.scope) > 1 or f.edge_terms is not None]
        view._add_observed_layers()
        return view

    @classmethod
    def given(
        cls,
        graph: FactorGraph,
        clamped: Mapping[str, Clamped],
        batch: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Self:
        """Return the view of a graph of compact factors with some units clamped."""
        view = cls.__new__(cls)
        view._prepare(graph, batch, device, dtype)
        view.clamped.update(clamped)
        view._add_all(graph.factors)
        view._add_observed_layers()
        return view

    def _prepare(
        self, graph: FactorGraph, batch: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.batch, self.device, self.dtype = batch, device, dtype
        self.variables = {n: graph.variables[n] for n in field_variables(graph)}
        self.forms = {n: Form.of(v, is_compact(graph, n)) for n, v in self.variables.items()}
        self.compact = {n for n, form in self.forms.items() if form.compact}
        self._of_two_states = {n for n, form in self.forms.items() if form.has_two_states}
        self.families: dict[str, ExponentialFamily] = {}
        self._precisions: dict[str, Tensor] = {}
        self.tilts: dict[str, Tensor] = {}
        self.clamped: dict[str, Clamped] = {}
        self.unary: dict[str, Tensor] = {
            n: torch.zeros(batch, *form.shape, device=device, dtype=dtype)
            for n, form in self.forms.items()
            if not form.compact
        }
        self._constant = self.zeros()
        self._uncounted: list[str] = []
        self.couplings: dict[str, list[Factor]] = {n: [] for n in self.variables}
        self.factors: list[Factor] = []

    def _clamp(self, evidence: Evidence) -> None:
        for name in self.compact:
            observed = clamped(evidence, self.variables[name], self.device, self.dtype)
            if observed is not None:
                self.clamped[name] = observed

    def _add_all(self, factors: Iterable[Factor]) -> None:
        joining = []
        for factor in map(self._moved, factors):
            if len(factor.scope) == 1 and factor.edge_terms is None:
                self._add_alone(factor)
            elif factor.scope:
                joining.append(factor)
            else:
                table = next(factor.tables()).values if factor.is_tabular else None
                assert table is not None
                self._constant = self._constant + table.to(self.device, self.dtype)
        self._find_families()
        for factor in joining:
            self._add_joining(factor)

    def _moved(self, factor: Factor) -> Factor:
        """The factor in the place and precision of the view, once and not for every field."""
        if not factor.compact:
            return factor if self.device.type == "cpu" else factor.to(self.device)
        tensors = factor.tensors()
        moved = [t.to(self.device, self.dtype) for t in tensors]
        if all(a is b for a, b in zip(moved, tensors, strict=True)):
            return factor
        return factor.with_tensors(*moved)

    def _add_observed_layers(self) -> None:
        self.free = [n for n in self.variables if not self.is_whole(n)]
        self._uncounted = [n for n in self.variables if self.is_whole(n)]

    @property
    def constant(self) -> Float[Tensor, " batch"]:
        """The log-weight of what depends on no free variable, summed when it is asked for."""
        for name in self._uncounted:
            values = self.clamped[name].values
            self._constant = self._constant + summed(self.unary[name] * values)
            self._constant = self._constant + summed(self.families[name].log_base(values))
        self._uncounted = []
        return self._constant

    def zeros(self) -> Float[Tensor, " batch"]:
        """Return a zero for each row."""
        return torch.zeros(self.batch, device=self.device, dtype=self.dtype)

    def _add_alone(self, factor: Factor) -> None:
        (variable,) = factor.scope
        field = factor.field(variable, {}).to(self.device, self.dtype)
        if factor.compact:
            self._add_field(variable.name, field)
        else:
            self._add_potentials(variable.name, field)
        if factor.precision is not None:
            precision = factor.precision.to(self.device, self.dtype)
            if variable.name in self._precisions:
                precision = self._precisions[variable.name] + precision
            self._precisions[variable.name] = precision
        if factor.document_length is not None:
            if variable.name in self.families:
                raise GraphError(
                    f"two factors give the word counts '{variable.name}' a base measure; one "
                    "BiasFactor with the sum of their biases says the same"
                )
            lengths = self._lengths(variable.name, factor.document_length)
            self.families[variable.name] = ReplicatedSoftmax(lengths)

    def _find_families(self) -> None:
        for name, variable in self.variables.items():
            if name not in self.unary:
                nothing = torch.zeros(1, *self.forms[name].shape)
                self.unary[name] = nothing.to(self.device, self.dtype)
            if name in self._precisions:
                kind = Gaussian if variable.family == "gaussian" else RectifiedGaussian
                self.families[name] = kind(self._precisions[name])
            if name in self.families:
                continue
            if self.forms[name].has_states:
                self.families[name] = Categorical()
            elif variable.family == "bernoulli":
                self.families[name] = CountedBernoulli()
            else:
                raise GraphError(
                    f"'{name}' is {variable.family} and has no base measure; a BiasFactor gives it"
                )

    def _lengths(self, name: str, length: int) -> Float[Tensor, " batch"]:
        """The words of each document; a missing one has the usual length."""
        usual = torch.full((self.batch,), float(length), device=self.device, dtype=self.dtype)
        return self.with_known(name, usual, lambda counts: counts.sum(-1))

    def _add_joining(self, factor: Factor) -> None:
        whole = [v for v in factor.scope if factor.compact and self.is_whole(v.name)]
        if not whole:
            self.factors.append(factor)
            for variable in factor.scope:
                self.couplings[variable.name].append(factor)
            return
        # What a whole layer says is always the same: the factor becomes a bias of its other end.
        observed = whole[0]
        (other,) = (v for v in factor.scope if v is not observed)
        field = factor.field(other, {observed.name: self.clamped[observed.name].values})
        if len(whole) == 2:
            self._constant = self._constant + summed(field * self.clamped[other.name].values)
        else:
            self._add_field(other.name, field)

    def _add_field(self, name: str, field: Tensor) -> None:
        field = self.forms[name].natural(field.to(self.device, self.dtype))
        self.unary[name] = self.unary[name] + field if name in self.unary else field

    def _add_soft(self, name: str, potentials: Tensor) -> None:
        if name in self.compact:  # units that it knows are clamped
            potentials, impossible = without_certain(potentials)
            self._constant = self._constant.masked_fill(impossible, -torch.inf)
        self._add_potentials(name, potentials)

    def _add_potentials(self, name: str, potentials: Tensor) -> None:
        """Add log-potentials of states, which a compact variable takes as log-odds."""
        if self.forms[name].is_chance:
            self._constant = self._constant + summed(potentials[..., 0])
            potentials = potentials[..., 1] - potentials[..., 0]
        self._add_field(name, potentials)

    def is_whole(self, name: str) -> bool:
        """Whether a variable is clamped as a whole in every row."""
        return name in self.clamped and self.clamped[name].known is None

    def with_known(self, name: str, numbers: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
        """Return numbers of units (of their statistics), those measured of known values instead."""
        observed = self.clamped.get(name)
        if observed is None:
            return numbers
        measured, known = measure(observed.values), observed.known
        if known is None:
            return measured
        each = known.reshape(*known.shape, *(1,) * (numbers.ndim - known.ndim))
        return torch.where(each, measured, numbers)

    def check_possible(self) -> None:
        """Raise ZeroProbabilityError if soft evidence leaves a unit no state in some row."""
        rows = tuple(torch.isneginf(self._constant.detach()).nonzero().flatten().tolist())
        if rows:
            raise ZeroProbabilityError(
                f"the evidence has probability zero in rows {list(rows[:8])}", rows, ()
            )

    def tilt(self, base: Statistics) -> None:
        """Start from other means: what the model says beyond them counts as what joins variables.

        At inverse temperature zero free variables then have the means of ``base`` (perhaps one row
        for all), and at one the model is what it was.
        """
        for name, mean in base.items():
            if name in self.free:
                natural = self.families[name].natural(mean.to(self.device, self.dtype))
                self.tilts[name] = self.unary[name] - natural
                self.unary[name] = natural


def _parts(factor: Factor, evidence: Evidence) -> Iterator[Factor]:
    """The factors with a field that stand for a factor."""
    if factor.compact:
        yield factor
    elif any(not v.is_discrete for v in factor.scope):
        likelihood = factor.likelihood(evidence)
        if likelihood is not None:
            yield RowTable(likelihood, evidence.batch)
    elif type(factor).field is Factor.field and factor.is_tabular:
        for table in factor.tables():
            yield TableFactor(table.scope, log_values=table.values)
    else:
        yield factor


def summed(values: Tensor) -> Float[Tensor, " batch"]:
    """Return the sum over all axes but the first."""
    return values.flatten(1).sum(1) if values.ndim > 1 else values
