"""A log-potential for every state of every element of one variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import log_potentials
from mmgraph.graph.errors import GraphError, NotTabularError
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.variable import Variable


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

    kind = "unary"
    tensor_names = ("log_values",)
    arity = (1,)

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

    @property
    def unary_values(self) -> Float[Tensor, "*shape states"]:
        """The log-potentials."""
        return self.log_values
