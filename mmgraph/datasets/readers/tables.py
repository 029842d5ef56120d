"""Reading a data set's CSV file with pandas, imported only then."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mmgraph.datasets.entries import read_member
from mmgraph.graph.errors import needs

if TYPE_CHECKING:
    import pandas as pd


def read_table(name: str, member: str) -> pd.DataFrame:
    """Read one CSV file of a data set."""
    with needs("data", "pandas", "reading a table"):
        import pandas as pd
    return pd.read_csv(io.BytesIO(read_member(name, member)))
