"""Whether layers of units have a distribution at all: what is found of them is finite only then."""

from __future__ import annotations

from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.field.view import FieldView


def check_finite(view: FieldView, what: str, numbers: Tensor) -> None:
    """Raise MmgraphError if numbers are not finite, as those of a graph without a distribution.

    Two free real-valued layers that are joined have one only if their precisions outweigh the
    weights.
    """
    if bool(numbers.isfinite().all()):
        return
    pairs = (
        f.scope
        for couplings in view.couplings.values()
        for f in couplings
        if len(f.scope) == 2 and not any(v.is_discrete for v in f.scope)
    )
    names = next((f"'{a.name}' and '{b.name}'" for a, b in pairs), None)
    why = (
        "the parameters are too large"
        if names is None
        else f"the weights between {names}, whose units are not bounded, may be too large for them "
        "to have a distribution"
    )
    raise MmgraphError(f"{what} is not finite: {why}")
