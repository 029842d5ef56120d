"""Intervals that real values lie in, and how the whole line maps to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor
from mmgraph.interop.pyro.configurations import configurations
from mmgraph.interop.pyro.node import PyroNode


class Interval(NamedTuple):
    """An open interval; both ends may be infinite."""

    low: float = -math.inf
    high: float = math.inf

    def from_line(self, points: Float[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """Return the value of each point of the line, and the logarithm of the slope there."""
        if math.isinf(self.low) and math.isinf(self.high):
            return points, torch.zeros_like(points)
        if math.isinf(self.high):
            return self.low + points.exp(), points
        if math.isinf(self.low):
            return self.high - points.exp(), points
        width = self.high - self.low
        slope = torch.nn.functional.logsigmoid(points) + torch.nn.functional.logsigmoid(-points)
        return self.low + width * points.sigmoid(), slope + math.log(width)

    def to_line(self, values: Float[Tensor, "..."]) -> Tensor:
        """Return the point of each value; those at an end lie a little inside."""
        if math.isinf(self.low) and math.isinf(self.high):
            return values
        if math.isinf(self.high):
            return (values - self.low).clamp_min(1e-12).log()
        if math.isinf(self.low):
            return (self.high - values).clamp_min(1e-12).log()
        return ((values - self.low) / (self.high - self.low)).logit(1e-9)


def interval_of(factor: Factor, values: Sequence[Mapping[str, Tensor]], rows: int) -> Interval:
    """Return where the values of a factor's child lie, the same at several values of its parents.

    Raises
    ------
    GraphError
        If the values are whole numbers, depend on one another, or the interval on the parents.
    """
    if not isinstance(factor, PyroNode):
        child = factor.child
        assert child is not None
        return Interval(0.0) if child.family == "rectified_gaussian" else Interval()
    intervals = set()
    for numbers in values:
        spread, _ = configurations(factor.scope, numbers, rows)
        intervals.add(node_interval(factor, factor.conditional(spread).support))
    if len(intervals) > 1:
        raise _moving(factor)
    return intervals.pop()


def node_interval(node: PyroNode, support: Any) -> Interval:
    """Return the interval of a support, see :func:`interval_of`."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    name = f"'{node.child.name}'"
    if support.is_discrete:
        raise GraphError(
            f"{node!r}: {name} is a count that is not observed; gradients sample real numbers "
            "alone. Observe it, give it finitely many states, or leave out its children"
        )
    if support.event_dim:
        raise GraphError(f"{node!r}: the elements of {name} depend on one another ({support})")
    low = _end(node, getattr(support, "lower_bound", -math.inf))
    high = _end(node, getattr(support, "upper_bound", math.inf))
    return Interval(low, high)


def _end(node: PyroNode, bound: float | Tensor) -> float:
    ends = torch.as_tensor(bound, dtype=torch.float64).reshape(-1)
    if not bool((ends == ends[0]).all()):
        raise _moving(node)
    return float(ends[0])


def _moving(node: PyroNode) -> GraphError:
    return GraphError(
        f"{node!r}: the support of '{node.child.name}' depends on its parents; sample its share of "
        "the interval instead, and let the children compute the value"
    )
