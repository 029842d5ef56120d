"""Evidence on single elements of arrays, named ``x[0,1]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.variable import Variable

Codes = Callable[[Variable, object], np.ndarray]
"""Turns labels into state indices, -1 where missing."""


def with_elements_gathered(
    data: Mapping[str, Any], variables: Mapping[str, Variable], codes: Codes
) -> Mapping[str, Any]:
    """Return evidence in which observations of single elements stand in arrays.

    Parameters
    ----------
    data : mapping of str to object
        A key ``x[0,1]`` gives one element of the discrete array ``x``: a label, or one a row.
    variables : mapping of str to Variable
        Those of the model.
    codes : function
        Reads labels.

    Raises
    ------
    EvidenceError
        If the element does not exist, rows do not fit, or the array is given as a whole as well.
    """
    named = {key: element_of(key, variables) for key in data}
    elements = {key: place for key, place in named.items() if place is not None}
    if not elements:
        return data
    gathered: dict[str, Any] = {key: value for key, value in data.items() if key not in elements}
    for key, (name, index) in elements.items():
        variable = variables[name]
        if name in data:
            raise EvidenceError(f"evidence gives '{name}' as a whole and its element '{key}' too")
        scalar = Variable(key, variable.states, family=variable.family)
        found = np.atleast_1d(codes(scalar, data[key]))
        array = gathered.get(name)
        if array is None:
            array = np.full((1, *variable.shape), -1)
        if len(found) != len(array) and 1 not in (len(found), len(array)):
            raise EvidenceError(
                f"evidence for '{key}' has {len(found)} rows, but other elements have {len(array)}"
            )
        rows = max(len(found), len(array))
        array = np.broadcast_to(array, (rows, *variable.shape)).copy()
        array.reshape(rows, -1)[:, np.ravel_multi_index(index, variable.shape)] = found
        gathered[name] = array
    return gathered


def element_of(key: str, variables: Mapping[str, Variable]) -> tuple[str, tuple[int, ...]] | None:
    """Return the array and the place that ``x[0,1]`` names; None if a key does not look like that.

    Raises
    ------
    EvidenceError
        If the array has no such element.
    """
    name, bracket, rest = key.rpartition("[")
    variable = variables.get(name)
    if key in variables or variable is None or not variable.is_discrete:
        return None
    if not bracket or not rest.endswith("]") or not variable.shape:
        return None
    try:
        index = tuple(int(i) for i in rest[:-1].split(","))
    except ValueError:
        return None
    inside = len(index) == len(variable.shape) and all(
        0 <= i < n for i, n in zip(index, variable.shape, strict=True)
    )
    if not inside:
        raise EvidenceError(f"'{key}' is no element of '{name}', whose shape is {variable.shape}")
    return name, index
