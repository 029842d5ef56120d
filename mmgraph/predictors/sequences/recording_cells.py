"""Recordings of several modalities as rows of features: one for each cell of some steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.data.groups import Groups, coded_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.sequences.window_features import WindowFeatures

Codes = Int64[np.ndarray, " cells"]
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class RecordingCells:
    """The cells of recordings, one recording after the other, with the features of each modality.

    Attributes
    ----------
    data : MultimodalData
        A row for each cell; rows belong together as the recordings did, or by recording.
    steps : ndarray of int, shape (recordings,)
        How long each recording is.
    features : WindowFeatures
        What was computed.
    channels : mapping of str to int
        Of each modality.
    """

    data: MultimodalData
    steps: Int64[np.ndarray, " recordings"]
    features: WindowFeatures
    channels: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def counts(self) -> Int64[np.ndarray, " recordings"]:
        """How many cells each recording has."""
        return -(-self.steps // self.features.stride)

    def take(self, recordings: Sequence[int] | np.ndarray) -> RecordingCells:
        """Return some of the recordings, in the order given."""
        ends = np.cumsum(self.counts)
        rows = [np.arange(ends[r] - self.counts[r], ends[r]) for r in recordings]
        index = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        chosen = np.asarray(recordings, np.int64)
        return replace(self, data=self.data.rows(index), steps=self.steps[chosen])

    def split(self, table: Shaped[np.ndarray, "cells ..."]) -> list[Any]:
        """Return what is said of all cells, by recording."""
        return np.split(table, np.cumsum(self.counts)[:-1])

    def on_steps(self, table: Shaped[np.ndarray, "cells ..."]) -> list[Any]:
        """Return what is said of all cells for each step, by recording."""
        stride = self.features.stride
        return [
            np.repeat(part, stride, axis=0)[:steps]
            for part, steps in zip(self.split(table), self.steps, strict=True)
        ]

    def labels(self, codes: Sequence[Int64[np.ndarray, " steps"]]) -> Codes:
        """Return the label in the middle of each cell."""
        middles = [self.features.middles(len(one)) for one in codes]
        return np.concatenate([one[m] for one, m in zip(codes, middles, strict=True)])


def cells_of(
    recordings: MultimodalData | Mapping[str, Sequence[object]],
    features: WindowFeatures,
    groups: object = None,
) -> RecordingCells:
    """Return the cells of recordings, whose modalities have the same steps.

    Parameters
    ----------
    recordings : mapping of str to list of array (steps, channels), or MultimodalData
        Of each modality all recordings; None is a modality that is missing, NaN a missing cell.
    features : WindowFeatures
    groups : sequence, optional
        What each recording belongs to, such as the person.

    Raises
    ------
    LearningError
        If there is no recording, one has no steps or an infinite value, or modalities of one differ
        in length (which).
    """
    if isinstance(recordings, MultimodalData):
        data = recordings
    else:
        blocks = {m: Sequences.of(m, list(rows)) for m, rows in recordings.items()}
        data = MultimodalData(blocks, origin="the recordings")
    if not len(data):
        raise LearningError("there is no recording")
    if groups is not None:
        data = replace(data, groups=coded_groups("group", groups))
    steps = _steps(data)
    tables = {
        modality: _table(block, steps, features)
        for modality, block in data.blocks.items()
        if isinstance(block, Sequences) and not block.missing.all()
    }
    counts = -(-steps // features.stride)
    places = np.repeat(np.arange(len(data)), counts)
    together = Groups("recording", places)
    if data.groups is not None:
        together = Groups(data.groups.name, data.groups.codes[places])
    rows = MultimodalData(
        {modality: Columns.of_numbers(modality, table) for modality, table in tables.items()},
        groups=together,
        origin=data.origin,
    )
    channels = {m: b.channels for m, b in data.blocks.items() if isinstance(b, Sequences)}
    return RecordingCells(rows, steps, features, {m: n for m, n in channels.items() if n})


def _table(block: Sequences, steps: np.ndarray, features: WindowFeatures) -> np.ndarray:
    """The features of a modality; NaN in recordings that lack it."""
    parts = [None if signal is None else features.of(signal) for signal in block.values]
    width = next(part.shape[1] for part in parts if part is not None)
    counts = -(-steps // features.stride)
    lacking = (np.full((count, width), np.nan) for count in counts)
    return np.concatenate([nan if p is None else p for p, nan in zip(parts, lacking, strict=True)])


def _steps(data: MultimodalData) -> Int64[np.ndarray, " recordings"]:
    """The length of each recording, which is that of all its modalities."""
    steps, first = np.zeros(len(data), np.int64), [""] * len(data)
    for modality, block in data.blocks.items():
        for number, signal in enumerate(block.values if isinstance(block, Sequences) else ()):
            if signal is None:
                continue
            if first[number] and len(signal) != steps[number]:
                raise LearningError(
                    f"recording {number} of {data.origin}: '{modality}' has {len(signal)} steps, "
                    f"'{first[number]}' {steps[number]}; all modalities have the same steps"
                )
            steps[number], first[number] = len(signal), modality
    if not steps.all():
        number = int(steps.argmin())
        raise LearningError(
            f"recording {number} of {data.origin} has no modality that is a sequence of steps"
        )
    return steps


def coded_labels(
    labels: Sequence[object], steps: Int64[np.ndarray, " recordings"]
) -> tuple[np.ndarray, list[Int64[np.ndarray, " steps"]]]:
    """Return the distinct labels, sorted, and the place among them of each step's; -1 of none.

    Parameters
    ----------
    labels : list of array (steps,)
        Of each recording; -1 (among numbers), None, NaN and "" are no label.
    steps : ndarray of int
        How long each recording is.

    Raises
    ------
    LearningError
        If labels do not fit the recordings (which), or fewer than two are distinct.
    """
    if len(labels) != len(steps):
        raise LearningError(f"there are labels of {len(labels)} recordings, where {len(steps)} are")
    arrays = [np.asarray(one) for one in labels]
    for number, (one, length) in enumerate(zip(arrays, steps, strict=True)):
        if one.shape != (length,):
            raise LearningError(
                f"the labels of recording {number} have shape {one.shape}, where it has {length} "
                "steps: one label for each"
            )
    together = np.concatenate(arrays)
    known = _labelled(together)
    classes, places = np.unique(together[known], return_inverse=True)
    if len(classes) < 2:
        raise LearningError(f"recordings have {len(classes)} distinct labels: nothing to tell")
    codes = np.full(len(together), UNLABELLED, np.int64)
    codes[known] = places
    return classes, np.split(codes, np.cumsum(steps)[:-1])


def _labelled(cells: np.ndarray) -> np.ndarray:
    if cells.dtype.kind in "iu":
        return cells != UNLABELLED
    if cells.dtype.kind == "f":
        return ~np.isnan(cells) & (cells != UNLABELLED)
    texts: Collection[object] = cells.tolist()
    return np.array([c is not None and c == c and c != "" for c in texts], bool)
