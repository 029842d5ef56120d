"""Some of the training rows: of each class its part, or whole groups."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from mmgraph.data.multimodal_data import MultimodalData

SHARES = (0.01, 0.05, 0.2)
"""Beside all rows, which is the plain condition."""


_LEAST_OF_A_CLASS = 2


def few_labels(data: MultimodalData, share: float, seed: int) -> Int64[np.ndarray, " rows"]:
    """Return the places of so many rows, in ascending order.

    Each class has its part, at least two rows (of fewer there are no folds within); where there are
    groups, whole ones are taken by lot until the share is reached, and a class may be absent. The
    rows of a smaller share are among those of a larger one.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(data))
    if data.groups is None:
        chosen = []
        for code in np.unique(data.codes):
            rows = order[data.codes[order] == code]
            chosen.append(rows[: max(_LEAST_OF_A_CLASS, round(share * len(rows)))])
        return np.sort(np.concatenate(chosen))
    groups, sizes = np.unique(data.groups.codes, return_counts=True)
    drawn = random.permutation(len(groups))
    reached = np.cumsum(sizes[drawn]) - sizes[drawn]
    taken = groups[drawn[reached < share * len(data)]]
    return np.flatnonzero(np.isin(data.groups.codes, taken))
