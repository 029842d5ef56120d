"""The updates of mean field: every mean is set to what the others' means make it.

What mean field itself, the positive phase of learning and unrolled training share.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import free_parts, merged
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks, colour_masks

Means = dict[str, Float[Tensor, "batch ..."]]
"""Expected statistics; of variables that are kept with their states, marginals."""


class Ascent(NamedTuple):
    """When updates end, and how much of the old distributions they keep."""

    iterations: int  # the most sweeps
    tolerance: float = 0.0  # no change is larger where sweeps end; at zero they make all iterations
    damping: float = 0.0  # the share of the old distribution that an update keeps

    @classmethod
    def checked(cls, iterations: int, tolerance: float | None, damping: float) -> Ascent:
        """Return the record, or raise MmgraphError naming the number that is wrong."""
        if iterations < 1:
            raise MmgraphError(f"iterations must be at least 1, not {iterations}")
        if tolerance is not None and not tolerance >= 0:
            raise MmgraphError(f"tolerance must not be negative, but it is {tolerance}")
        if not 0 <= damping < 1:
            raise MmgraphError(f"damping must lie in [0, 1), but it is {damping}")
        return cls(iterations, tolerance or 0.0, damping)


def ascend(
    view: FieldView,
    colours: Sequence[Masks],
    means: Means,
    iterations: int,
    tolerance: float = 0.0,
    damping: float = 0.0,
) -> tuple[int, float]:
    """Update the means in place, colour by colour, as :class:`Ascent` says.

    Entries are replaced, so that gradients flow. The sweeps made are returned, and the largest
    change of the last one: infinite at tolerance zero, where changes are not looked at.
    """
    residual, done = torch.inf, 0
    while done < iterations and residual > tolerance:
        largest = torch.zeros((), device=view.device, dtype=view.dtype)
        for name, mask in free_parts(view, colours):
            old = means[name]
            new = view.mean(name, means)
            if damping:
                new = damping * old + (1 - damping) * new
            new = merged(view, mask, new, old)
            if tolerance:
                largest = torch.maximum(largest, (new - old).detach().abs().amax())
            means[name] = new
        residual, done = float(largest) if tolerance else torch.inf, done + 1
    return done, residual


def observed_last(colours: Sequence[Masks], observed: Container[str]) -> list[Masks]:
    """Return the colours so that the one with most of the observed variables comes last.

    What hears the observed variables is then updated before what hears them at second hand. The
    answer of a few sweeps of mean field does not depend, then, on where those layers started: on
    whether a variable is observed in all rows, or in some. The colours keep their cyclic order.
    """
    if not colours:
        return []
    counts = [sum(name in observed for name in colour) for colour in colours]
    last = counts.index(max(counts))
    return [*colours[last + 1 :], *colours[: last + 1]]


def inferred(
    graph: FactorGraph, clamped: Mapping[str, Clamped], sweeps: int, tolerance: float = 0.0
) -> tuple[FieldView, dict[str, Float[Tensor, "rows *statistics"]]]:
    """Return the field view of clamped rows, and the mean statistics of all layers given them.

    The means are exact where free layers are not joined to each other; else so many sweeps of mean
    field are made, or fewer once no mean changes by more than the tolerance.
    """
    first = next(iter(clamped.values())).values
    view = FieldView.given(graph, clamped, len(first), first.device, first.dtype)
    means = view.start()
    if is_coupled(view):
        ascend(view, colour_masks(graph), means, sweeps, tolerance)
    return view, means


def is_coupled(view: FieldView) -> bool:
    """Whether free layers are joined to each other."""
    return any(view.couplings[name] for name in view.free)


def log_weights(view: FieldView, means: Mapping[str, Tensor]) -> Float[Tensor, " rows"]:
    """Return the log-weight of each row, free layers summed out: exactly where they are not joined.

    Else it is the lower bound of mean field with these means.
    """
    if is_coupled(view):
        return view.expected_log_weight(means) + view.entropy(means)
    total = view.constant
    for name in view.free:
        total = total + view.log_partition(name, view.field(name, means))
    return total
