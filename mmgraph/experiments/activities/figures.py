"""Figures of labelled recordings, with their noise over people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.learning.prediction.noise import figures_with_noise, standard_error
from mmgraph.learning.prediction.segment_figures import (
    SegmentCounts,
    count_segments,
    jackknife_error,
    macro_f1,
)

Table = Float64[np.ndarray, "cells classes"]


def step_figures(
    tables: Sequence[Table],
    truths: Sequence[Int64[np.ndarray, " cells"]],
    people: Int64[np.ndarray, " recordings"],
    transitions: Sequence[int],
) -> dict[str, Any]:
    """Return the figures of the cells of recordings, and of their segments.

    Parameters
    ----------
    tables : list of array (cells, classes)
        The probabilities of each recording's cells.
    truths : list of array of int (cells,)
        Their labels; those below zero do not count.
    people : ndarray of int
        The person of each recording, over whom standard errors are.
    transitions : sequence of int
        Classes with a mean F1 of their own.

    Returns
    -------
    dict
        As :func:`figures_with_noise`; ``macro_f1``, ``transitions_f1`` and ``segment_f1`` (at an
        overlap of a half), each with ``_standard_error`` by the jackknife.
    """
    classes = tables[0].shape[1]
    known = [truth >= 0 for truth in truths]
    table = np.concatenate([t[k] for t, k in zip(tables, known, strict=True)])
    labels = np.concatenate([t[k] for t, k in zip(truths, known, strict=True)])
    groups = np.repeat(people, [k.sum() for k in known])
    figures: dict[str, Any] = dict(figures_with_noise(table, labels, groups))
    persons, place = np.unique(people, return_inverse=True)
    confusion = np.zeros((len(persons), classes, classes))
    segments = np.zeros((len(persons), 3))
    for one, truth, k, person in zip(tables, truths, known, place, strict=True):
        predicted = one.argmax(1)
        np.add.at(confusion[person], (truth[k], predicted[k]), 1)
        segments[person] += count_segments(truth, predicted)
    asked = {
        "macro_f1": (confusion, macro_f1),
        "segment_f1": (segments, lambda counts: SegmentCounts(*counts).f1),
    }
    if transitions:
        asked["transitions_f1"] = (confusion, lambda counts: macro_f1(counts, transitions))
    for name, (counts, figure) in asked.items():
        figures[name] = figure(counts.sum(0))
        figures[f"{name}_standard_error"] = jackknife_error(counts, figure)
    return figures


def recording_figures(
    tables: Sequence[Table],
    truths: Sequence[Int64[np.ndarray, " cells"]],
    people: Int64[np.ndarray, " recordings"],
) -> dict[str, Any]:
    """Return the figures of recordings that have one label each, by their mean probabilities."""
    means = np.stack([table.mean(0) for table in tables])
    labels = np.array([truth[0] for truth in truths])
    right = (means.argmax(1) == labels).astype(float)
    error = standard_error(right, people)
    cells = figures_with_noise(
        np.concatenate(tables), np.concatenate(truths), np.repeat(people, [len(t) for t in tables])
    )
    return {
        "recording_accuracy": float(right.mean()),
        "recording_accuracy_standard_error": error,
        **cells,
    }
