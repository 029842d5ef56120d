"""What a factor is: a non-negative function of a few variables, known by its two views.

The *table view* (``tables``) feeds exact inference and message passing, the *field view*
(``field``) feeds sampling and mean field. A factor class implements what it can and refuses the
rest by name; nothing outside a factor knows its inside.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor, log_potentials
from mmgraph.graph.copying import DeepCopied
from mmgraph.graph.errors import GraphError, NotTabularError
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    from mmgraph.graph.evidence import Evidence


LEAST_POTENTIAL = 1e-281
"""What stands for a positive potential that is smaller still, beside a largest one of one.

Exact inference tells by its size that a sum must be taken again, in logarithms."""


class LogTable(NamedTuple):
    """A log-potential over the states of a few scalar variables.

    Attributes
    ----------
    scope : tuple of Variable
        One axis of ``values`` each, in order.
    values : Tensor
        Natural logarithms; ``-inf`` is a hard zero. Shape ``(*states)``, or ``(batch, *states)``
        where the table depends on the row of evidence that it was computed for.
    """

    scope: tuple[Variable, ...]
    values: Float[Tensor, "..."]


class Factor(DeepCopied, abc.ABC):
    """A factor of a graphical model.

    Attributes
    ----------
    scope : tuple of Variable
        The variables that it speaks of.
    child : Variable or None
        Set where the factor is a conditional distribution: it sums to one over ``child`` for every
        state of the other variables. Inference uses this to drop barren nodes.
    compact : bool
        Whether the field view speaks of a Bernoulli variable by one number a unit, its log-odds
        and its mean, rather than by a distribution over two states.
    """

    scope: tuple[Variable, ...]
    child: Variable | None = None
    compact: bool = False

    @property
    def parents(self) -> tuple[Variable, ...]:
        """The scope without the child."""
        return tuple(v for v in self.scope if v is not self.child)

    @abc.abstractmethod
    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-potential of each row of a full assignment.

        Parameters
        ----------
        assignment : mapping of str to Tensor
            State indices (or real values), ``(batch, *shape)`` for each variable of the scope.
        """

    def tables(self) -> Iterator[LogTable]:
        """Yield log-tables whose product is this factor.

        Raises
        ------
        NotTabularError
            If the factor has no finite table, as with a continuous variable.
        """
        raise NotTabularError(f"{self!r} cannot be written as a finite table")

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return what the observed continuous part of the scope says of the discrete part.

        ``None`` means that nothing was observed, and that the factor drops out. Only factors
        that have a continuous variable implement this.
        """
        raise NotTabularError(f"{self!r} has no continuous variable to observe")

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the natural parameters of one variable given the statistics of the others.

        Parameters
        ----------
        variable : Variable
            A member of the scope.
        statistics : mapping of str to Tensor
            Expected sufficient statistics of the other variables; for a categorical variable its
            distribution over the states, ``(batch, *shape, states)``. One-hot rows give the
            conditional that Gibbs sampling draws from, means give the mean-field update.
        """
        raise GraphError(f"{self!r} has no field view")

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the tensors that the factor is made of, as far as it tells."""
        return ()

    @abc.abstractmethod
    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Factor:
        """Return the factor with its parameters on another device or in another precision."""

    @property
    def is_tabular(self) -> bool:
        """Whether ``tables`` works."""
        return True

    def __repr__(self) -> str:
        if self.child is not None:
            given = ", ".join(v.name for v in self.parents)
            inside = f"{self.child.name} | {given}" if given else self.child.name
        else:
            inside = ", ".join(v.name for v in self.scope)
        return f"{type(self).__name__}({inside})"


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
        for v in self.scope:
            if v.shape or not v.is_discrete:
                raise GraphError(f"{self!r}: '{v.name}' is not a scalar discrete variable")
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
            where = tuple(int(i) for i in bad.nonzero()[0])
            states = ", ".join(
                f"{v.name}={v.labels[i]}" for v, i in zip(self.scope, where, strict=True)
            )
            found = float(table[where])
            wanted = "a log-potential below infinity" if self._is_log else "a finite number >= 0"
            raise GraphError(f"{self!r}: {found} at ({states}) is not {wanted}")

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
        return self._table if self._is_log else self._table.log()

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
        axis = next(i for i, v in enumerate(self.scope) if v is variable)
        others = [v for v in self.scope if v is not variable]
        log_table = self.log_values.movedim(axis, -1)
        forbidden = torch.isneginf(log_table)
        # Zero probability times minus infinity is zero, so the two parts are averaged apart.
        finite = log_table.masked_fill(forbidden, 0.0).unsqueeze(0)
        mass_on_zeros = forbidden.to(log_table.dtype).unsqueeze(0)
        for v in others:
            weight = statistics[v.name].to(finite)
            weight = weight.reshape(weight.shape[0], v.cardinality, *(1,) * (finite.ndim - 2))
            finite = (finite * weight).sum(1)
            mass_on_zeros = (mass_on_zeros * weight).sum(1)
        return finite.masked_fill(mass_on_zeros > 0, -torch.inf)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> TableFactor:
        """Return the table on another device or in another precision."""
        table = self._table.to(device=device, dtype=dtype)
        if self._is_log:
            return TableFactor(self.scope, log_values=table, child=self.child)
        return TableFactor(self.scope, table, child=self.child)


class UnaryFactor(Factor):
    """A log-potential for every state of every element of one variable.

    Parameters
    ----------
    variable : Variable
        Discrete; scalar or an array.
    log_values : array-like
        Shape ``(*shape, states)``; ``-inf`` forbids a state. An element all of whose states a mask
        hides says nothing.

    Raises
    ------
    GraphError
        If the shape does not fit, or a log-potential is NaN or plus infinity: which.
    """

    def __init__(self, variable: Variable, log_values: object) -> None:
        self.scope = (variable,)
        self.log_values = log_potentials(log_values, repr(self))
        expected = (*variable.shape, variable.cardinality)
        if tuple(self.log_values.shape) != expected:
            raise GraphError(
                f"{self!r}: shape {tuple(self.log_values.shape)} does not fit (*shape, states) "
                f"= {expected}"
            )
        wrong = ~(self.log_values.detach() < torch.inf)
        if bool(wrong.any()):
            *element, state = wrong.nonzero()[0].tolist()
            where = f"{element} of '{variable.name}'" if element else f"'{variable.name}'"
            raise GraphError(
                f"{self!r}: the log-potential of {where}, state {variable.labels[state]}, is NaN "
                "or +inf"
            )

    def tables(self) -> Iterator[LogTable]:
        """Yield the one table of a scalar variable, see :meth:`Factor.tables`."""
        (variable,) = self.scope
        if variable.shape:
            raise NotTabularError(f"{self!r} is an array of tables, one for each element")
        yield LogTable(self.scope, self.log_values)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Sum over the elements of the array, see :meth:`Factor.energy`."""
        (variable,) = self.scope
        codes = assignment[variable.name].long().unsqueeze(-1)
        table = self.log_values.expand(codes.shape[0], *self.log_values.shape)
        return -table.gather(-1, codes).reshape(codes.shape[0], -1).sum(-1)

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the log-potentials: no other variable changes them."""
        return self.log_values.unsqueeze(0)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> UnaryFactor:
        """Return the factor on another device or in another precision."""
        return UnaryFactor(self.scope[0], self.log_values.to(device=device, dtype=dtype))
