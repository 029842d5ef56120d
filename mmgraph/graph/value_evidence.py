"""Evidence on real values and counts: read from what users have, and checked by family."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mmgraph.graph.arrays import nan_where_masked
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.state_labels import NUMBER, is_missing
from mmgraph.graph.variable import Variable


def numbers(variable: Variable, values: object) -> Tensor:
    """Return numbers as a floating tensor, lists in double precision; a row that is None is NaN.

    What a mask hides is NaN. A text is the number that it spells in decimals.
    """
    if is_frame(values):
        raise EvidenceError(
            f"evidence for '{variable.name}' is a data frame, whose columns stand by themselves: "
            "give the frame as the evidence"
        )
    if isinstance(values, Tensor) and not values.is_complex():
        return values if values.is_floating_point() else values.to(torch.float64)
    try:
        values = nan_where_masked(values)
        if (
            variable.shape
            and isinstance(values, list | tuple)
            and any(row is None for row in values)
        ):
            nothing = np.full(variable.shape, np.nan)
            values = np.stack([nothing if r is None else _floats(r) for r in values])
        return torch.from_numpy(_floats(values))
    except (OverflowError, TypeError, ValueError) as error:
        raise EvidenceError(
            f"evidence for '{variable.name}' is not an array of numbers ({error})"
        ) from None


def _floats(values: object) -> Float64[np.ndarray, "..."]:
    """Numbers in double precision, in an array of their own; texts are read one by one."""
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    if array.dtype.kind not in "OUS":
        raise TypeError(f"of the type {array.dtype}")
    cells = ["nan" if is_missing(cell) else cell for cell in array.reshape(-1).tolist()]
    cells = [c.decode(errors="replace") if isinstance(c, bytes) else c for c in cells]
    if all(type(cell) is str for cell in cells):
        joined = "".join(cells)
        if joined.isascii() and "_" not in joined:  # float() reads these as number_in() does
            with contextlib.suppress(ValueError):
                return np.array(list(map(float, cells)), np.float64).reshape(array.shape)
    plain = [number_in(cell) if isinstance(cell, str) else float(cell) for cell in cells]
    return np.array(plain, np.float64).reshape(array.shape)


def number_in(text: str) -> float:
    """Return the decimal number that a text is: no ``1_0``, no digits of other scripts; or NaN.

    Truth values, as tables print them, are 0 and 1. A text that is none is a ValueError.
    """
    stripped = text.strip()
    if NUMBER.fullmatch(stripped) or stripped.lower() in ("nan", "inf", "-inf", "+inf"):
        return float(stripped)
    if stripped.casefold() in ("false", "true"):
        return float(stripped.casefold() == "true")
    raise ValueError(f"{text[:60]!r} is no number")


def value_tensor(variable: Variable, rows: object) -> Float[Tensor, "batch *shape"]:
    """Return rows of a continuous variable or of word counts, NaN where missing.

    Outside the family's range, and an EvidenceError, is an infinite value, one below zero of a
    rectified Gaussian or count, a count that is not whole, a document without words or with only
    some of its counts.
    """
    tensor = numbers(variable, rows)
    if tensor.ndim == len(variable.shape):
        tensor = tensor.unsqueeze(0)
    if tuple(tensor.shape[1:]) != variable.shape:
        raise EvidenceError(
            f"evidence for '{variable.name}' has shape {tuple(tensor.shape)}; "
            f"(batch, {', '.join(map(str, variable.shape))}) was expected"
        )
    values = tensor.detach()
    _refuse(variable, values, values.isinf(), "is infinite", "a missing value is NaN")
    if variable.family in ("rectified_gaussian", "replicated_softmax"):
        _refuse(variable, values, values < 0, "is negative", f"{variable.family} values are not")
    if variable.family == "replicated_softmax":
        fractional = values != values.floor()
        _refuse(variable, values, fractional & ~values.isnan(), "is no whole number", "it counts")
        _check_documents(variable, values)
    return tensor


def place_of(variable: Variable, index: Sequence[int]) -> str:
    """Return what an index ``(row, *element)``, or ``(*element)`` of one row, points at."""
    row, *element = index if len(index) > len(variable.shape) else (0, *index)
    where = f", element {[int(i) for i in element]}" if element else ""
    return f"row {int(row)}{where}"


def _refuse(
    variable: Variable, values: Tensor, wrong: Bool[Tensor, "batch *shape"], what: str, hint: str
) -> None:
    if bool(wrong.any()):
        index = wrong.nonzero()[0].tolist()
        raise EvidenceError(
            f"evidence for '{variable.name}' {what} in {place_of(variable, index)} "
            f"({float(values[tuple(index)]):g}); {hint}"
        )


def _check_documents(variable: Variable, counts: Float[Tensor, "batch words"]) -> None:
    """Refuse documents that are given in part, and those without a word."""
    missing = counts.isnan()
    partly = missing.any(1) & ~missing.all(1)
    if bool(partly.any()):
        row = int(partly.nonzero()[0, 0])
        word = int(missing[row].nonzero()[0, 0])
        raise EvidenceError(
            f"evidence for '{variable.name}' lacks the count of word {word} in row {row}; a "
            "document is given as a whole, or missing as a whole (NaN everywhere)"
        )
    empty = counts.sum(1) == 0
    if bool(empty.any()):
        raise EvidenceError(
            f"the document '{variable.name}' has no words in row {int(empty.nonzero()[0, 0])}; "
            "mark it missing with NaN"
        )
