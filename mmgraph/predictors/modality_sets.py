"""Which modalities rows are answered by: those that are asked for, and there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from jaxtyping import Int64

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
