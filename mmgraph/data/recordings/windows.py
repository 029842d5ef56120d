"""Recordings cut into windows, and what is said of these said of the recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.data.groups import Groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of recordings, as rows.

    Attributes
    ----------
    data : MultimodalData
        A row for each window. Its name is ``RECORDING/WINDOW``, both counted from 0 where
        recordings have no names; rows belong together as the recordings did, or by recording.
    recordings : ndarray of int, shape (rows,)
        The recording of each window.
    """

    data: MultimodalData
    recordings: Int64[np.ndarray, " rows"]

    def pooled(
        self, probabilities: Float64[np.ndarray, "rows classes"]
    ) -> Float64[np.ndarray, "recordings classes"]:
        """Return the probabilities of each recording that has windows, in ascending order.

        They are in proportion to the geometric mean over its windows, whose errors are alike: a
        product would count one witness as many.

        Parameters
        ----------
        probabilities : ndarray, shape (rows, classes)
        """
        return pooled_windows(probabilities, self.recordings)


def pooled_windows(
    probabilities: Float64[np.ndarray, "rows classes"], recordings: Int64[np.ndarray, " rows"]
) -> Float64[np.ndarray, "recordings classes"]:
    """Return :meth:`Windows.pooled` of any windows whose recordings are known."""
    floor = np.finfo(np.float64).tiny
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), floor))
    _, place, sizes = np.unique(recordings, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), logs.shape[1]))
    np.add.at(means, place, logs)
    means /= sizes[:, None]
    means = np.exp(means - means.max(1, keepdims=True))
    pooled: Float64[np.ndarray, "recordings classes"] = means / means.sum(1, keepdims=True)
    return pooled


def recordings_of(data: MultimodalData) -> Int64[np.ndarray, " rows"] | None:
    """Return the recording of each row, where rows are windows as :func:`windows` makes them.

    They are where rows have groups and names ``RECORDING/WINDOW``, the windows of a recording stand
    together, counted from 0, and are of one group and class. Else there are none.
    """
    if data.row_names is None or data.groups is None:
        return None
    parts = [str(name).rpartition("/") for name in data.row_names]
    names = np.array([recording for recording, _, _ in parts])
    begins = np.r_[True, names[1:] != names[:-1]]
    recordings = np.cumsum(begins) - 1
    number = np.arange(len(names)) - np.flatnonzero(begins)[recordings]
    counted = [window == str(n) for (_, _, window), n in zip(parts, number, strict=True)]
    apart = [data.groups.codes, *(() if data.outcome is None else (data.outcome.labels,))]
    alike = all((column == column[begins][recordings]).all() for column in apart)
    is_whole = begins.sum() == len(set(names.tolist())) < len(names)
    return recordings if all(counted) and alike and is_whole else None


def windows(data: MultimodalData, length: int, step: int | None = None) -> Windows:
    """Return the windows of recordings that have sequences of the same steps in each modality.

    Windows begin at every ``step`` from the first, as long as they are whole; of a recording that
    is shorter than one window, all of it is one. Modalities that are no sequences are the same in
    all windows of a recording.

    Parameters
    ----------
    data : MultimodalData
        A row for each recording.
    length : int
        How many steps a window has.
    step : int, optional
        From the beginning of one window to that of the next; by default windows do not overlap.

    Raises
    ------
    LearningError
        If no modality is of sequences, those of a recording differ in length (which), or length or
        step is below one.

    Examples
    --------
    >>> walk = MultimodalData.of({"wrist": [[[1.0], [2.0], [3.0], [4.0]], [[5.0]]]}, ["a", "b"])
    >>> cut = windows(walk, 2, 1)
    >>> cut.data.row_names.tolist()
    ['0/0', '0/1', '0/2', '1/0']
    >>> cut.data.blocks["wrist"].values[1].ravel().tolist()
    [2.0, 3.0]
    """
    step = length if step is None else step
    if min(length, step) < 1:
        raise LearningError(f"windows of {length} steps at every {step} steps cannot be cut")
    lengths = _lengths(data)
    counts = np.maximum((lengths - length) // step, 0) + 1
    recordings = np.repeat(np.arange(len(data)), counts)
    number = np.arange(len(recordings)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = data.rows(recordings)
    blocks = {
        modality: replace(
            block,
            values=tuple(
                None if values is None else values[start : start + length]
                for values, start in zip(block.values, number * step, strict=True)
            ),
        )
        if isinstance(block, Sequences)
        else block
        for modality, block in rows.blocks.items()
    }
    names = recordings if rows.row_names is None else rows.row_names
    cut = replace(
        rows,
        blocks=blocks,
        groups=rows.groups or Groups("recording", recordings),
        row_names=np.array([f"{n}/{w}" for n, w in zip(names, number, strict=True)]),
    )
    return Windows(cut, recordings)


def _lengths(data: MultimodalData) -> Int64[np.ndarray, " rows"]:
    """The length of each recording, which all its sequences have; 0 where it has none."""
    blocks = {m: block for m, block in data.blocks.items() if isinstance(block, Sequences)}
    if not blocks:
        raise LearningError(f"{data.origin} have no modality of sequences to cut into windows")
    longest = np.zeros(len(data), np.int64)
    for modality, block in blocks.items():
        lengths = np.array([0 if v is None else len(v) for v in block.values], np.int64)
        wrong = (lengths != longest) & (lengths > 0) & (longest > 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise LearningError(
                f"row {row} of {data.origin}: '{modality}' has {lengths[row]} steps, another "
                f"modality {longest[row]}; windows need the same steps"
            )
        longest = np.maximum(longest, lengths)
    return longest
