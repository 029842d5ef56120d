"""Where recordings change, found without labels; penalties are chosen on people left out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.splits import Fold
from mmgraph.experiments.activities.data import LabelledRecordings
from mmgraph.experiments.activities.declaration import ChangeSettings
from mmgraph.learning.prediction.segment_figures import jackknife_error
from mmgraph.sequences.changepoints.changepoints import changepoints
from mmgraph.sequences.changepoints.penalties import (
    BoundaryScore,
    boundary_score,
    choose_penalty,
)


def boundary_figures(
    recordings: LabelledRecordings, folds: Sequence[Fold], settings: ChangeSettings
) -> dict[str, Any]:
    """Return how well boundaries of labels are found in recordings, those of no label among them.

    Each fold's penalty is the best for the recordings of the others.

    Returns
    -------
    dict
        ``f1`` with ``f1_standard_error`` (over people, by the jackknife), counts of boundaries that
        agree, were found and are true, and the ``penalties``.
    """
    width, hop = (round(s * recordings.rate) for s in (settings.window, settings.step))
    rows = [window_deviations(recordings, r, settings) for r in range(len(recordings.codes))]
    # The first row of a segment stands for the samples that its window has, and none before.
    true = [
        (np.flatnonzero(np.diff(codes)) + 1 - (width - hop) / 2) / hop for codes in recordings.codes
    ]
    tolerance = settings.tolerance * recordings.rate / hop
    least = round(settings.least * recordings.rate / hop)
    scores: dict[Any, list[BoundaryScore]] = {}
    penalties = []
    for training, test in folds:
        chosen = choose_penalty(
            [rows[r] for r in training], [true[r] for r in training], tolerance, least_length=least
        )
        penalties.append(chosen.penalty)
        for r in test:
            found = changepoints(rows[r], penalty=chosen.penalty, least_length=least)
            score = boundary_score(found.boundaries, true[r], tolerance)
            scores.setdefault(recordings.people[r], []).append(score)
    totals = [reduce(BoundaryScore.__add__, one) for one in scores.values()]
    counts = np.array([[one.agreeing, one.found, one.true] for one in totals], float)

    def f1(sums: Float64[np.ndarray, " counts"]) -> float:
        return BoundaryScore(*sums).f1

    whole = counts.sum(0)
    return {
        "f1": f1(whole),
        "f1_standard_error": jackknife_error(counts, f1),
        **dict(zip(("agreeing", "found", "true"), whole.astype(int).tolist(), strict=True)),
        "tolerance": settings.tolerance,
        "penalties": penalties,
    }


def window_deviations(
    recordings: LabelledRecordings, recording: int, settings: ChangeSettings
) -> Float64[np.ndarray, "windows channels"]:
    """Return the logarithms of each channel's deviation in windows, a floor added to it."""
    width, hop = (round(s * recordings.rate) for s in (settings.window, settings.step))
    parts = []
    for modality, floor in settings.floors.items():
        signal = recordings.signals[modality][recording].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(signal, width, axis=0)[::hop]
        parts.append(np.log(windows.std(-1) + floor))
    return np.hstack(parts)


def in_words(figures: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    return (
        f"Boundaries found without labels, within {figures['tolerance']:g} s: F1 "
        f"{figures['f1']:.3f} ± {figures['f1_standard_error']:.3f} ({figures['agreeing']} of "
        f"{figures['true']} true ones agree with {figures['found']} found), the penalty chosen on "
        "other people."
    )
