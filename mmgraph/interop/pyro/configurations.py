"""All configurations of the discrete variables of a factor, beside rows of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from mmgraph.graph.variable import Variable


def configurations(
    scope: Sequence[Variable], values: Mapping[str, Shaped[Tensor, "rows *shape"]], rows: int
) -> tuple[dict[str, Shaped[Tensor, "rows_and_configurations *shape"]], tuple[int, ...]]:
    """Return values and codes of every row with every configuration, and the numbers of states.

    The configurations of a row follow one another, and the last variable varies fastest.
    """
    states = tuple(v.cardinality for v in scope if v.is_discrete)
    count = math.prod(states)
    spread = {
        v.name: values[v.name] if count == 1 else values[v.name].repeat_interleave(count, 0)
        for v in scope
        if not v.is_discrete
    }
    discrete = [v.name for v in scope if v.is_discrete]
    cells = torch.cartesian_prod(*map(torch.arange, states)).reshape(count, -1) if states else None
    for i, name in enumerate(discrete):
        assert cells is not None
        spread[name] = cells[:, i].repeat(rows)
    return spread, states
