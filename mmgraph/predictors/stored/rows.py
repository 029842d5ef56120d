"""Rows of several modalities, and what their columns are, as JSON and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences, Texts
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.data.schema.columns import KINDS
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.parts import Parts

_KINDS: dict[str, type[Block]] = {
    "columns": Columns, "arrays": Arrays, "sequences": Sequences, "texts": Texts
}  # fmt: skip
_STATES = ("categorical", "ordinal")


def block_entry(block: Block) -> dict[str, Any]:
    """Return what JSON says of a modality without its rows."""
    entry: dict[str, Any] = {"kind": next(n for n, kind in _KINDS.items() if type(block) is kind)}
    if isinstance(block, Columns):
        entry["variables"] = [described(variable) for variable in block.variables]
        entry["kinds"] = list(block.kinds)
    elif isinstance(block, Arrays):
        entry["shape"] = list(block.values.shape[1:])
    elif isinstance(block, Sequences) and block.channels is not None:
        entry["channels"] = block.channels
    return entry


def restored_block(entry: JsonObject) -> Block:
    """Return the modality of :func:`block_entry`, without rows.

    Raises
    ------
    FormatError, GraphError
        If the entry is anything else.
    """
    kind = entry.choice("kind", _KINDS)
    if kind is Arrays:
        shape = entry.get("shape", list)
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape):
            raise FormatError(f"{entry.where}: expected a shape, found {shown(shape)}")
        return Arrays(np.empty((0, *shape)))
    if kind is Sequences:
        return Sequences((), entry.get("channels", int) if "channels" in entry else None)
    if kind is Texts:
        return Texts(())
    variables = tuple(map(restored_variable, entry.items("variables")))
    kinds = tuple(entry.names("kinds"))
    if len(kinds) != len(variables):
        raise FormatError(f"{entry.where}: {len(variables)} columns, but kinds of {len(kinds)}")
    for variable, name in zip(variables, kinds, strict=True):
        fits = variable.is_discrete == (name in _STATES)
        if name not in KINDS or variable.shape or not fits:
            raise FormatError(f"{entry.where}: {shown(variable)} is no column of {shown(name)}")
    return Columns(variables, kinds, np.empty((0, len(variables))))


def rows_parts(data: MultimodalData) -> Parts:
    """Return what rows of numbers, states and sequences with a target are made of.

    Of texts, of which no model of numbers looks at anything, it is said that they are there, and no
    more; groups are left out.
    """
    parts = Parts({
        "modalities": {m: block_entry(block) for m, block in data.blocks.items()},
        "target": described(data.target),
    })  # fmt: skip
    for modality, block in data.blocks.items():
        if isinstance(block, Columns | Arrays):
            parts.add(f"values.{modality}", block.values)
        elif isinstance(block, Sequences):
            there = [value for value in block.values if value is not None]
            lengths = [-1 if value is None else len(value) for value in block.values]
            parts.add(f"lengths.{modality}", np.array(lengths, np.int64))
            steps = np.concatenate(there) if there else np.empty((0, block.channels or 1))
            parts.add(f"values.{modality}", steps)
    parts.add("codes", data.codes)
    if data.weights is not None:
        parts.add("weights", data.weights)
    return parts


def restored_rows(parts: Parts) -> MultimodalData:
    """Return the rows of :func:`rows_parts`; its numbers are taken out.

    Raises
    ------
    FormatError, GraphError, LearningError
        If the parts are anything else.
    """
    entry = JsonObject(parts.where, parts.settings)
    target = restored_variable(JsonObject(parts.where, entry.get("target", dict)))
    codes = parts.take("codes", None, dtype=torch.int64)
    if target.shape or not target.is_discrete or not len(codes):
        raise FormatError(f"{parts.where}: expected rows with states of a target")
    if not 0 <= codes.min() <= codes.max() < target.cardinality:
        raise FormatError(f"{parts.where}: a row has no state of '{target.name}'")
    weights = parts.take("weights", len(codes)) if "weights" in parts.numbers else None
    blocks: dict[str, Block] = {}
    for modality, described_block in entry.get("modalities", dict).items():
        block = restored_block(JsonObject(f"{parts.where}, {modality}", described_block))
        blocks[modality] = _with_rows(block, modality, len(codes), parts)
    parts.finish()
    return MultimodalData(blocks, Outcome(target, codes), weights=weights)


def _with_rows(block: Block, modality: str, rows: int, parts: Parts) -> Block:
    """A modality with its rows."""
    name = f"values.{modality}"
    if isinstance(block, Columns | Arrays):
        values = parts.take(name, rows, *block.values.shape[1:], may_lack=True)
        _check_states(block, values, f"{parts.where}, {modality}")
        return replace(block, values=values)
    if not isinstance(block, Sequences):
        return block.emptied(rows)
    lengths = parts.take(f"lengths.{modality}", rows, dtype=torch.int64)
    steps = parts.take(name, None, block.channels or 1, may_lack=True)
    if lengths.min() < -1 or lengths.clip(0).sum() != len(steps):
        raise FormatError(f"{parts.where}, {modality}: the lengths are not those of sequences")
    cut = np.split(steps, lengths.clip(0).cumsum()[:-1])
    return replace(
        block,
        values=tuple(None if n < 0 else part for n, part in zip(lengths, cut, strict=True)),
    )


def _check_states(block: Columns | Arrays, values: np.ndarray, where: str) -> None:
    """Refuse cells that are no states of their column."""
    for place, variable in enumerate(block.variables if isinstance(block, Columns) else ()):
        cells = values[~np.isnan(values[:, place]), place]
        whole = not variable.is_discrete or bool(
            ((cells == cells.round()) & (cells >= 0) & (cells < variable.cardinality)).all()
        )
        if not whole:
            raise FormatError(f"{where}: a cell is no state of '{variable.name}'")
