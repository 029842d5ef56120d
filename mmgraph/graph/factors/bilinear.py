"""Two whole layers joined by a matrix of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import statistics_of, statistics_shape
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.edges import PairwiseFactor
from mmgraph.graph.factors.layers import LayerFactor
from mmgraph.graph.interaction import Tabulated
from mmgraph.graph.variable import Variable


class BilinearFactor(LayerFactor):
    """The log-potential ``x^T W y`` of the statistics of two layers, of any families.

    Parameters
    ----------
    first, second : Variable
        Two different layers.
    weights : array-like
        Shape ``(*first, *second)``, each the shape of the layer; a categorical layer has its
        states as one more axis.

    Raises
    ------
    GraphError
        If the layers are one, the shape does not fit, or a weight is not finite.
    """

    kind = "bilinear"
    tensor_names = ("weights",)
    arity = (2,)

    def __init__(self, first: Variable, second: Variable, weights: object) -> None:
        self.scope = (first, second)
        if first is second:
            raise GraphError(f"{self!r}: a bilinear factor joins two different layers")
        self.weights = float_tensor(weights, repr(self))
        expected = (*statistics_shape(first), *statistics_shape(second))
        if tuple(self.weights.shape) != expected:
            raise GraphError(
                f"{self!r}: weights of shape {tuple(self.weights.shape)} do not fit {expected}"
            )
        if not bool(torch.isfinite(self.weights.detach()).all()):
            raise GraphError(f"{self!r}: a weight is NaN or infinite")
        self._rows = math.prod(statistics_shape(first))

    @property
    def matrix(self) -> Float[Tensor, "first second"]:
        """The weights as one matrix."""
        return self.weights.reshape(self._rows, -1)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-potential, see :meth:`Factor.energy`."""
        x, y = (
            statistics_of(v, assignment[v.name].to(self.weights.device), self.weights.dtype)
            for v in self.scope
        )
        return -((x.reshape(len(x), -1) @ self.matrix) * y.reshape(len(y), -1)).sum(1)

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *statistics"]:
        """Return what the other layer's statistics say of this one, see :meth:`Factor.field`."""
        first, second = self.scope
        if variable is first:
            other, matrix = statistics[second.name], self.matrix.T
        else:
            other, matrix = statistics[first.name], self.matrix
        product = other.reshape(len(other), -1) @ matrix
        return product.reshape(len(other), *statistics_shape(variable))

    def expected_statistics(
        self, statistics: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, "*first *second"]]:
        """Return the mean log-potential's derivative by the weights, averaged over rows."""
        first, second = self.scope
        x, y = (statistics[v.name].reshape(len(statistics[v.name]), -1) for v in (first, second))
        return ((x.T @ y / len(x)).reshape(self.weights.shape),)

    def over_states(self) -> PairwiseFactor:
        """Return an edge with a table between every two units, see :meth:`Factor.over_states`."""
        self._check_states()
        first, second = self.scope
        # Axes: units and states of the first layer, units and states of the second.
        table = self.weights.reshape(first.size, -1, second.size, self._states(second))
        for axis, v in ((1, first), (3, second)):
            if v.family == "bernoulli":
                table = torch.cat([torch.zeros_like(table), table], axis)
        energies = -table.permute(0, 2, 1, 3).flatten(0, 1)
        units = torch.cartesian_prod(torch.arange(first.size), torch.arange(second.size))
        return PairwiseFactor((first, second), units, Tabulated(energies))

    @staticmethod
    def _states(variable: Variable) -> int:
        return variable.cardinality if variable.family == "categorical" else 1


def bilinear_factors(factors: Iterable[Factor]) -> list[BilinearFactor]:
    """Return the factors that join two layers."""
    return [f for f in factors if isinstance(f, BilinearFactor)]
