"""The labels that a machine learns from: what y may be, and the order of classes."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.column_reader import plain_array
from mmgraph.graph.errors import EvidenceError, GraphError, LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.state_labels import MISSING, Index, Label, index, is_missing, plain_cell
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.inputs.scikit_learn import warn_of_column


class NoLabelsError(GraphError, AttributeError):
    """A question about labels to a machine that has no label units."""


class _OnlyWithLabels:
    """A method that machines without label units do not have, so that ``hasattr`` tells."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __get__(self, machine: Any, owner: type) -> Any:
        if machine is None:
            return self._function
        if not machine.has_labels:
            raise NoLabelsError(f"{machine!r} has no label units; give 'labels' to the constructor")
        return types.MethodType(self._function, machine)


Method = TypeVar("Method", bound=Callable[..., Any])


def only_with_labels(function: Method) -> Method:
    """Make a method one that only machines with label units have."""
    return cast(Method, _OnlyWithLabels(function))


def class_order(labels: Variable) -> Int64[np.ndarray, " states"]:
    """Return the states in the order of their sorted labels, as scikit-learn takes for granted.

    Labels of different types have no order of their own: truth values and numbers come first.
    """
    names = labels.labels
    order = sorted(range(len(names)), key=lambda i: (isinstance(names[i], str), names[i]))
    return np.array(order, np.int64)


def classes_of(labels: Variable) -> np.ndarray:
    """Return the sorted labels as an array: of texts, truth values or numbers, else of objects."""
    names = [labels.labels[i] for i in class_order(labels)]
    if len({_kind(name) for name in names}) == 1:
        return np.array(names)
    mixed = np.empty(len(names), dtype=object)
    mixed[:] = names
    return mixed


def label_codes(labels: Variable, y: object, rows: int) -> Int64[np.ndarray, " rows"]:
    """Return the states that labels name, ``MISSING`` where a row has none.

    ``y`` is an array ``(rows,)`` or ``(rows, 1)``, or an Index; for a single row also one label.
    Texts for numbers, or numbers for texts, are refused: what is predicted would equal none.
    """
    if isinstance(y, Index):
        column: Any = index(_in_rows(np.asarray(plain_array(y.codes)), rows))
    else:
        column = _in_rows(label_array(y), rows)
        _check_kinds(labels, column)
    read = Evidence.of({labels.name: column}, {labels.name: labels})
    if labels.name not in read.columns:  # not a single label
        return np.full(rows, MISSING, np.int64)
    return read.codes[:, 0]


def label_array(y: object) -> np.ndarray:
    """Return labels as an array in which each is what it was."""
    plain = isinstance(y, Tensor | list | tuple | range | np.ma.MaskedArray)
    listed: Any = plain_array(y) if plain else y
    array = np.asarray(listed)
    if array.dtype.kind == "c":
        raise EvidenceError("y holds complex numbers. Complex data not supported")
    return array


def _in_rows(array: np.ndarray, rows: int) -> np.ndarray:
    """Labels as ``(rows,)``."""
    if array.ndim == 0 and rows == 1:
        return array.reshape(1)
    if array.shape == (rows, 1):
        warn_of_column(array.shape)
        return array.reshape(rows)
    if array.shape != (rows,):
        raise EvidenceError(f"y has shape {array.shape}, but the data has {rows} rows")
    return array


def _check_kinds(labels: Variable, array: np.ndarray) -> None:
    """Refuse texts for numbers, and numbers for texts."""
    kinds = {_kind(label) for label in labels.labels}
    if len(kinds) != 1 or labels.reader.intervals:  # numbers are meant to fall into intervals
        return
    for cell in (array if array.dtype.kind == "O" else np.unique(array)).tolist():
        if is_missing(cell) or _kind(cell) in kinds:
            continue
        if _kind(cell) == "numbers" and cell == MISSING:
            continue
        shown = ", ".join(repr(label) for label in labels.labels[:4])
        raise EvidenceError(
            f"y holds {_kind(cell)} ({cell!r}), but the labels of '{labels.name}' are "
            f"{kinds.pop()} ({shown}): predictions would be those, and equal nothing in y; give "
            "the labels themselves, or mm.index(y) for state indices in the order declared; a "
            f"machine made with labels='{labels.name}' takes whatever y holds (scikit-learn's "
            "cross_val_predict numbers labels before it calls fit)"
        )


def _kind(cell: object) -> str:
    return "texts" if isinstance(cell, str | bytes) else "numbers"


def labels_from(name: str, y: object, classes: object, model: str) -> Variable:
    """Return label units with the labels that y holds, or those that are said to come.

    None and NaN in ``y`` are no labels; ``classes`` are all of them where it has only some. The
    ``model`` is named in messages.
    """
    if y is None and classes is None:
        raise LearningError(
            f"{model} requires y to be passed, but the target y is None: the labels of '{name}' "
            "are those in y"
        )
    if isinstance(y, Index) and classes is None:
        raise LearningError(f"y holds state indices of '{name}', whose labels nobody has said")
    array = label_array(y if classes is None else classes)
    labels = {plain_cell(cell) for cell in array.reshape(-1).tolist() if not is_missing(cell)}
    if not labels:
        raise LearningError(f"y has no label: '{name}' would have no class")
    if any(isinstance(cell, float) and cell != cell // 1 for cell in labels):
        raise LearningError(
            f"Unknown label type: y holds real numbers (continuous), and the labels of '{name}' "
            "are classes"
        )
    states = sorted(labels, key=lambda cell: (isinstance(cell, str), cell))
    return Variable(name, tuple(states))


def check_classes(labels: Variable, classes: object) -> None:
    """Check that all classes are among the labels."""
    if classes is None:
        return
    known: Sequence[Label] = labels.labels
    for cell in label_array(classes).reshape(-1).tolist():
        if plain_cell(cell) not in known:
            shown = ", ".join(repr(label) for label in known[:8])
            raise LearningError(
                f"classes has {cell!r}, which is no label of '{labels.name}' ({shown})"
            )
