"""A soft alignment, the hard pairs that it comes to, and its picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.plots.figures import save

if TYPE_CHECKING:
    import pandas

NO_MATCH = "no match"
"""The name of the row and the column that say how probably an item has no partner."""
_MOST_DRAWN = 200


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which rows of one side belong to which of the other.

    Attributes
    ----------
    method : str
        ``"assignment"``, ``"em"``, ``"dtw"`` or ``"attention"``.
    probabilities : ndarray, shape (rows, columns)
        How probably each row belongs to each column.
    pairs : ndarray of int, shape (pairs, 2)
        Row and column of each hard match.
    score : float
        What the method makes large: scores of pairs, minus the cost of a path, a log-likelihood.
    unmatched_rows, unmatched_columns : ndarray, shape (rows,) and (columns,), or None
        How probably each has no partner; None where all have one.
    converged : bool
    iterations : int
        Zero where the method does not iterate.
    temperature : float, optional
        What scores were divided by.
    row_names, column_names : tuple
        Their numbers where there are no names.
    """

    method: str
    probabilities: Float64[np.ndarray, "rows columns"]
    pairs: Int64[np.ndarray, "pairs 2"]
    score: float
    unmatched_rows: Float64[np.ndarray, "rows"] | None = None
    unmatched_columns: Float64[np.ndarray, "columns"] | None = None
    converged: bool = True
    iterations: int = 0
    temperature: float | None = None
    row_names: tuple[object, ...] = ()
    column_names: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        rows, columns = self.probabilities.shape
        for field, count in (("row_names", rows), ("column_names", columns)):
            names = tuple(getattr(self, field)) or tuple(range(count))
            if len(names) != count:
                raise MmgraphError(f"{field} has {len(names)} names, and there are {count} items")
            object.__setattr__(self, field, names)

    def to_frame(self) -> pandas.DataFrame:
        """Return the probabilities as a data frame, with a row and a column ``"no match"``.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("retrieval", "pandas", "a data frame"):
            import pandas
        matrix, *names = self._whole()
        index, columns = (pandas.Index(some, tupleize_cols=False) for some in names)
        return pandas.DataFrame(matrix, index, columns)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write the matrix as a picture (PNG, SVG or PDF), the best column of each row framed.

        Raises
        ------
        MmgraphError
            If there are more than 200 rows or columns.
        FormatError
            If the ending is another, or the place cannot be written.
        """
        from mmgraph.plots.retrieval.alignment_matrix import alignment_matrix

        rows, columns = self.probabilities.shape
        if max(rows, columns) > _MOST_DRAWN:
            raise MmgraphError(
                f"{rows:,} × {columns:,} cells are too many for a picture, which shows at most "
                f"{_MOST_DRAWN} rows and columns; to_frame() has all"
            )
        save(alignment_matrix(*self._whole()), path)

    def _whole(self) -> tuple[Float64[np.ndarray, "rows columns"], list[object], list[object]]:
        """Return the matrix with what has no match, and the names of its rows and columns."""
        matrix, rows, columns = self.probabilities, [*self.row_names], [*self.column_names]
        if self.unmatched_rows is not None:
            matrix = np.column_stack([matrix, self.unmatched_rows])
            columns.append(NO_MATCH)
        if self.unmatched_columns is not None:
            corner = np.zeros(matrix.shape[1] - len(self.unmatched_columns))
            matrix = np.vstack([matrix, np.append(self.unmatched_columns, corner)])
            rows.append(NO_MATCH)
        return matrix, rows, columns
