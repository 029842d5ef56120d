"""What a unit prefers by itself: its bias, and where it is real-valued its precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import log_orders, statistics_of, statistics_shape
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.layers import LayerFactor
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.variable import Variable


class BiasFactor(LayerFactor):
    """The natural parameters of every unit of one variable, of any family.

    The log-potential is ``bias * x``, less ``precision * x^2 / 2`` for a Gaussian or rectified
    Gaussian unit; for word counts it has the logarithm of the number of orders added.

    Parameters
    ----------
    variable : Variable
        A layer of units.
    bias : array-like
        Shape ``(*shape)``, or ``(*shape, states)`` of a categorical variable.
    precision : array-like, optional
        Shape ``(*shape)``, positive; for Gaussian and rectified Gaussian variables, and only them.
    length : int, default 100
        The words that a document has where it is not observed; for word counts only.

    Raises
    ------
    GraphError
        If a shape does not fit, a number is not finite, or a precision is missing, not positive or
        given where there is none.
    """

    kind = "bias"
    tensor_names = ("bias", "precision")
    arity = (1,)

    def __init__(
        self, variable: Variable, bias: object, precision: object = None, length: int = 100
    ) -> None:
        self.scope = (variable,)
        self.length = length
        if not isinstance(length, int) or length < 1:
            raise GraphError(f"{self!r}: a document of {length!r} words; give 'length' as a count")
        self.bias = float_tensor(bias, repr(self))
        self._check(self.bias, statistics_shape(variable), "bias")
        self.precision: Tensor | None = None
        if variable.is_real != (precision is not None):
            verb = "needs" if precision is None else "has no"
            raise GraphError(f"{self!r}: a {variable.family} variable {verb} precision")
        if precision is not None:
            self.precision = float_tensor(precision, repr(self))
            self._check(self.precision, variable.shape, "precision")
            if not bool((self.precision.detach() > 0).all()):
                raise GraphError(f"{self!r}: a precision is not positive")

    def _check(self, tensor: Tensor, expected: tuple[int, ...], what: str) -> None:
        if tuple(tensor.shape) != expected:
            raise GraphError(
                f"{self!r}: a {what} of shape {tuple(tensor.shape)} does not fit {expected}"
            )
        if not bool(torch.isfinite(tensor.detach()).all()):
            raise GraphError(f"{self!r}: a {what} is NaN or infinite")

    @property
    def document_length(self) -> int | None:
        """As :attr:`Factor.document_length`."""
        return self.length if self.scope[0].family == "replicated_softmax" else None

    def settings(self) -> dict[str, Any]:
        """As :meth:`Factor.settings`."""
        return {} if self.document_length is None else {"length": self.length}

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-potential, see :meth:`Factor.energy`."""
        (variable,) = self.scope
        values = assignment[variable.name].to(self.bias.device)
        statistics = statistics_of(variable, values, self.bias.dtype)
        rows = len(statistics)
        result = -(statistics * self.bias).reshape(rows, -1).sum(1)
        if self.precision is not None:
            squares = (self.precision * statistics.square()).reshape(rows, -1)
            result = result + 0.5 * squares.sum(1)
        if variable.family == "replicated_softmax":
            result = result - log_orders(statistics)
        return result

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape"]:
        """Return the bias: no other variable changes it."""
        return self.bias.unsqueeze(0)

    def expected_statistics(
        self, statistics: Mapping[str, Tensor], second_moment: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the mean log-potential's derivatives by :meth:`tensors`, averaged over rows.

        Parameters
        ----------
        statistics : mapping of str to Tensor
            Of the variable, ``(batch, *statistics)``.
        second_moment : Tensor, optional
            Expected squares ``(batch, *shape)``; by default the squares of the statistics, which
            are then values.
        """
        rows = statistics[self.scope[0].name]
        if self.precision is None:
            return (rows.mean(0),)
        squares = rows.square() if second_moment is None else second_moment
        return rows.mean(0), -0.5 * squares.mean(0)

    def over_states(self) -> UnaryFactor:
        """Return the factor as log-potentials of states, see :meth:`Factor.over_states`."""
        self._check_states()
        (variable,) = self.scope
        bias = self.bias
        if variable.family == "bernoulli":
            bias = torch.stack([torch.zeros_like(bias), bias], -1)
        return UnaryFactor(variable, bias)


def biases(factors: Iterable[Factor]) -> list[BiasFactor]:
    """Return the factors that are biases."""
    return [f for f in factors if isinstance(f, BiasFactor)]
