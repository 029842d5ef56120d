"""Elements of arrays that stand by themselves: ``x[0,1]``, or columns with names of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.state_labels import MISSING, index
from mmgraph.graph.variable import Variable, element_names

Element = tuple[str, tuple[int, ...]]
"""An array and a place in it."""

_ELEMENT = re.compile(r"(.+)\[([0-9]{1,9}(?:, ?[0-9]{1,9})*)\]", re.DOTALL)

Reader = Callable[[Variable, object], np.ndarray]
"""Reads the cells of one element: state indices, or numbers; one, or one a row."""


def element_of(key: str, variables: Mapping[str, Variable]) -> Element | None:
    """Return the array and the place that one key names, see :func:`elements_in`."""
    return elements_in([key], variables).get(key)


def elements_in(keys: Iterable[object], variables: Mapping[str, Variable]) -> dict[str, Element]:
    """Return the array and the place of each key that names an element of an array.

    ``x[0,1]`` names an element, and so does one of the ``columns`` of a variable. Other keys, the
    variables' own names among them, are passed over. An element that an array lacks, or that two
    keys name, is an EvidenceError.
    """
    named = {
        column: (variable.name, (i,))
        for variable in variables.values()
        for i, column in enumerate(variable.columns or ())
    }
    elements: dict[str, Element] = {}
    for key in keys:
        if not isinstance(key, str) or key in variables:
            continue
        match = _ELEMENT.fullmatch(key)
        variable = variables.get(match[1]) if match else None
        if match and variable is not None and variable.shape:
            elements[key] = (match[1], _place(variable, match[2], key))
        elif key in named:
            elements[key] = named[key]
    if len(set(elements.values())) < len(elements):
        first_key: dict[Element, str] = {}
        for key, element in elements.items():
            if element in first_key:
                raise EvidenceError(
                    f"'{first_key[element]}' and '{key}' are the same element of '{element[0]}'"
                )
            first_key[element] = key
    return elements


def _place(variable: Variable, numbers: str, key: str) -> tuple[int, ...]:
    place = tuple(int(number) for number in numbers.split(","))
    inside = len(place) == len(variable.shape) and all(
        i < n for i, n in zip(place, variable.shape, strict=True)
    )
    if not inside:
        raise EvidenceError(
            f"'{key}' is no element of '{variable.name}', whose shape is {variable.shape}"
        )
    return place


def check_complete(
    elements: Iterable[Element], variables: Mapping[str, Variable], origin: str
) -> None:
    """Raise EvidenceError if a table gives some elements of an array and lacks others."""
    for name, count in Counter(name for name, _place in elements).items():
        variable = variables[name]
        if count < variable.size:
            raise EvidenceError(
                f"{origin} has columns of {count} of the {variable.size} elements of '{name}', "
                f"which are called {', '.join(element_names(variable)[:4])}, …; where one is "
                "missing in every row, give a column without values"
            )


def with_elements_gathered(
    data: Mapping[str, Any], variables: Mapping[str, Variable], read: Reader
) -> Mapping[str, Any]:
    """Return evidence in which observations of single elements, see above, stand in arrays.

    An element is observed by a cell, or one a row; those that no key names are missing. If rows do
    not fit, or the array is given as a whole as well, that is an EvidenceError.
    """
    elements = elements_in(data, variables)
    if not elements:
        return data
    gathered: dict[str, Any] = {key: value for key, value in data.items() if key not in elements}
    by_array: dict[str, dict[str, np.ndarray]] = {}
    for key, (name, _index) in elements.items():
        if name in data:
            raise EvidenceError(f"evidence gives '{name}' as a whole and its element '{key}' too")
        by_array.setdefault(name, {})[key] = read(scalar_like(variables[name], key), data[key])
    for name, columns in by_array.items():
        array = _joined(variables[name], columns, elements)
        gathered[name] = index(array) if variables[name].is_discrete else array
    return gathered


def scalar_like(variable: Variable, key: str) -> Variable:
    """Return a scalar variable that takes what one element of an array takes."""
    family = variable.family if variable.is_discrete else "gaussian"
    return Variable(key, variable.states, family=family)


def _joined(
    variable: Variable, columns: Mapping[str, np.ndarray], elements: Mapping[str, Element]
) -> np.ndarray:
    """One array ``(rows, *shape)`` of the columns of its elements."""
    columns = {key: np.atleast_1d(column) for key, column in columns.items()}
    rows = max(map(len, columns.values()))
    array = np.full((rows, variable.size), MISSING if variable.is_discrete else np.nan)
    for key, column in columns.items():
        if len(column) not in (1, rows):
            raise EvidenceError(
                f"evidence for '{key}' has {len(column)} rows, but other elements have {rows}"
            )
        array[:, np.ravel_multi_index(elements[key][1], variable.shape)] = column
    return array.reshape(rows, *variable.shape)
