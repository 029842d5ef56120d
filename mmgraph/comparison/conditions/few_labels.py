"""Some of the training rows: of each class its part, of all groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from mmgraph.data.multimodal_data import MultimodalData

SHARES = (0.01, 0.05, 0.2)
"""Those that are asked for, beside all rows, which is the plain condition."""
_LEAST_OF_A_CLASS = 2
"""Of fewer no model could hold rows out, to be calibrated by."""


class FewLabels(NamedTuple):
    """A share of the training rows of each fold.

    Attributes
    ----------
    share : float
        The one reached over all folds, to four decimals; two rows of each class may be more than
        was asked for.
    rows : list of ndarray
        By fold, places in the data.
    """

    share: float
    rows: list[Int64[np.ndarray, " rows"]]


def few_labels(data: MultimodalData, share: float, seed: int) -> Int64[np.ndarray, " rows"]:
    """Return the places of so many rows, in ascending order.

    Each class has its part, at least two rows, by lot from all groups: labels are few then, not the
    people. The rows of a smaller share are among those of a larger one.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    chosen = []
    for code in np.unique(data.codes):
        rows = order[data.codes[order] == code]
        chosen.append(rows[: max(_LEAST_OF_A_CLASS, round(share * len(rows)))])
    return np.sort(np.concatenate(chosen))


def shares_reached(
    data: MultimodalData, trainings: Sequence[Int64[np.ndarray, " training"]], seed: int
) -> list[FewLabels]:
    """Return the few rows of the training rows of each fold; of shares that come to one, one."""
    total = sum(map(len, trainings))
    reached: dict[float, FewLabels] = {}
    for share in SHARES:
        few = [training[few_labels(data.rows(training), share, seed)] for training in trainings]
        level = round(sum(map(len, few)) / total, 4)
        reached.setdefault(level, FewLabels(level, few))
    return [few for level, few in reached.items() if level < 1]
