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
from mmgraph.inference.field.terms import FieldTerms, Statistics, summed


class FieldView(FieldTerms):
    """What variables are like given the statistics of the others.

    Made like :class:`FieldTerms`, or by :meth:`FieldTerms.given` from clamped units.
    """

    def field(
        self, name: str, statistics: Statistics, inverse: float | Tensor | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return the natural parameters of a variable given the statistics of the others.

        What joins variables is multiplied by the ``inverse`` temperature, one or one of each row.
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
        return self._field_of(self.couplings[name], name, statistics, self.tilts.get(name))

    def _field_of(
        self,
        factors: Iterable[Factor],
        name: str,
        statistics: Statistics,
        total: Tensor | None = None,
    ) -> Float[Tensor, "batch ..."] | None:
        """What factors say of a variable, in its form, added to a total."""
        variable, form = self.variables[name], self.forms[name]
        for factor in factors:
            means = statistics
            if factor.compact and self._of_two_states:  # which it takes as chances of the last
                ends = statistics.keys() & self._of_two_states & {v.name for v in factor.scope}
                means = {**statistics, **{n: statistics[n][..., 1] for n in ends}}
            field = form.natural(factor.field(variable, means)).to(self.device, self.dtype)
            total = field if total is None else total + field
        return total

    def log_conditional(
        self, name: str, statistics: Statistics
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the logarithm of each element's distribution given the others' statistics."""
        field = self._possible(name, self.field(name, statistics))
        if self.forms[name].is_chance:
            field = torch.stack([torch.zeros_like(field), field], -1)
        return field.log_softmax(-1)

    def _possible(self, name: str, field: Tensor) -> Tensor:
        """Return a field, or raise EvidenceError if no state of some element is possible."""
        if name in self.compact:
            return field
        impossible = torch.isneginf(field.detach()).all(-1)
        if bool(impossible.any()):
            row = int(impossible.nonzero()[0, 0])
            raise excluded_by_others(name, row)
        return field

    def mean(self, name: str, statistics: Statistics) -> Float[Tensor, "batch ..."]:
        """Return a variable's expected statistics given those of the others, or as they are known.

        EvidenceError says that no state of some element is possible.
        """
        field = self._possible(name, self.field(name, statistics))
        return self.clamp(name, self.families[name].mean(field))

    def clamp(self, name: str, fresh: Tensor) -> Float[Tensor, "batch ..."]:
        """Return fresh statistics of a variable with its known units clamped to their values."""
        fresh = fresh.expand(self.batch, *fresh.shape[1:])
        if name not in self.clamped:
            return fresh
        return self.with_known(name, fresh, lambda values: values)

    def start(
        self, draw: bool = False, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return means (or samples) of every variable by itself; known units have their values."""
        statistics = {}
        for name in self.variables:
            if self.is_whole(name):
                statistics[name] = self.clamped[name].values
                continue
            family = self.families[name]
            alone = self.unary[name].expand(self.batch, *self.unary[name].shape[1:])
            fresh = family.sample(alone, generator) if draw else family.mean(alone)
            statistics[name] = self.clamp(name, fresh)
        return statistics

    def coupling_log_weight(
        self,
        statistics: Statistics,
        factors: Iterable[Factor] | None = None,
        tilts: Iterable[str] | None = None,
    ) -> Float[Tensor, " batch"]:
        """Return the mean log-weight of what joins free variables, or of some of it."""
        total = self.zeros()
        for name in self.tilts if tilts is None else tilts:
            total = total + summed_mean(statistics[name], self.tilts[name])
        for factor in self.factors if factors is None else factors:
            name = factor.scope[0].name
            field = self._field_of([factor], name, statistics)
            assert field is not None
            mean = summed_mean(statistics[name], field)
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
            family = self.families[name]
            total = total + summed(
                self.with_known(name, family.entropy(means[name]), family.log_base)
            )
        return total

    def log_base(self, statistics: Statistics) -> Float[Tensor, " batch"]:
        """Return the logarithm of the base measures at values of the free variables."""
        total = self.zeros()
        for name in self.free:
            total = total + summed(self.families[name].log_base(statistics[name]))
        return total

    def log_partition(self, name: str, field: Tensor) -> Float[Tensor, " batch"]:
        """Return the logarithm of a variable's sum over all values of its unknown units.

        Of a free variable, from its natural parameters.
        """
        family = self.families[name]

        def log_weight(values: Tensor) -> Tensor:
            weight = field * values
            return (weight.sum(-1) if family.inner else weight) + family.log_base(values)

        part = self.with_known(name, family.log_partition(field), log_weight)
        return summed(part.expand(self.batch, *part.shape[1:]))

    def second_moment(self, name: str, statistics: Statistics) -> Float[Tensor, "batch *shape"]:
        """Return the expected squares of real units given the statistics of the others."""
        if self.is_whole(name):
            return self.clamped[name].values.square()
        return self.second_moment_of(name, self.field(name, statistics))

    def second_moment_of(self, name: str, natural: Tensor) -> Float[Tensor, "batch *shape"]:
        """Return what :meth:`second_moment` does, from natural parameters."""
        family = self.families[name]
        square = family.second_moment(natural, family.mean(natural))
        return self.with_known(name, square.expand(self.batch, *square.shape[1:]), torch.square)


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


def of_rows(number: float | Tensor, like: Tensor) -> float | Tensor:
    """Return a number for each row with as many axes as what it multiplies."""
    if not isinstance(number, Tensor) or number.ndim == 0:
        return number
    return number.to(like).reshape(-1, *(1,) * (like.ndim - 1))
