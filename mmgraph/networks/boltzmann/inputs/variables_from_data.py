"""Visible variables for data for which none were declared: units by the kind of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor

from mmgraph.graph.arrays import nan_where_masked
from mmgraph.graph.column_reader import is_frame, plain_array
from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.state_labels import is_missing, plain_cell
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.inputs.grey_values import ROUNDING

WHOLE = "x"
"""The name of the variable of an array that stands by itself."""


def variables_by_modality(data: object) -> dict[str, tuple[Variable, ...]]:
    """Return variables for each modality of a mapping; an array or a frame is the modality ``x``.

    Columns of numbers make one variable: Bernoulli where all lie in [0, 1], else Gaussian. Of a
    frame with other columns as well, each column is a variable of its own: texts are categorical.
    """
    if data is None or isinstance(data, Evidence):
        raise LearningError(
            "the machine has no visible variables, and takes them from arrays, data frames or a "
            f"mapping of these, not from {'nothing' if data is None else 'an Evidence'}"
        )
    if isinstance(data, Mapping) and not hasattr(data, "toarray"):  # some sparse arrays are both
        modalities: dict[str, tuple[Variable, ...]] = {}
        for name, part in data.items():
            if part is None:
                raise LearningError(f"'{name}' is missing in all rows: what would its units be?")
            if is_frame(part):
                raise LearningError(
                    f"'{name}' is a data frame within a mapping; give '{name}'.to_numpy()"
                )
            modalities[str(name)] = (_of_array(str(name), part, str(name)),)
        if not modalities:
            raise LearningError("the data has no modality")
        return modalities
    if is_frame(data):
        return {WHOLE: _of_frame(data)}
    return {WHOLE: (_of_array(WHOLE, data),)}


def _of_array(
    name: str, data: object, modality: str | None = None, columns: Sequence[str] | None = None
) -> Variable:
    values = _numbers(name, data)
    if values.ndim == 1 and modality is not None:  # a single quantity of a mapping
        values, shape = values[:, None], ()
    elif values.ndim < 2 or (values.ndim > 2 and modality is None):
        raise LearningError(
            f"'{name}' has shape {values.shape}; (rows, columns) was expected. Reshape your data: "
            "x.reshape(-1, 1) has one column, x.reshape(1, -1) one row"
        )
    else:
        shape = values.shape[1:]
    if not values.size:
        kind = "sample" if not len(values) else "feature"
        raise LearningError(
            f"Found array with 0 {kind}(s) (shape={values.shape}) while a minimum of 1 is required."
        )
    named = tuple(columns) if columns is not None else None
    known = values[~np.isnan(values)]
    family: Any = "gaussian"
    if len(known) and known.min() >= -ROUNDING and known.max() <= 1 + ROUNDING:
        family = "bernoulli"
    elif len(values) < 2:
        raise LearningError(
            f"'{name}' has one sample (n_samples=1): nothing says how its real values vary"
        )
    return Variable(name, shape=shape, family=family, modality=modality, columns=named)


def _numbers(name: str, data: object) -> np.ndarray:
    """Numbers in double precision, NaN where missing."""
    dense: Any = data.toarray() if hasattr(data, "toarray") else data
    dense = nan_where_masked(dense)
    array = np.asarray(plain_array(dense) if isinstance(dense, Tensor | list | tuple) else dense)
    if array.dtype.kind == "c":
        raise LearningError(f"'{name}' holds complex numbers. Complex data not supported")
    if array.dtype.kind == "O":
        cells = [np.nan if is_missing(cell) else cell for cell in array.flat]
        array = np.array(cells, object).reshape(array.shape)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise LearningError(f"'{name}' is no array of numbers ({error})") from None


def _is_numeric(column: Any) -> bool:
    """Whether a column holds numbers, and nothing else but missing cells."""
    if getattr(column.dtype, "kind", "O") != "O":
        return column.dtype.kind in "biuf"
    cells = [cell for cell in column.tolist() if not is_missing(cell)]
    return bool(cells) and all(isinstance(c, Real) and not isinstance(c, bool) for c in cells)


def _of_frame(frame: Any) -> tuple[Variable, ...]:
    names = list(frame.columns)
    numeric = [_is_numeric(frame[n]) for n in names]
    if all(numeric):
        distinct = all(isinstance(n, str) and n for n in names) and len(set(names)) == len(names)
        return (_of_array(WHOLE, frame.to_numpy(), columns=names if distinct else None),)
    variables = []
    for name, plain in zip(names, numeric, strict=True):
        column = frame[name].to_numpy(dtype=object)
        if plain:
            single = _of_array(str(name), column[:, None])
            variables.append(Variable(single.name, family=single.family))
            continue
        cells = {plain_cell(cell) for cell in column.tolist() if not is_missing(cell)}
        if not all(isinstance(cell, str) for cell in cells) or not cells:
            raise LearningError(f"the column '{name}' holds neither numbers alone nor texts alone")
        variables.append(Variable(str(name), tuple(sorted(cells))))
    return tuple(variables)
