"""What a factor is: a non-negative function of a few variables, known by its two views.

The *table view* (``tables``) feeds exact inference and message passing, the *field view*
(``field``) feeds sampling and mean field. A factor class implements what it can and refuses the
rest by name; nothing outside a factor knows its inside.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.copying import DeepCopied
from mmgraph.graph.errors import GraphError, NotTabularError
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    from mmgraph.graph.evidence import Evidence


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
