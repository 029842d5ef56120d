"""The sets of modalities that are there at test time."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable

from mmgraph.comparison.held_out import Situation, situations
from mmgraph.data.multimodal_data import MultimodalData

MOST_IN_FULL = 6
"""Of so many modalities every set is asked for, 63 in all."""


def every_set(modalities: Situation) -> tuple[Situation, ...]:
    """Return every set of modalities but the empty one, the largest first.

    Of more than :data:`MOST_IN_FULL` there are all together, all but one, and each alone.
    """
    count = len(modalities)
    sizes = range(count, 0, -1) if count <= MOST_IN_FULL else (count, count - 1, 1)
    return tuple(s for size in sizes for s in itertools.combinations(modalities, size))


def asked_sets(
    data: MultimodalData, given: Iterable[Iterable[str] | str] | None, conditions: Collection[str]
) -> tuple[Situation, ...]:
    """Return the sets that are asked for, each in the order of the data; all modalities come first.

    Raises
    ------
    UnknownVariableError
        If there is no such modality.
    """
    everything = tuple(data.modalities)
    if given is None:
        return every_set(everything) if "subsets" in conditions else situations(everything)
    asked = [{m} if isinstance(m, str) else {*m} for m in given]
    for modality in itertools.chain.from_iterable(asked):
        data.block(modality)
    sets = (tuple(m for m in everything if m in names) for names in asked if names)
    return tuple(dict.fromkeys([everything, *sets]))
