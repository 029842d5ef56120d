"""False alarms against delay: how a threshold trades one for the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError
from mmgraph.sequences.events.detection import EventProbabilities


@dataclass(frozen=True, eq=False)
class DetectionCurve:
    """What each threshold comes to, from the lowest on.

    Attributes
    ----------
    thresholds : ndarray, shape (thresholds,)
    false_alarms : ndarray, shape (thresholds,)
        An hour: events noticed while there was none.
    found : ndarray, shape (thresholds,)
        The share of true events that were noticed.
    delays : ndarray, shape (thresholds,)
        The median time from the beginning of those to when they were noticed, in seconds; NaN
        where none was.
    """

    thresholds: Float64[np.ndarray, " thresholds"]
    false_alarms: Float64[np.ndarray, " thresholds"]
    found: Float64[np.ndarray, " thresholds"]
    delays: Float64[np.ndarray, " thresholds"]

    def columns(self) -> dict[str, list[Any]]:
        """Return it as columns of a table."""
        return {
            "threshold": self.thresholds.tolist(),
            "false_alarms_an_hour": self.false_alarms.tolist(),
            "found": self.found.tolist(),
            "median_delay": [None if np.isnan(d) else float(d) for d in self.delays],
        }


def detection_curve(
    recordings: Sequence[EventProbabilities],
    truth: Sequence[Any],
    thresholds: Sequence[float] | None = None,
    tolerance: float = 0.0,
) -> DetectionCurve:
    """Compare what is noticed with true events, under many thresholds.

    An event is noticed right if that is between the beginning and the end of a true one; of several
    in one true event the first counts, and the others are no false alarms.

    Parameters
    ----------
    recordings : sequence of EventProbabilities
        Of one rule.
    truth : sequence of array-like, shape (events, 2)
        The true events of each recording: begin and end in seconds.
    thresholds : sequence of float, optional
        By default 19 from .05 to .95.
    tolerance : float
        Seconds by which a true event is longer at both sides.

    Raises
    ------
    EvidenceError
        If the lists differ in length, or an event ends before it begins.
    """
    tried = np.arange(1, 20) / 20 if thresholds is None else np.sort(np.asarray(thresholds, float))
    if len(recordings) != len(truth) or not len(truth):
        raise EvidenceError(f"{len(recordings)} recordings have {len(truth)} lists of true events")
    spans = [np.asarray(events, np.float64).reshape(-1, 2) for events in truth]
    for events in spans:
        if not (events[:, 0] <= events[:, 1]).all():
            row = int(np.argmin(events[:, 0] <= events[:, 1]))
            raise EvidenceError(
                f"the true event {row} begins at {events[row, 0]:g} s, after it ends"
            )
    rows = [_at(float(threshold), recordings, spans, tolerance) for threshold in tried]
    false_alarms, found, delays = np.array(rows).T
    return DetectionCurve(tried, false_alarms, found, delays)


def _at(
    threshold: float,
    recordings: Sequence[EventProbabilities],
    spans: Sequence[Float64[np.ndarray, "events 2"]],
    tolerance: float,
) -> tuple[float, float, float]:
    """Return the false alarms an hour, the share found and the median delay."""
    false, delays = 0, []
    for one, events in zip(recordings, spans, strict=True):
        noticed = np.array([event.noticed for event in one.events(threshold)])[:, None]
        inside = (noticed >= events[:, 0] - tolerance) & (noticed <= events[:, 1] + tolerance)
        false += int((~inside.any(1)).sum())
        first = np.where(inside, noticed, np.inf).min(0, initial=np.inf) - events[:, 0]
        delays += first[np.isfinite(first)].tolist()
    true = sum(map(len, spans))
    return (
        false / sum(one.hours for one in recordings),
        len(delays) / true if true else np.nan,
        float(np.median(delays)) if delays else np.nan,
    )
