"""What is asked of a search in a fold, as columns of figures by query, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from mmgraph.retrieval.measures.calibration import MatchCalibration, match_figures
from mmgraph.retrieval.measures.intervals import mean_intervals
from mmgraph.retrieval.measures.ranking import (
    average_precisions,
    chance_figures,
    ranks_against_ties,
)

Columns = dict[str, np.ndarray]
"""Figures of each query, by name; ``group`` is what is drawn whole when intervals are made, and
``category`` the number of its category, if it has one."""
Questions = dict[str, Columns]

CATEGORY = "category"
_GROUP, _CHANCE, _BETWEEN = "group", "_by_chance", "|"
_AT = (1, 10)
_MEASURED = ("recall_at_1", "recall_at_10", "average_precision", "overlap",
             "gain_over_picture", "gain_over_words")  # fmt: skip
"""Figures that have intervals."""
_FEWEST_GROUPS = 10
"""With fewer, intervals would be too narrow, and there are none."""


def found(
    scores: Float[np.ndarray, "queries items"],
    matches: Bool[np.ndarray, "queries items"],
    groups: Int64[np.ndarray, " queries"],
    calibration: MatchCalibration | None = None,
) -> Columns:
    """Return whether queries find a right item first, or among ten; ties against.

    Of a calibration come the log-loss and the calibration error of its probabilities.
    """
    ranks, chance = ranks_against_ties(scores, matches), chance_figures(matches, _AT)
    columns: Columns = {_GROUP: groups}
    for k in _AT:
        columns[f"recall_at_{k}"] = (ranks <= k).astype(np.float64)
        columns[f"recall_at_{k}{_CHANCE}"] = np.full(len(ranks), chance[f"recall_at_{k}"])
    if calibration is not None:
        probabilities = calibration.probabilities(scores, scores.shape[1])
        for name, value in match_figures(probabilities, matches).items():
            columns[name] = np.full(len(ranks), value)
    return columns


def precise(
    scores: Float[np.ndarray, "queries items"], matches: Bool[np.ndarray, "queries items"]
) -> Columns:
    """Return the average precision of queries, say tags, that have any right item."""
    asked = np.flatnonzero(matches.any(1))
    matches = matches[asked]
    chance = chance_figures(matches)["mean_average_precision"]
    return {
        _GROUP: asked,
        "average_precision": average_precisions(scores[asked], matches),
        f"average_precision{_CHANCE}": np.full(len(asked), chance),
    }


def flat(questions: Questions) -> dict[str, np.ndarray]:
    """Return all columns under names of question and figure."""
    return {
        f"{question}{_BETWEEN}{name}": column
        for question, columns in questions.items()
        for name, column in columns.items()
    }


def unflat(arrays: Mapping[str, np.ndarray]) -> Questions:
    """Return the questions of :func:`flat` columns, without other arrays."""
    questions: Questions = {}
    for key in sorted(arrays):  # in one order, whether read from a file or not
        question, separator, name = key.partition(_BETWEEN)
        if separator:
            questions.setdefault(question, {})[name] = arrays[key]
    return questions


def stacked(parts: Sequence[Columns]) -> Columns:
    """Return the columns of several lots of queries to one question, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def figures(columns: Columns, categories: Sequence[str] = ()) -> dict[str, Any]:
    """Return how many queries there are, and the mean of each figure.

    What was measured has a standard error and a 95% interval of a bootstrap over groups. Where
    queries have the numbers of categories, there is the recall at 10 of each.
    """
    groups = columns[_GROUP]
    codes = columns.get(CATEGORY, groups[:0])
    measured = {name: columns[name] for name in _MEASURED if name in columns}
    row: dict[str, Any] = {"queries": len(groups)}
    averaged = [name for name in columns if name not in (_GROUP, CATEGORY)]
    row |= {name: float(columns[name].mean()) for name in averaged}
    if len(categories) > 1 and len(codes):
        row["recall_at_10_by_category"] = {
            categories[code]: float(columns["recall_at_10"][codes == code].mean())
            for code in np.unique(codes)
        }
    if len(np.unique(groups)) >= _FEWEST_GROUPS:
        for name, interval in mean_intervals(measured, groups).items():
            row[f"{name}_standard_error"] = interval.standard_error
            row[f"{name}_interval"] = [interval.low, interval.high]
    return row
