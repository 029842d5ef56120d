"""Grey values: probabilities in [0, 1] that Bernoulli units are on, in place of states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.column_reader import is_frame, plain_array
from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.soft_evidence import Soft
from mmgraph.graph.state_labels import Index, index
from mmgraph.graph.value_evidence import place_of
from mmgraph.graph.variable import Variable, element_names

ROUNDING = 1e-6
"""How far from [0, 1] a probability may lie: scaling to this range rounds."""


def grey_values(variable: Variable, data: object) -> Float[Tensor, "batch *shape"] | None:
    """Return the probabilities of being on if that is what is given, NaN where missing.

    Numbers of which at least one lies between 0 and 1 are probabilities of the second state of a
    Bernoulli variable; all must lie in [0, 1] then.
    """
    if variable.family != "bernoulli":
        return None
    if not (variable.reader.takes_indices or variable.labels == (0, 1)):
        return None  # numbers, if they mean anything, are labels
    values = _numbers(data)
    if values is None:
        return None
    near = np.clip(values, 0.0, 1.0)
    values = np.where(np.abs(values - near) <= ROUNDING, near, values)
    known = ~np.isnan(values)
    if not (known & (values > 0) & (values < 1)).any():
        return None
    wrong = np.argwhere(known & ((values < 0) | (values > 1)))
    if len(wrong):
        raise EvidenceError(
            f"{place_of(variable, wrong[0])}: '{variable.name}' holds {values[tuple(wrong[0])]:g} "
            "among values between 0 and 1; as probabilities that a unit is on, all lie in [0, 1]"
        )
    if values.ndim == len(variable.shape):
        values = values[None]
    if values.shape[1:] != variable.shape:
        return None  # of the wrong shape, which the reader of states explains
    return torch.from_numpy(np.ascontiguousarray(values))


def _numbers(data: object) -> Float[np.ndarray, "..."] | None:
    """Real numbers in double precision, or None if they are none."""
    if data is None or isinstance(data, Index | Soft | str):
        return None
    array = np.asarray(plain_array(data))
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            return None
    return array.astype(np.float64) if array.dtype.kind == "f" else None


def read_with_grey(data: object, variables: Mapping[str, Variable]) -> Evidence:
    """Read evidence, as :meth:`Evidence.of`, in which Bernoulli variables may have grey values.

    These stand among the ``values`` of the evidence: inference by mean field, and training, hold
    the means of such units at them.
    """
    rest: Any = data
    grey: dict[str, Tensor] = {}
    for name, variable in variables.items():
        keys = _keys(variable, data)
        if not keys:
            continue
        cells = rest[name] if keys == [name] else rest[keys].to_numpy().reshape(-1, *variable.shape)
        chances = grey_values(variable, cells)
        if chances is not None:
            # Their rows count, and what they say is put in afterwards.
            grey[name] = chances
            if is_frame(rest):
                rest = rest.assign(**dict.fromkeys(keys, np.nan))
            else:
                rest = {**rest, name: index(np.full(chances.shape, MISSING))}
    evidence = Evidence.of(rest, variables)
    if not grey:
        return evidence
    values = {n: v.expand(evidence.batch, *v.shape[1:]) for n, v in grey.items()}
    arrays = {n: t for n, t in evidence.arrays.items() if n not in grey}
    return replace(evidence, arrays=arrays, values={**evidence.values, **values})


def _keys(variable: Variable, data: object) -> list[str]:
    """The keys under which data give the whole of a Bernoulli variable; none if they do not."""
    if variable.family != "bernoulli":
        return []
    cells: Any = data
    if not is_frame(data):
        return [variable.name] if variable.name in cells else []
    keys = element_names(variable)
    return keys if set(keys) <= set(cells.columns) else []


def grey_in(evidence: Evidence) -> tuple[str, ...]:
    """Return the Bernoulli variables that evidence gives as grey values."""
    return tuple(n for n in evidence.values if evidence.variables[n].family == "bernoulli")


def refuse_grey(evidence: Evidence, what: str) -> None:
    """Raise EvidenceError if there are grey values, which something cannot take."""
    for name in grey_in(evidence):
        raise EvidenceError(
            f"'{name}' is given as probabilities between 0 and 1, which {what} cannot take; draw "
            "states from them first, or use mean_field"
        )
