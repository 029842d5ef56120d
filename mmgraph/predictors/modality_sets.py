"""Which modalities rows are answered by: those that are asked for, and there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from jaxtyping import Bool, Int64

from mmgraph.data.blocks.block import Features
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import UnknownVariableError, suggestion


def asked_modalities(modalities: Collection[str], given: Collection[str] | None) -> tuple[str, ...]:
    """Return which of a model's modalities are looked at, in the model's order.

    Raises
    ------
    UnknownVariableError
        If one that is asked for is none of the model's.
    """
    given = (given,) if isinstance(given, str) else given
    for modality in given or ():
        if modality not in modalities:
            hint = suggestion(modality, modalities)
            raise UnknownVariableError(f"the model has no modality '{modality}'{hint}")
    return tuple(m for m in modalities if given is None or m in given)


def rows_with(data: MultimodalData, modalities: Collection[str]) -> Bool[np.ndarray, " rows"]:
    """Return whether a row has all of some modalities."""
    return ~np.any([data.block(modality).missing for modality in modalities], axis=0)


def numbers_of(data: MultimodalData, modalities: Collection[str]) -> Features:
    """Return the numbers of some modalities, side by side."""
    return np.hstack([data.numbers(modality) for modality in modalities])


def modality_sets(
    data: MultimodalData, modalities: Collection[str]
) -> Iterator[tuple[tuple[str, ...], Int64[np.ndarray, " rows"]]]:
    """Yield each set of modalities, of those looked at, that rows have; and these rows."""
    there = np.zeros((len(data), len(modalities)), bool)
    for place, modality in enumerate(modalities):
        there[:, place] = ~data.block(modality).missing
    distinct, pattern = np.unique(there, axis=0, return_inverse=True)
    for index, row in enumerate(distinct):
        names = tuple(m for m, has in zip(modalities, row, strict=True) if has)
        yield names, np.flatnonzero(pattern.reshape(-1) == index)
