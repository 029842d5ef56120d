"""Dask data frames as tables, of which one partition at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmgraph.data.table import Table, column_labels


class PartitionedTable(Table):
    """A Dask data frame, computed partition by partition where it is read.

    Attributes
    ----------
    labels : dict of str to label
        What the frame calls its columns.
    """

    origin = "the Dask data frame"
    in_memory = False

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.labels = column_labels(frame, self.origin)
        self.columns = tuple(self.labels)

    def has_all_categories(self, column: str) -> bool:
        """As :meth:`Table.has_all_categories`: where Dask knows them."""
        series = self._frame[self.labels[column]]
        return hasattr(series.dtype, "categories") and bool(series.cat.known)

    def partitions(self) -> list[Any]:
        """Return the selected columns of each partition, frames that are yet to compute."""
        partitions: list[Any] = self._frame[[self.labels[c] for c in self.columns]].to_delayed()
        return partitions

    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        """As :meth:`Table.chunks`; none reaches across partitions."""
        for partition in self.partitions():
            frame = partition.compute()
            for start in range(0, len(frame), rows):
                some = frame.iloc[start : start + rows]
                yield {name: some[self.labels[name]] for name in self.columns}
