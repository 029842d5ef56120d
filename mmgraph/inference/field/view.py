"""The field view of a graph with its evidence: natural parameters, means and log-weights.

Mean field, block Gibbs, annealing and pseudo-likelihood see a graph through this.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.terms import FieldTerms, Statistics, summed


class FieldView(FieldTerms):
    """What variables are like given the statistics of the others.

    Made like :class:`FieldTerms`, or by :meth:`FieldTerms.given` from clamped units.
    """

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
        return alone + (joined if inverse is None else joined * of_rows(inverse, joined))

    def coupling_field(
        self, name: str, statistics: Statistics
    ) -> Float[Tensor, "batch ..."] | None:
        """Return what the others say of a variable, None where none does."""
        total = self.tilts.get(name)
        variable = self.variables[name]
        for factor in self.couplings[name]:
            said = self._said(factor, variable, statistics)
            total = said if total is None else total + said
        return total

    def _said(
        self, factor: Factor, variable: Variable, statistics: Statistics
    ) -> Float[Tensor, "batch ..."]:
        """What a factor says of a variable, in the form in which the variable is kept."""
        if factor.compact:
            said = factor.field(variable, self._means(factor, statistics))
            said = self._as_states(variable.name, said)
        else:
            said = factor.field(variable, statistics)
        return said.to(self.device, self.dtype)

    def _means(self, factor: Factor, statistics: Statistics) -> Statistics:
        """The statistics as a compact factor expects them."""
        with_states = [v.name for v in factor.scope if self._has_two_states(v.name)]
        if not with_states:
            return statistics
        chances = {n: statistics[n][..., 1] for n in with_states if n in statistics}
        return {**statistics, **chances}

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
            raise excluded_by_others(name, row)
        return field

    def mean(self, name: str, statistics: Statistics) -> Float[Tensor, "batch ..."]:
        """Return a variable's expected statistics given those of the others.

        Known units keep theirs.

        Raises
        ------
        EvidenceError
            If no state of some element is possible.
        """
        field = self._possible(name, self.field(name, statistics))
        return self.kept(name, self.families[name].mean(field))

    def kept(self, name: str, fresh: Tensor) -> Float[Tensor, "batch ..."]:
        """Return fresh statistics of a variable with its known units as they are known."""
        fresh = fresh.expand(self.batch, *fresh.shape[1:])
        known = self.clamped.get(name)
        if known is None:
            return fresh
        if known.known is None:
            return known.values
        return torch.where(_over(known.known, fresh), known.values, fresh)

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
        total = self.zeros()
        for name in tilts:
            total = total + summed_mean(statistics[name], self.tilts[name])
        for factor in factors:
            variable = factor.scope[0]
            said = self._said(factor, variable, statistics)
            mean = summed_mean(statistics[variable.name], said)
            # An edge within one variable is seen from both of its ends.
            total = total + (mean / 2 if len(factor.scope) == 1 else mean)
        return total

    def expected_log_weight(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of independent elements, ``-inf`` where zeros have mass.

        Base measures are left out: :meth:`entropy` is relative to them.
        """
        total = self.constant
        for name in self.free:
            total = total + summed_mean(statistics[name], self.unary[name])
        return total + self.coupling_log_weight(statistics)

    def entropy(self, means: Statistics) -> Float[Tensor, " batch"]:
        """Return the entropy of independent units, relative to the base measures of families.

        A known unit has the logarithm of its base measure instead.
        """
        total = self.zeros()
        for name in self.free:
            family, mean = self.families[name], means[name]
            part = family.entropy(mean)
            known = self.clamped.get(name)
            if known is not None and known.known is not None:
                part = torch.where(known.known, family.log_base(known.values), part)
            total = total + summed(part)
        return total

    def log_base(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the logarithm of the base measures at values of the free variables."""
        total = self.zeros()
        for name in self.free:
            total = total + summed(self.families[name].log_base(statistics[name]))
        return total

    def log_partition(self, name: str, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the logarithm of a variable's sum over all values of its unknown units."""
        return self.log_partition_of(name, self.field(name, statistics))

    def log_partition_of(self, name: str, field: Tensor) -> Float[Tensor, " batch"]:
        """Return what :meth:`log_partition` does, of natural parameters."""
        family = self.families[name]
        part = family.log_partition(field)
        known = self.clamped.get(name)
        if known is not None and known.known is not None:
            fixed = field * known.values
            fixed = (fixed.sum(-1) if family.inner else fixed) + family.log_base(known.values)
            part = torch.where(known.known, fixed, part)
        return summed(part.expand(self.batch, *part.shape[1:]))

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
        return torch.where(_over(known.known, free), known.values.square(), free)


def excluded_by_others(name: str, row: int) -> EvidenceError:
    """Say that the others leave some element of a variable no state."""
    return EvidenceError(
        f"every state of '{name}' is excluded in row {row} by the states that the others may take"
    )


def summed_mean(
    probability: Float[Tensor, "batch ..."], values: Float[Tensor, "batch ..."]
) -> Float[Tensor, " batch"]:
    """The mean, summed over elements; zero times minus infinity is zero."""
    if values.shape[0] != probability.shape[0]:
        values = values.expand(probability.shape[0], *values.shape[1:])
    return summed(probability * values.masked_fill(probability == 0, 0.0))


def _over(known: Tensor, statistics: Tensor) -> Tensor:
    """A mask of units as one of their statistics."""
    return known.reshape(*known.shape, *(1,) * (statistics.ndim - known.ndim))


def of_rows(number: float | Tensor, like: Tensor) -> float | Tensor:
    """Return a number for each row with as many axes as what it multiplies."""
    if not isinstance(number, Tensor) or number.ndim == 0:
        return number
    return number.to(like).reshape(-1, *(1,) * (like.ndim - 1))
