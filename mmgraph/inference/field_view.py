"""The field view of a graph with its evidence: natural parameters, means and samples.

Mean field, block Gibbs, annealing and pseudo-likelihood see a graph through this: what says
something of one variable alone, and what whole observed layers say, is summed once; the rest is
asked through :meth:`Factor.field` as often as statistics change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.bias_factor import BiasFactor
from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.errors import EvidenceError, GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import (
    Bernoulli,
    Categorical,
    ExponentialFamily,
    Gaussian,
    RectifiedGaussian,
    ReplicatedSoftmax,
    statistics_shape,
)
from mmgraph.graph.factor import Factor, TableFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.clamping import Clamped, clamped
from mmgraph.inference.field_variables import field_variables, is_compact
from mmgraph.inference.row_table import RowTable, excluded_states

Statistics = Mapping[str, Float[Tensor, "batch ..."]]


class FieldView:
    """What the factors and the evidence say of each variable.

    A Bernoulli variable of which compact factors alone speak has one number a unit: its log-odds
    as natural parameter, its mean as statistic. All other discrete variables have an axis of
    states. Continuous variables take part where compact factors speak of them.

    Parameters
    ----------
    graph : FactorGraph
    evidence : Evidence
    device, dtype
        Where, and in which precision, statistics and fields are.

    Attributes
    ----------
    variables : dict of str to Variable
        Those with a field.
    families : dict of str to ExponentialFamily
        What turns their natural parameters into means and samples.
    compact : set of str
        The variables of which compact factors alone speak.
    clamped : dict of str to Clamped
        Observed units of compact variables.
    free : list of str
        Variables that are not observed as a whole in every row.
    unary : dict of str to Tensor
        Natural parameters of each variable alone, ``(batch, *shape, states)`` or, of a compact
        one, ``(batch or 1, *statistics)``. Layers that are clamped as a whole count in.
    couplings : dict of str to list of Factor
        The factors through which others speak of a variable.
    constant : Tensor, shape (batch,)
        The log-weight of what depends on no free variable.
    """

    def __init__(
        self, graph: FactorGraph, evidence: Evidence, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._prepare(graph, evidence.batch, device, dtype)
        for name in self.compact:
            known = clamped(evidence, self.variables[name], device, dtype)
            if known is not None:
                self.clamped[name] = known
        self._add_all(part for factor in graph.factors for part in _parts(factor, evidence))
        for name, tensor in evidence.soft.items():
            self._add_potentials(name, tensor.to(device, dtype))
        for name in (*evidence.columns, *evidence.arrays):
            if name not in self.compact:
                excluded = excluded_states(evidence, name)
                assert excluded is not None
                self.unary[name] = self.unary[name].masked_fill(excluded.to(device), -torch.inf)
        self._add_whatis_whole()

    @classmethod
    def given(
        cls,
        graph: FactorGraph,
        clamped: Mapping[str, Clamped],
        batch: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> FieldView:
        """Return the view of a graph of compact factors with some units clamped."""
        view = cls.__new__(cls)
        view._prepare(graph, batch, device, dtype)
        view.clamped.update(clamped)
        view._add_all(graph.factors)
        view._add_whatis_whole()
        return view

    def _prepare(
        self, graph: FactorGraph, batch: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.batch, self.device, self.dtype = batch, device, dtype
        self.variables = {n: graph.variables[n] for n in field_variables(graph)}
        self.compact = {n for n in self.variables if is_compact(graph, n)}
        self.families: dict[str, ExponentialFamily] = {}
        self.tilts: dict[str, Tensor] = {}
        self.clamped: dict[str, Clamped] = {}
        self.unary: dict[str, Tensor] = {
            n: torch.zeros(batch, *v.shape, v.cardinality, device=device, dtype=dtype)
            for n, v in self.variables.items()
            if n not in self.compact
        }
        self.constant = torch.zeros(batch, device=device, dtype=dtype)
        self.couplings: dict[str, list[Factor]] = {n: [] for n in self.variables}
        self.factors: list[Factor] = []

    def _add_all(self, factors: Iterable[Factor]) -> None:
        joining = []
        for factor in factors:
            if len(factor.scope) == 1 and not isinstance(factor, EdgeFactor):
                self._add_alone(factor)
            elif factor.scope:
                joining.append(factor)
            else:
                table = next(factor.tables()).values if factor.is_tabular else None
                assert table is not None
                self.constant = self.constant + table.to(self.device, self.dtype)
        self._find_families()
        for factor in joining:
            self._add_joining(factor)

    def _add_whatis_whole(self) -> None:
        self.free = [n for n in self.variables if not self.is_whole(n)]
        for name in self.variables:
            if self.is_whole(name):
                values = self.clamped[name].values
                self.constant = self.constant + _summed(self.unary[name] * values)
                self.constant = self.constant + _summed(self.families[name].log_base(values))

    def _add_alone(self, factor: Factor) -> None:
        (variable,) = factor.scope
        field = factor.field(variable, {}).to(self.device, self.dtype)
        if factor.compact or variable.name not in self.compact:
            self._add_field(variable.name, field)
        else:
            self._add_potentials(variable.name, field)
        if isinstance(factor, BiasFactor) and factor.precision is not None:
            kind = Gaussian if variable.family == "gaussian" else RectifiedGaussian
            self.families[variable.name] = kind(factor.precision.to(self.device, self.dtype))
        elif isinstance(factor, BiasFactor) and variable.family == "replicated_softmax":
            self.families[variable.name] = ReplicatedSoftmax(
                self._lengths(variable.name, factor.length)
            )

    def _find_families(self) -> None:
        for name, variable in self.variables.items():
            if name not in self.unary:
                alone = torch.zeros(1, *statistics_shape(variable))
                self.unary[name] = alone.to(self.device, self.dtype)
            if name in self.families:
                continue
            if name not in self.compact or variable.family == "categorical":
                self.families[name] = Categorical()
            elif variable.family == "bernoulli":
                self.families[name] = Bernoulli()
            else:
                raise GraphError(
                    f"'{name}' is {variable.family} and has no base measure; a BiasFactor gives it"
                )

    def _lengths(self, name: str, length: int) -> Float[Tensor, " batch"]:
        """The words of each document; a missing one has the usual length."""
        usual = torch.full((self.batch,), float(length), device=self.device, dtype=self.dtype)
        known = self.clamped.get(name)
        if known is None:
            return usual
        lengths = known.values.sum(-1)
        return lengths if known.known is None else torch.where(known.known, lengths, usual)

    def _add_joining(self, factor: Factor) -> None:
        whole = [v for v in factor.scope if factor.compact and self.is_whole(v.name)]
        if not whole:
            self.factors.append(factor)
            for variable in factor.scope:
                self.couplings[variable.name].append(factor)
            return
        # What a whole layer says is always the same: the factor becomes a bias of its other end.
        (seen,) = whole[:1]
        (other,) = (v for v in factor.scope if v is not seen)
        said = factor.field(other, {seen.name: self.clamped[seen.name].values})
        if len(whole) == 2:
            self.constant = self.constant + _summed(said * self.clamped[other.name].values)
        else:
            self._add_field(other.name, self._as_states(other.name, said))

    def _add_field(self, name: str, field: Tensor) -> None:
        field = field.to(self.device, self.dtype)
        if name not in self.compact and field.ndim == self.unary[name].ndim - 1:
            field = self._as_states(name, field)
        self.unary[name] = self.unary[name] + field if name in self.unary else field

    def _add_potentials(self, name: str, potentials: Tensor) -> None:
        """Add log-potentials of states, which a compact variable takes as log-odds."""
        if name not in self.compact or self.variables[name].family == "categorical":
            self._add_field(name, potentials)
            return
        self._add_field(name, potentials[..., 1] - potentials[..., 0])
        self.constant = self.constant + _summed(potentials[..., 0])

    def _as_states(self, name: str, field: Tensor) -> Tensor:
        """Log-odds as log-potentials of two states where the variable is kept so."""
        bernoulli = self.variables[name].family == "bernoulli"
        if bernoulli and name not in self.compact:
            return torch.stack([torch.zeros_like(field), field], -1)
        return field

    def is_whole(self, name: str) -> bool:
        """Whether a variable is clamped as a whole in every row."""
        return name in self.clamped and self.clamped[name].known is None

    def field(
        self, name: str, statistics: Statistics, inverse: float | Tensor | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return the natural parameters of a variable given the statistics of the others.

        Parameters
        ----------
        inverse : float or Tensor of shape (batch,), optional
            The inverse temperature: what everything that joins variables is multiplied by.
        """
        alone = self.unary[name]
        joined = self.coupling_field(name, statistics)
        if joined is None:
            return alone
        return alone + (joined if inverse is None else joined * _rows(inverse, joined))

    def coupling_field(
        self, name: str, statistics: Statistics
    ) -> Float[Tensor, "batch ..."] | None:
        """Return what the others say of a variable, None where none does."""
        total = self.tilts.get(name)
        variable = self.variables[name]
        for factor in self.couplings[name]:
            if factor.compact:
                said = factor.field(variable, self._means(factor, statistics))
                said = self._as_states(name, said)
            else:
                said = factor.field(variable, statistics)
            said = said.to(self.device, self.dtype)
            total = said if total is None else total + said
        return total

    def tilt(self, base: Statistics) -> None:
        """Start from other means: what the model says beyond them counts as what joins variables.

        At inverse temperature zero free variables then have the means given, and at one the model
        is what it was.

        Parameters
        ----------
        base : mapping of str to Tensor
            Expected statistics of free variables, ``(batch or 1, *statistics)``.
        """
        for name, mean in base.items():
            if name in self.free:
                natural = self.families[name].natural(mean.to(self.device, self.dtype))
                self.tilts[name] = self.unary[name] - natural
                self.unary[name] = natural

    def _means(self, factor: Factor, statistics: Statistics) -> Statistics:
        """The statistics as a compact factor expects them."""
        for v in factor.scope:
            if v.family == "bernoulli" and v.name not in self.compact:
                break
        else:
            return statistics
        return {
            v.name: statistics[v.name][..., 1]
            if v.family == "bernoulli" and v.name not in self.compact
            else statistics[v.name]
            for v in factor.scope
            if v.name in statistics
        }

    def log_conditional(
        self, name: str, statistics: Statistics
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the logarithm of each element's distribution given the others' statistics.

        Raises
        ------
        EvidenceError
            If no state of some element is possible.
        """
        field = self._possible(name, self.field(name, statistics))
        if name in self.compact and self.variables[name].family == "bernoulli":
            field = torch.stack([torch.zeros_like(field), field], -1)
        return field.log_softmax(-1)

    def _possible(self, name: str, field: Tensor) -> Tensor:
        if name in self.compact:
            return field
        impossible = torch.isneginf(field.detach()).all(-1)
        if bool(impossible.any()):
            row = int(impossible.nonzero()[0, 0])
            raise EvidenceError(
                f"every state of '{name}' is excluded in row {row} by the states that the others "
                "may take"
            )
        return field

    def mean(
        self, name: str, statistics: Statistics, inverse: float | Tensor | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return a variable's expected statistics given those of the others.

        Known units keep theirs.

        Raises
        ------
        EvidenceError
            If no state of some element is possible.
        """
        field = self._possible(name, self.field(name, statistics, inverse))
        return self.kept(name, self.families[name].mean(field))

    def kept(self, name: str, fresh: Tensor) -> Float[Tensor, "batch ..."]:
        """Return fresh statistics of a variable with its known units as they are known."""
        fresh = fresh.expand(self.batch, *fresh.shape[1:])
        known = self.clamped.get(name)
        if known is None:
            return fresh
        if known.known is None:
            return known.values
        mask = known.known
        return torch.where(mask.reshape(*mask.shape, *(1,) * (fresh.ndim - mask.ndim)),
                           known.values, fresh)  # fmt: skip

    def start(
        self, draw: bool = False, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return means (or samples) of every variable by itself; known units have their values."""
        found = {}
        for name in self.variables:
            if self.is_whole(name):
                found[name] = self.clamped[name].values
                continue
            family = self.families[name]
            alone = self.unary[name].expand(self.batch, *self.unary[name].shape[1:])
            found[name] = self.kept(
                name, family.sample(alone, generator) if draw else family.mean(alone)
            )
        return found

    def coupling_log_weight(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of what joins free variables."""
        return self.coupling_log_weight_of(self.factors, self.tilts, statistics)

    def coupling_log_weight_of(
        self, factors: Iterable[Factor], tilts: Iterable[str], statistics: Statistics
    ) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of some of the factors, and of the tilts of some variables."""
        total = torch.zeros_like(self.constant)
        for name in tilts:
            total = total + _mean(statistics[name], self.tilts[name])
        for factor in factors:
            variable = factor.scope[0]
            if factor.compact:
                field = factor.field(variable, self._means(factor, statistics))
                field = self._as_states(variable.name, field)
            else:
                field = factor.field(variable, statistics)
            mean = _mean(statistics[variable.name], field.to(self.device, self.dtype))
            # An edge within one variable is seen from both of its ends.
            total = total + (mean / 2 if len(factor.scope) == 1 else mean)
        return total

    def expected_log_weight(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of independent elements, ``-inf`` where zeros have mass.

        Base measures are left out: :meth:`entropy` is relative to them.
        """
        total = self.constant
        for name in self.free:
            total = total + _mean(statistics[name], self.unary[name])
        return total + self.coupling_log_weight(statistics)

    def entropy(self, means: Statistics) -> Float[Tensor, " batch"]:
        """Return the entropy of independent units, relative to the base measures of families.

        A known unit has the logarithm of its base measure instead.
        """
        total = torch.zeros_like(self.constant)
        for name in self.free:
            family, mean = self.families[name], means[name]
            part = family.entropy(mean)
            known = self.clamped.get(name)
            if known is not None and known.known is not None:
                part = torch.where(known.known, family.log_base(known.values), part)
            total = total + _summed(part)
        return total

    def log_base(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the logarithm of the base measures at values of the free variables."""
        total = torch.zeros_like(self.constant)
        for name in self.free:
            total = total + _summed(self.families[name].log_base(statistics[name]))
        return total

    def log_partition(
        self, name: str, statistics: Statistics, inverse: float | Tensor | None = None
    ) -> Float[Tensor, " batch"]:
        """Return the logarithm of a variable's sum over all values of its unknown units."""
        return self.log_partition_of(name, self.field(name, statistics, inverse))

    def log_partition_of(self, name: str, field: Tensor) -> Float[Tensor, " batch"]:
        """Return what :meth:`log_partition` does, of natural parameters."""
        family = self.families[name]
        part = family.log_partition(field)
        known = self.clamped.get(name)
        if known is not None and known.known is not None:
            fixed = field * known.values
            fixed = (fixed.sum(-1) if family.inner else fixed) + family.log_base(known.values)
            part = torch.where(known.known, fixed, part)
        return _summed(part.expand(self.batch, *part.shape[1:]))

    def second_moment(self, name: str, statistics: Statistics) -> Float[Tensor, "batch *shape"]:
        """Return the expected squares of real units given the statistics of the others."""
        if self.is_whole(name):
            return self.clamped[name].values.square()
        return self.second_moment_of(name, self.field(name, statistics))

    def second_moment_of(self, name: str, natural: Tensor) -> Float[Tensor, "batch *shape"]:
        """Return what :meth:`second_moment` does, from natural parameters."""
        family = self.families[name]
        free = family.second_moment(natural, family.mean(natural))
        free = free.expand(self.batch, *free.shape[1:])
        known = self.clamped.get(name)
        if known is None or known.known is None:
            return free
        mask = known.known.unsqueeze(-1) if family.inner else known.known
        return torch.where(mask, known.values.square(), free)


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


def _mean(
    probability: Float[Tensor, "batch ..."], values: Float[Tensor, "batch ..."]
) -> Float[Tensor, " batch"]:
    """The mean, summed over elements; zero times minus infinity is zero."""
    if values.shape[0] != probability.shape[0]:
        values = values.expand(probability.shape[0], *values.shape[1:])
    return (probability * values.masked_fill(probability == 0, 0.0)).flatten(1).sum(1)


def _summed(values: Tensor) -> Float[Tensor, " batch"]:
    return values.flatten(1).sum(1) if values.ndim > 1 else values


def _rows(inverse: float | Tensor, like: Tensor) -> float | Tensor:
    """An inverse temperature for each row, with as many axes as what it multiplies."""
    if not isinstance(inverse, Tensor) or inverse.ndim == 0:
        return inverse
    return inverse.to(like).reshape(-1, *(1,) * (like.ndim - 1))
