"""Variables that all rows share: parameters."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.value_evidence import place_of
from mmgraph.graph.variable import Variable


def check_shared(graph: FactorGraph, shared: Sequence[str]) -> tuple[str, ...]:
    """Return the names of variables that rows share, each of which the graph must have."""
    names = (shared,) if isinstance(shared, str) else tuple(shared)
    return tuple(graph.variable(name).name for name in names)


def shared_value(
    variable: Variable, values: Float[Tensor, "rows *shape"]
) -> Float[Tensor, "1 *shape"]:
    """Return what the rows have observed of a shared variable, NaN where none has.

    Raises EvidenceError if two rows have observed different values.
    """
    observed = ~values.isnan()
    first = observed.int().argmax(0, keepdim=True)
    value = values.gather(0, first)
    differs = observed & (values != value)
    if bool(differs.any()):
        row, *element = differs.nonzero()[0].tolist()
        before = [int(first[(0, *element)]), *element]
        one, other = (float(values[tuple(index)]) for index in (before, [row, *element]))
        raise EvidenceError(
            f"'{variable.name}' is shared by the rows, and observed at several values: {one!r} in "
            f"{place_of(variable, before)}, {other!r} in {place_of(variable, [row, *element])}"
        )
    return value
