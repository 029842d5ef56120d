"""What a posterior knows of variables that are real numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import EvidenceError, UnknownVariableError, suggestion


class RealMarginals(Protocol):
    """What is known of each of some variables that are real numbers, row by row."""

    @property
    def names(self) -> Collection[str]:
        """The variables, in order."""

    def mean(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the expected value."""

    def variance(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the variance of each element."""

    def density(
        self, name: str, points: Float[Tensor, " points"]
    ) -> Float[Tensor, "batch *shape points"]:
        """Return the density of each element at some points, infinite at a value that is fixed."""

    def quantile(
        self, name: str, levels: Float[Tensor, " levels"]
    ) -> Float[Tensor, "batch *shape levels"]:
        """Return the quantiles of each element."""


def at_points(
    real: RealMarginals | None, name: str, points: object, what: Literal["density", "quantile"]
) -> Float[Tensor, "batch *shape *points"]:
    """Return densities at points, or quantiles at levels: at a number, or along a last axis.

    Raises
    ------
    UnknownVariableError
        If nothing is known of the variable.
    EvidenceError
        If the points are no numbers, or a level does not lie between 0 and 1.
    """
    if real is None or name not in real.names:
        hint = suggestion(name, real.names if real else ())
        raise UnknownVariableError(f"the posterior holds no {what} of {name!r}{hint}")
    tensor = float_tensor(points, f"the points of '{name}'", EvidenceError).double()
    if tensor.ndim > 1 or bool(tensor.isnan().any()):
        raise EvidenceError(f"'{name}': a {what} is asked for at a number, or at a row of them")
    if what == "quantile" and not bool(((tensor > 0) & (tensor < 1)).all()):
        raise EvidenceError(
            f"'{name}': the level of a quantile lies strictly between 0 and 1, not at {points}"
        )
    values: Tensor = getattr(real, what)(name, tensor.reshape(-1))
    return values if tensor.ndim else values.squeeze(-1)
