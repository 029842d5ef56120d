"""Home activities (HTAD): sound and wrist movement of seven activities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.readers.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

_PREFIXES = {"sound": "v1_", "movement": "v2_"}
_BLOCKS = (0, 466, 932)
"""The first row of each block. Within a block the seven activities follow one another."""


@dataclass(frozen=True, eq=False)
class HomeActivities:
    """The home activities data set.

    Attributes
    ----------
    frame : pandas.DataFrame
        1,386 rows: the activity and 52 features, no missing cells.
    features : dict of str to tuple of str
        Columns of each modality: 36 of ``"sound"``, 16 of ``"movement"``.
    groups : dict of str to array of int, shape (1386,)
        ``"block"``: rows are in the order in which they were recorded, in three blocks of all
        seven activities each. Neighbouring rows resemble each other, so that a random split has
        nearly the same row on both sides; leave a block out to see how a model does on a new
        recording.
    target : str
        Column of the activity.
    """

    frame: pd.DataFrame
    features: dict[str, tuple[str, ...]]
    groups: dict[str, NDArray[np.int64]]
    target: str = "class"


def load() -> HomeActivities:
    """Load the home activities data set."""
    frame = read_table("home_activities", "htad.csv")
    features = {
        modality: tuple(column for column in frame.columns if column.startswith(prefix))
        for modality, prefix in _PREFIXES.items()
    }
    block = np.searchsorted(_BLOCKS, np.arange(len(frame)), side="right").astype(np.int64) - 1
    return HomeActivities(frame, features, {"block": block})
