"""A table over the states of a few scalar variables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, LogTable, Parts
from mmgraph.graph.variable import Variable, named_states

LEAST_POTENTIAL = 1e-281
"""What stands for a positive potential that is smaller still, beside a largest one of one.

Exact inference tells by its size that a sum must be taken again, in logarithms."""


class TableFactor(Factor):
    """A table over any scope of scalar discrete variables.

    Parameters
    ----------
    scope : sequence of Variable
        One axis of the table each.
    values : array-like, optional
        Non-negative potentials, shape ``(*states)``.
    log_values : array-like, optional
        Their logarithms instead, ``-inf`` where the potential is zero. Exactly one of the two is
        given, and kept as it is: nothing is rounded by a detour through the other.
    child : Variable, optional
        Given where the table is a conditional distribution of this variable.

    Raises
    ------
    GraphError
        If the shape does not fit the scope, a value is negative, NaN or infinite, or a variable
        is an array or has no states.
    """

    kind = "table"

    def __init__(
        self,
        scope: Sequence[Variable],
        values: object = None,
        *,
        log_values: object = None,
        child: Variable | None = None,
    ) -> None:
        self.scope = tuple(scope)
        self.child = child
        if child is not None and not any(v is child for v in self.scope):
            raise GraphError(f"the child '{child.name}' is not in the scope of its own table")
        if (values is None) == (log_values is None):
            raise GraphError(f"{self!r}: give either values or log_values")
        self._is_log = values is None
        self._table = float_tensor(log_values if self._is_log else values, repr(self))
        self._validate()

    def _validate(self) -> None:
        names = [v.name for v in self.scope]
        if len(set(names)) != len(names):
            raise GraphError(f"{self!r}: a variable stands in the scope twice")
        check_scalar_discrete(repr(self), self.scope, self.child)
        expected = tuple(v.cardinality for v in self.scope)
        if tuple(self._table.shape) != expected:
            raise GraphError(
                f"{self!r}: the table has shape {tuple(self._table.shape)}, "
                f"the states of {', '.join(names) or 'no variable'} ask for {expected}"
            )
        table = self._table.detach()
        # One comparison catches NaN, too large and too small: NaN compares false with everything.
        allowed = table < torch.inf if self._is_log else (table >= 0) & (table < torch.inf)
        bad = ~allowed
        if bool(bad.any()):
            where = tuple(bad.nonzero()[0].tolist())
            wanted = "a log-potential below infinity" if self._is_log else "a finite number >= 0"
            raise GraphError(
                f"{self!r}: {float(table[where])} at ({named_states(self.scope, where)}) is not "
                f"{wanted}"
            )

    @property
    def is_log(self) -> bool:
        """Whether the table was given, and is kept, as logarithms."""
        return self._is_log

    @property
    def values(self) -> Float[Tensor, "..."]:
        """The potentials, shape ``(*states)``."""
        return self._table.exp() if self._is_log else self._table

    @property
    def log_values(self) -> Float[Tensor, "..."]:
        """The log-potentials, shape ``(*states)``."""
        if self._is_log or not self._table.requires_grad:
            return self._table if self._is_log else self._table.log()
        zero = self._table == 0  # a zero is a constant: its logarithm has no gradient
        return self._table.masked_fill(zero, 1.0).log().masked_fill(zero, -torch.inf)

    def potentials(self) -> Float[Tensor, "..."] | None:
        """As :meth:`Factor.potentials`."""
        return None if self._is_log else self._table

    def scaled(self) -> tuple[Float[Tensor, "..."], float]:
        """Return potentials of at most one, and the logarithm of what they were divided by.

        A table of numbers is divided by a power of two, which rounds nothing. A conditional
        distribution stays as it is: it sums to one, and inference counts on that. No positive
        number comes out smaller than ``LEAST_POTENTIAL``.
        """
        table = self._table.double()
        if self.child is not None and not self._is_log:
            return table, 0.0
        top = float(table.detach().max()) if self.child is None else 0.0
        if self._is_log:
            if top == -torch.inf:
                return torch.zeros_like(table), 0.0
            possible = table.detach() > -torch.inf
            scaled = (table - top).exp()
        else:
            possible = table.detach() > 0
            exponent = math.frexp(top)[1]
            half = exponent // 2  # the whole power of two may be out of a double's range
            scaled = table * 2.0**-half * 2.0 ** (half - exponent)
            top = exponent * math.log(2)
        lost = possible & (scaled.detach() < LEAST_POTENTIAL)
        return scaled.masked_fill(lost, LEAST_POTENTIAL) if bool(lost.any()) else scaled, top

    def tables(self) -> Iterator[LogTable]:
        """Yield the table itself."""
        yield LogTable(self.scope, self.log_values)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Look the rows up, see :meth:`Factor.energy`."""
        index = tuple(assignment[v.name].long() for v in self.scope)
        return -self.log_values[index] if index else -self.log_values.reshape(1)

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Average the log-table over the other variables, see :meth:`Factor.field`."""
        return mean_log_table(self.scope, self.log_values.unsqueeze(0), variable, statistics)

    def conditional_table(self) -> Float[Tensor, "*parents child"] | None:
        """As :meth:`Factor.conditional_table`."""
        if self.child is None or self.scope[-1] is self.child:
            return None if self.child is None else self.values
        return self.values.movedim(next(i for i, v in enumerate(self.scope) if v is self.child), -1)

    def parameters(self) -> dict[str, Tensor]:
        """Return the table as it is kept."""
        return {"log_values" if self._is_log else "values": self._table}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        parameters: Any = parts.parameters
        if len(parameters) != 1 or not {*parameters} <= {"values", "log_values"}:
            names = ", ".join(parameters) or "nothing"
            raise GraphError(f"expected the parameter values or log_values, found {names}")
        return cls(parts.scope, **parameters, child=parts.child)


def check_scalar_discrete(owner: str, scope: Sequence[Variable], child: Variable | None) -> None:
    """Refuse variables that a table has no axis for; of a continuous parent it says what to do."""
    for v in scope:
        if v.is_discrete and not v.shape:
            continue
        problem = f"{owner}: '{v.name}' is not a scalar discrete variable"
        if child is not None and child.is_discrete and not v.is_discrete:
            problem = (
                f"{owner}: '{v.name}' is continuous, and a parent of the discrete '{child.name}', "
                f"whose table has a row for each state of its parents. Put '{v.name}' into bins, "
                f"reverse the edge so that '{child.name}' is the parent (LinearGaussian), or give "
                f"'{child.name}' a softmax by Pyro (mmgraph.interop.pyro.PyroNode)"
            )
        raise GraphError(problem)


def scaled(factor: Factor) -> tuple[Float[Tensor, "..."], float]:
    """Return :meth:`TableFactor.scaled` of any factor that has one table."""
    if isinstance(factor, TableFactor):
        return factor.scaled()
    (table,) = factor.tables()
    return TableFactor(table.scope, log_values=table.values, child=factor.child).scaled()


def mean_log_table(
    scope: Sequence[Variable],
    values: Float[Tensor, "batch *states"],
    variable: Variable,
    statistics: Mapping[str, Tensor],
) -> Float[Tensor, "batch states"]:
    """Return log-tables of rows averaged over all variables but one, see :meth:`Factor.field`."""
    axis = next(i for i, v in enumerate(scope) if v is variable)
    values = values.movedim(1 + axis, -1)
    forbidden = torch.isneginf(values)
    # Zero probability times minus infinity is zero, so the two parts are averaged apart.
    finite = values.masked_fill(forbidden, 0.0)
    mass_on_zeros = forbidden.to(values.dtype)
    for v in scope:
        if v is not variable:
            weight = statistics[v.name].to(finite)
            weight = weight.reshape(len(weight), v.cardinality, *(1,) * (finite.ndim - 2))
            finite = (finite * weight).sum(1)
            mass_on_zeros = (mass_on_zeros * weight).sum(1)
    return finite.masked_fill(mass_on_zeros > 0, -torch.inf)
