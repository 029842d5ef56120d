"""What an analysis of modalities refuses: names, options, codes, groups, rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.data.groups import coded_groups
from mmgraph.data.modality_rows import ModalityRows
from mmgraph.graph.arrays import whole_numbers
from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.graph.state_labels import Label


def check_no_weights(data: object) -> None:
    """Refuse rows with weights, which no figure of an analysis takes.

    Raises
    ------
    LearningError
        If there are weights.
    """
    if isinstance(data, ModalityRows) and data.weights is not None:
        raise LearningError(
            f"the rows of {data.origin} have weights, and an analysis counts all rows alike; read "
            "them without"
        )


def checked_groups(groups: object, rows: int) -> Int64[np.ndarray, " rows"]:
    """Return the group of each row, of which there are as many."""
    belongs = coded_groups("group", groups).codes
    if belongs.shape != (rows,):
        raise MmgraphError(f"{rows} rows have {belongs.size} groups")
    return belongs


def checked_codes(codes: object, states: int) -> Int64[np.ndarray, " rows"]:
    """Return the state of the target in each row, each of which there is."""
    checked = whole_numbers(codes, "the codes of the target", MmgraphError).numpy()
    if checked.ndim != 1 or not len(checked):
        raise MmgraphError(f"the codes of the target have shape {checked.shape}, not one of rows")
    wrong = (checked < 0) | (checked >= states)
    if wrong.any():
        row = int(wrong.argmax())
        raise MmgraphError(f"row {row}: the code {checked[row]} is none of {states} states")
    return checked


def check_varied(target: str, states: Sequence[Label], codes: Int64[np.ndarray, " rows"]) -> None:
    """Refuse rows that cannot tell anything: fewer than two, or of one state."""
    if len(codes) < 2:
        raise LearningError(f"an analysis takes two rows at least, and {len(codes)} are given")
    if (codes == codes[0]).all():
        raise LearningError(
            f"'{target}' is {states[codes[0]]!r} in every row: there is nothing to tell"
        )


def check_unused(options: Mapping[str, Any], what: str) -> None:
    """Refuse options that are given and would be ignored."""
    for name, value in options.items():
        if value is not None:
            raise MmgraphError(f"{what} has no use for {name}={value!r}")


def check_names(names: Sequence[str], target: str, others: Collection[str] = ()) -> None:
    """Refuse what would be one node of the graph of modalities, and is two things."""
    for name in names:
        if name == target or name in others:
            what = "the target" if name == target else "a variable outside it"
            raise MmgraphError(f"'{name}' is a modality and {what}: rename one of them")
        if names.count(name) > 1:
            raise MmgraphError(f"the modality '{name}' is named twice")
