"""Rows of which one modality is disturbed: noise on it, cells or whole rows of it dropped."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from mmgraph.comparison.results import Condition
from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences, Texts
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError

LEVELS = {
    "noise": (0.25, 0.5, 1.0, 1.5, 2.0),
    "cells": (0.25, 0.5, 0.75),
    "rows": (0.25, 0.5, 0.75),
}
"""By the kind of condition, how far a modality is disturbed; of none each curve begins."""


def disturbances(data: MultimodalData) -> tuple[Condition, ...]:
    """Return every condition that disturbs a modality.

    Texts are only dropped by row, and a modality of states alone has no noise.
    """
    return tuple(
        Condition(kind, modality, level)
        for modality, block in data.blocks.items()
        for kind, levels in LEVELS.items()
        if _can_be_disturbed(block, kind)
        for level in levels
    )


def _can_be_disturbed(block: Block, kind: str) -> bool:
    if kind == "noise" and isinstance(block, Columns):
        return bool(_measured(block).any())
    return kind == "rows" or not isinstance(block, Texts)


def disturbed(
    data: MultimodalData, condition: Condition, training: MultimodalData, seed: int
) -> MultimodalData:
    """Return test rows of which a modality is disturbed.

    Parameters
    ----------
    data : MultimodalData
        The test rows.
    condition : Condition
        Of kind ``"noise"``, in standard deviations of the training rows (of a column, a channel of
        sequences, or all of an array), on numbers alone; ``"cells"``, dropped one by one (columns;
        elements of arrays; steps of channels), or ``"rows"``.
    training : MultimodalData
        The training rows.
    seed : int
        With the modality and the kind it says which numbers are drawn: what is dropped at one level
        is dropped at all higher ones, and noise is the same but for its size.

    Raises
    ------
    LearningError
        If the modality has no cells that could be disturbed so.
    """
    kind, modality, level = condition
    block = data.block(modality)
    random = np.random.default_rng([seed, zlib.crc32(f"{kind} {modality}".encode())])
    if kind == "rows":
        dropped = random.random(len(data)) < level
        # One block of what is there and of emptied rows, from which each row takes its own.
        both = block.join([block.emptied(1)])
        changed: Block = both.take(np.where(dropped, len(data), np.arange(len(data))))
    elif isinstance(block, Columns | Arrays):
        measured = _measured(block)
        if kind == "cells":
            drop = random.random(block.values.shape) < level
            values = np.where(drop, np.nan, block.values)
        else:
            noise = random.standard_normal(block.values.shape) * measured
            values = block.values + level * _deviations(training.block(modality)) * noise
        changed = replace(block, values=values)
    elif isinstance(block, Sequences):
        scale = _deviations(training.block(modality)) if kind == "noise" else np.zeros(1)
        changed = _disturbed_sequences(block, kind, level, scale, random)
    else:
        raise LearningError(f"the modality '{modality}' is of texts: only rows of it are dropped")
    return replace(data, blocks={**data.blocks, modality: changed})


def _measured(block: Columns | Arrays) -> np.ndarray:
    """Which columns are measurements: noise leaves states as they are."""
    if isinstance(block, Arrays):
        return np.ones(1, bool)
    return np.array([not variable.is_discrete for variable in block.variables], bool)


def _deviations(block: Block) -> Float64[np.ndarray, " parts"]:
    """Standard deviations of columns or channels, of an array of all its elements; 0 without any.

    A column that is not there at all has no deviation, and nothing is added to it.
    """
    if isinstance(block, Columns):
        table = block.values
    elif isinstance(block, Arrays):
        table = block.values.reshape(-1, 1)
    else:
        assert isinstance(block, Sequences)
        steps = [value for value in block.values if value is not None]
        table = np.concatenate(steps) if steps else np.full((1, block.channels or 1), np.nan)
    there = ~np.isnan(table)
    count = np.maximum(there.sum(0), 1)
    centred = np.where(there, table - np.where(there, table, 0.0).sum(0) / count, 0.0)
    return np.asarray(np.sqrt((centred**2).sum(0) / count))


def _disturbed_sequences(
    block: Sequences, kind: str, level: float, scale: np.ndarray, random: np.random.Generator
) -> Sequences:
    rows: list[np.ndarray | None] = []
    for value in block.values:
        if value is None:
            rows.append(None)
        elif kind == "noise":
            rows.append(value + level * scale * random.standard_normal(value.shape))
        else:
            drop = random.random(value.shape) < level
            rows.append(None if drop.all() else np.where(drop, np.nan, value))
    return Sequences(tuple(rows), block.channels)
