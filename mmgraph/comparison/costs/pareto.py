"""Which of several models no other beats in everything."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from mmgraph.graph.errors import MmgraphError


def pareto_front(
    criteria: Float[np.ndarray, "models criteria"],
) -> Bool[np.ndarray, " models"]:
    """Return which models no other is as good as in every criterion and better in one.

    Parameters
    ----------
    criteria : ndarray, shape (models, criteria)
        Of which less is better, such as log-loss and seconds; accuracy with its sign changed.

    Raises
    ------
    MmgraphError
        If they are no table, or one is not a number (which).
    """
    table = np.asarray(criteria, np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise MmgraphError(f"a front is of a table of models by criteria, not {table.shape}")
    if np.isnan(table).any():
        model, column = np.argwhere(np.isnan(table))[0]
        raise MmgraphError(f"criterion {column} of model {model} is not a number")
    no_worse = (table[:, None] <= table).all(2)
    better = (table[:, None] < table).any(2)
    return ~np.asarray((no_worse & better).any(0))
