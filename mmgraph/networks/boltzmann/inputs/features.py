"""Columns side by side: how many there are, what they are called, and that both stay so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import EvidenceError

_SHOWN = 5


def feature_names(data: object) -> np.ndarray | None:
    """Return the names of a data frame's columns, or None where not every one has a name."""
    if not is_frame(data):
        return None
    frame: Any = data
    names = list(frame.columns)
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=object)


def names_of_columns(data: object, variables: Collection[str]) -> np.ndarray | None:
    """Return the names of columns that were taken side by side; None where variables name them."""
    names = feature_names(data)
    if names is None or {name.partition("[")[0] for name in names} & set(variables):
        return None
    return names


def check_feature_names(fitted: np.ndarray | None, data: object) -> None:
    """Check that a data frame has the columns that the machine was fitted on, in their order.

    Arrays, and frames without names, say nothing of names. Messages are in scikit-learn's words.
    """
    names = feature_names(data)
    if fitted is None or names is None or list(fitted) == list(names):
        return
    unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    lines = ["The feature names should match those that were passed during fit."]
    for title, group in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if group:
            lines += [title, *(f"- {name}" for name in group[:_SHOWN])]
            lines += ["- ..."] if len(group) > _SHOWN else []
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise EvidenceError("\n".join(lines) + "\n")


def check_input_features(
    names: Sequence[str] | None, fitted: np.ndarray | None, count: int
) -> None:
    """Check the names of features that a caller of ``get_feature_names_out`` gives."""
    if names is None:
        return
    if fitted is not None and list(names) != list(fitted):
        raise EvidenceError("input_features is not equal to feature_names_in_")
    if len(names) != count:
        raise EvidenceError(
            f"input_features should have length equal to number of features ({count}), got "
            f"{len(names)}"
        )
