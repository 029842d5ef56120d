"""Hidden layers given rows: their means by mean field, and the weights of the rows without them."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import ascend
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import colour_masks


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
        total = total + view.log_partition(name, means)
    return total
