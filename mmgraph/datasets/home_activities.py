"""Home activities (HTAD): sound and wrist movement of seven activities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmgraph.datasets.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

_PREFIXES = {"sound": "v1_", "movement": "v2_"}


@dataclass(frozen=True, eq=False)
class HomeActivities:
    """The home activities data set.

    Attributes
    ----------
    frame : pandas.DataFrame
        1,386 rows: the activity and 52 features, no missing cells.
    features : dict of str to tuple of str
        Columns of each modality: 36 of ``"sound"``, 16 of ``"movement"``.
    target : str
        Column of the activity.
    """

    frame: pd.DataFrame
    features: dict[str, tuple[str, ...]]
    target: str = "class"


def load() -> HomeActivities:
    """Load the home activities data set.

    Returns
    -------
    HomeActivities
        The table and the columns of each modality.
    """
    frame = read_table("home_activities", "htad.csv")
    features = {
        modality: tuple(column for column in frame.columns if column.startswith(prefix))
        for modality, prefix in _PREFIXES.items()
    }
    return HomeActivities(frame, features)
