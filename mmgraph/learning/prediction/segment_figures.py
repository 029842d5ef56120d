"""How well labels of steps tell segments: stretches of one label, with their begin and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import LearningError

Labels = Int64[np.ndarray, " steps"]


class SegmentCounts(NamedTuple):
    """Segments that are found, and those that are there.

    Attributes
    ----------
    matched : int
        True segments that a predicted one of their label overlaps enough; each matches one alone.
    predicted, true : int
        How many there are.
    """

    matched: int
    predicted: int
    true: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 where there are no segments at all."""
        total = self.predicted + self.true
        return 2 * self.matched / total if total else 1.0


def runs(labels: Labels) -> tuple[Labels, Labels, Labels]:
    """Return the first step, the one after the last, and the label of each segment.

    Steps with a label below zero are in no segment.
    """
    labels = np.asarray(labels)
    bounds = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1, append=labels[-1:] - 1))
    begins, ends = bounds[:-1], bounds[1:]
    labelled = labels[begins] >= 0
    return begins[labelled], ends[labelled], labels[begins][labelled]


def count_segments(true: Labels, predicted: Labels, overlap: float = 0.5) -> SegmentCounts:
    """Return how many segments of a recording are found.

    A predicted segment matches the true one of its label with which its intersection over union is
    largest, if that is at least ``overlap`` and the true one is not matched yet (Lea et al. 2017,
    "Temporal convolutional networks for action segmentation and detection", section 4.1). Steps
    whose true label is below zero do not count: they part segments on both sides.

    Raises
    ------
    LearningError
        If the labels differ in number.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.shape != predicted.shape:
        raise LearningError(f"{len(predicted)} predicted labels, where there are {len(true)} true")
    begins, ends, labels = runs(true)
    found = runs(np.where(true >= 0, predicted, -1))
    free = np.ones(len(begins), bool)
    for begin, end, label in zip(*found, strict=True):
        shared = np.minimum(ends, end) - np.maximum(begins, begin)
        whole = np.maximum(ends, end) - np.minimum(begins, begin)
        ratio = np.where((labels == label) & free, shared / whole, 0.0)
        if len(ratio) and ratio.max() >= overlap:
            free[ratio.argmax()] = False
    return SegmentCounts(int((~free).sum()), len(found[0]), len(begins))


def macro_f1(
    confusion: Float64[np.ndarray, "true predicted"], classes: Sequence[int] | None = None
) -> float:
    """Return the mean F1 of classes (by default of all that are there) from counts of steps."""
    hits = np.diag(confusion)
    total = confusion.sum(0) + confusion.sum(1)
    asked = np.flatnonzero(confusion.sum(1)) if classes is None else np.asarray(classes)
    return float((2 * hits[asked] / np.maximum(total[asked], 1)).mean())


def jackknife_error(
    counts: Float64[np.ndarray, "groups ..."], figure: Callable[[np.ndarray], float]
) -> float | None:
    """Return the standard error of a figure of summed counts, leaving out one group at a time.

    (Efron and Tibshirani 1993, "An introduction to the bootstrap", equation 11.5.) Of fewer than
    two groups there is none.
    """
    groups = len(counts)
    if groups < 2:
        return None
    total = counts.sum(0)
    without = np.array([figure(total - one) for one in counts])
    return float(np.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum()))
