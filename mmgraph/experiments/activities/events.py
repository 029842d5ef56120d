"""Events by rules over actions as they are recognised, with the curve of alarms against delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from mmgraph.experiments.activities.data import LabelledRecordings
from mmgraph.experiments.activities.declaration import EventSettings
from mmgraph.learning.prediction.segment_figures import runs
from mmgraph.sequences.events.actions import Actions
from mmgraph.sequences.events.detection import event_probabilities
from mmgraph.sequences.events.detection_curve import DetectionCurve, detection_curve


def event_curves(
    recordings: LabelledRecordings,
    tables: Sequence[tuple[int, Float64[np.ndarray, "cells labels"]]],
    settings: EventSettings,
    seconds: float,
    lag: float,
) -> dict[str, DetectionCurve]:
    """Return the curve of each event, over all recordings that were answered.

    Parameters
    ----------
    tables : list of (int, ndarray)
        Recordings, and the probabilities of their cells.
    seconds : float
        From a cell to the next one.
    lag : float
        How many seconds after its first step a cell is answered: alarms are as late.
    """
    rules = settings.rules()
    told = []
    for _, table in tables:
        times = np.arange(len(table)) * seconds + lag
        told.append(event_probabilities(rules, Actions(times, recordings.labels, table)))
    return {
        name: detection_curve(
            [one[name] for one in told],
            [true_events(recordings, r, labels) for r, _ in tables],
            tolerance=settings.tolerance,
        )
        for name, labels in settings.true.items()
    }


def true_events(
    recordings: LabelledRecordings, recording: int, labels: Sequence[str]
) -> Float64[np.ndarray, "events 2"]:
    """Return where stretches with one of some labels begin and end, in seconds."""
    begins, ends, codes = runs(recordings.codes[recording])
    wanted = np.isin(codes, [recordings.labels.index(label) for label in labels])
    return np.stack([begins[wanted], ends[wanted]], axis=1) / recordings.rate


def in_words(curves: Mapping[str, DetectionCurve], lag: float) -> list[str]:
    """Return what thresholds come to, a sentence for each event."""
    sentences = []
    for name, curve in curves.items():
        points = []
        for threshold in (0.2, 0.5, 0.9):
            k = int(np.abs(curve.thresholds - threshold).argmin())
            points.append(
                f"{curve.found[k]:.1%} noticed {curve.delays[k]:.1f} s after they began, "
                f"{curve.false_alarms[k]:.2f} false alarms an hour ({threshold:g})"
            )
        sentences.append(f"Event '{name}', at a lag of {lag:g} s (threshold): {'; '.join(points)}.")
    return sentences
