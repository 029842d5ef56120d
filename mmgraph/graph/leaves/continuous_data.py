"""Reading what a continuous leaf is given: rows of values, parent codes, responsibilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    UnknownStateError,
    UnknownVariableError,
    suggestion,
)
from mmgraph.graph.variable import Variable


def rows_of(child: Variable, values: Tensor) -> Float[Tensor, "rows features"]:
    """Return values ``(rows, *shape)`` of a variable with an axis of features; NaN is missing."""
    tensor = torch.as_tensor(values)
    tensor = tensor if tensor.is_floating_point() else tensor.double()
    if not tensor.ndim or tuple(tensor.shape[1:]) != child.shape:
        raise EvidenceError(
            f"values of '{child.name}' have shape {tuple(tensor.shape)}, "
            f"not (rows, {', '.join(map(str, child.shape))})"
        )
    rows = tensor.reshape(len(tensor), child.size)
    infinite = rows.detach().isinf()
    if bool(infinite.any()):
        row, feature = (int(i) for i in infinite.nonzero()[0])
        raise EvidenceError(f"'{child.name}' is infinite in row {row}, feature {feature}")
    return rows


def row_count(parents: Sequence[Variable], values: Mapping[str, Tensor]) -> int:
    """Return how many rows there are for parents, at most; 1 where none of them has any."""
    return max((len(values[v.name]) for v in parents if v.name in values), default=1)


def state_indices(
    parents: Sequence[Variable], codes: Mapping[str, Tensor], rows: int
) -> Int64[Tensor, " rows"]:
    """Number the combination of parent states of each row, in the order of a table's cells."""
    index = torch.zeros(rows, dtype=torch.int64)
    for v in parents:
        if v.name not in codes:
            raise UnknownVariableError(
                f"the state of the parent '{v.name}' is needed{suggestion(v.name, codes)}"
            )
        code = torch.as_tensor(codes[v.name])
        if code.shape not in ((rows,), (1,)):
            raise EvidenceError(
                f"codes of '{v.name}' have shape {tuple(code.shape)}, not {(rows,)}"
            )
        outside = (code < 0) | (code >= v.cardinality)
        if bool(outside.any()):
            row = int(outside.nonzero()[0])
            raise UnknownStateError(
                f"'{v.name}' has {v.cardinality} states; code {int(code[row])} in row {row} "
                "is not one of them"
            )
        index = index.to(code.device) * v.cardinality + code.long()
    return index


def flat_responsibilities(
    child: Variable,
    parents: Sequence[Variable],
    responsibilities: Tensor | Mapping[str, Tensor],
    rows: int,
) -> Float[Tensor, "rows states"]:
    """Return responsibilities with one axis of parent states, from tables or from known codes."""
    shape = tuple(v.cardinality for v in parents)
    if isinstance(responsibilities, Mapping):
        states = state_indices(parents, responsibilities, rows)
        return torch.nn.functional.one_hot(states, math.prod(shape)).double()
    if tuple(responsibilities.shape) != (rows, *shape):
        raise LearningError(
            f"responsibilities for '{child.name}' have shape {tuple(responsibilities.shape)}, "
            f"not {(rows, *shape)}"
        )
    flat = responsibilities.detach().reshape(rows, -1)
    bad = ~((flat >= 0) & (flat < math.inf))
    if bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise LearningError(
            f"a responsibility for '{child.name}' in row {row} is negative or not finite"
        )
    return flat
