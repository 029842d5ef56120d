"""A variable: a named array of random quantities that one modality speaks of."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mmgraph.graph.errors import GraphError, UnknownStateError, suggestion
from mmgraph.graph.state_labels import MISSING, Label, StateLabels, plain_cell

Family = Literal["categorical", "bernoulli", "gaussian", "rectified_gaussian", "replicated_softmax"]
FAMILIES: tuple[Family, ...] = (
    "categorical",
    "bernoulli",
    "gaussian",
    "rectified_gaussian",
    "replicated_softmax",
)


@dataclass(frozen=True, eq=False)
class Variable:
    """A random variable, or an array of them that share their states.

    Parameters
    ----------
    name : str
        Unique within a model.
    states : int or sequence of labels, optional
        The number of states, or their labels in order. Left out for a Gaussian variable.
    shape : tuple of int, default ()
        ``()`` for one quantity, ``(height, width)`` for the labels of an image, ``(d,)`` for a
        feature vector or a layer of units.
    modality : str, optional
        The sensor or source that the variable belongs to (``"sound"``, ``"scanner"``).
    family : str
        The exponential family of each element: ``categorical``, ``bernoulli``, ``gaussian``,
        ``rectified_gaussian`` (zero or positive), or ``replicated_softmax`` (the counts of the
        words of a vocabulary, which is the variable's one axis).
    columns : sequence of str, optional
        The names of the elements of a variable with one axis, as the columns of tables bear them
        (``("BRCA1", "TP53")``); by default ``x[0]``, ``x[1]``, ….

    Raises
    ------
    GraphError
        If the name is empty, the states are fewer than one or repeated, the shape is not positive,
        the family is unknown, word counts do not have their one axis, or the columns do not name
        each element once.
    """

    name: str
    states: int | tuple[Label, ...] | None = None
    shape: tuple[int, ...] = ()
    modality: str | None = None
    family: Family = "categorical"
    columns: tuple[str, ...] | None = None
    cardinality: int = field(init=False)
    _reader: StateLabels | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise GraphError(f"a variable's name must be a non-empty string, not {self.name!r}")
        if self.family not in FAMILIES:
            hint = suggestion(self.family, FAMILIES)
            raise GraphError(f"variable '{self.name}': unknown family {self.family!r}{hint}")
        if self.modality is not None and not isinstance(self.modality, str):
            raise GraphError(f"variable '{self.name}': a modality is a text, not {self.modality!r}")
        shape = self._checked_shape()
        if self.family == "replicated_softmax" and len(shape) != 1:
            raise GraphError(
                f"variable '{self.name}': word counts have one axis, the vocabulary, not the shape "
                f"{shape}"
            )
        if self.columns is not None:
            object.__setattr__(self, "columns", self._checked_columns(shape))
        states = self._normalised_states()
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "states", states)
        count = 0 if states is None else states if isinstance(states, int) else len(states)
        object.__setattr__(self, "cardinality", count)
        reader = None
        if states is not None:
            labels = range(states) if isinstance(states, int) else states
            reader = StateLabels(self.name, labels, self.family == "bernoulli")
        object.__setattr__(self, "_reader", reader)

    def _checked_shape(self) -> tuple[int, ...]:
        try:
            shape = tuple(map(operator.index, self.shape))
        except TypeError:
            raise GraphError(
                f"variable '{self.name}': a shape is a tuple of whole numbers, not {self.shape!r}"
            ) from None
        if any(n < 1 for n in shape):
            raise GraphError(f"variable '{self.name}': shape {self.shape} must be positive")
        return shape

    def _checked_columns(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        named = isinstance(self.columns, Iterable) and not isinstance(self.columns, str)
        columns = tuple(self.columns or ()) if named else ()
        if len(shape) != 1 or len(columns) != shape[0]:
            raise GraphError(
                f"variable '{self.name}' has shape {shape}; its columns name each element of one "
                f"axis, and {len(columns)} are given"
            )
        names: set[object] = set()
        for column in columns:
            if not isinstance(column, str) or not column or column in names:
                raise GraphError(
                    f"variable '{self.name}': the column {column!r} is no text, or is given twice"
                )
            names.add(column)
        return columns

    def _normalised_states(self) -> int | tuple[Label, ...] | None:
        states = self.states
        if self.family in ("gaussian", "rectified_gaussian", "replicated_softmax"):
            if states is not None:
                raise GraphError(f"variable '{self.name}': a {self.family} variable has no states")
            return None
        if states is None:
            if self.family == "bernoulli":
                return 2
            raise GraphError(f"variable '{self.name}': a categorical variable needs its states")
        if isinstance(states, int | np.integer) and not isinstance(states, bool):
            if states < 1:
                raise GraphError(f"variable '{self.name}': needs at least one state, not {states}")
            return int(states)
        if isinstance(states, str | bool | set | frozenset) or not isinstance(states, Iterable):
            raise GraphError(
                f"variable '{self.name}': states are a number of them or a sequence of labels, not "
                f"{states!r}"
            )
        labels = tuple(map(plain_cell, states))
        if not labels:
            raise GraphError(f"variable '{self.name}': needs at least one state, got none")
        distinct: set[object] = set()
        for label in labels:
            if not isinstance(label, Label) or label != label:
                raise GraphError(
                    f"variable '{self.name}': a state is a text, a number or a truth value, not "
                    f"{label!r}"
                )
            if label in distinct:
                raise GraphError(f"variable '{self.name}': state {label!r} is given twice")
            distinct.add(label)
        return labels

    @property
    def labels(self) -> tuple[Label, ...]:
        """The state labels in order; ``0 … n-1`` where only a count was given."""
        if self.states is None:
            raise GraphError(f"variable '{self.name}' is {self.family} and has no states")
        return tuple(range(self.states)) if isinstance(self.states, int) else self.states

    @property
    def size(self) -> int:
        """The number of elements of the array (1 for a scalar variable)."""
        return math.prod(self.shape)

    @property
    def is_discrete(self) -> bool:
        """Whether each element has finitely many states."""
        return self.family in ("categorical", "bernoulli")

    @property
    def is_real(self) -> bool:
        """Whether each element is a real number, with a precision where it is a unit."""
        return self.family in ("gaussian", "rectified_gaussian")

    @property
    def reader(self) -> StateLabels:
        """What a cell means: the rule by which labels, numbers and texts name a state.

        Raises
        ------
        GraphError
            If the variable has no states.
        """
        if self._reader is None:
            raise GraphError(f"variable '{self.name}' is {self.family} and has no states")
        return self._reader

    def code(self, label: object) -> int:
        """Return the index of the state that a label, a number, a truth value or a text names.

        By the rule of :class:`~mmgraph.graph.state_labels.StateLabels`: a label wins over an index,
        so that where labels are themselves numbers (say 1, 2, 3) a number is always a label.

        Raises
        ------
        UnknownStateError
            If the variable has no such state (the message gives the nearest one), or the cell is
            a missing one.
        """
        code = self.reader.read(label)
        if code == MISSING:
            raise UnknownStateError(
                f"variable '{self.name}' is to have a state, and {label!r} stands for a missing one"
            )
        return code

    def __repr__(self) -> str:
        parts = [repr(self.name)]
        if self.states is not None:
            parts.append(str(self.states))
        if self.shape:
            parts.append(f"shape={self.shape}")
        if self.modality is not None:
            parts.append(f"modality={self.modality!r}")
        if self.family != "categorical":
            parts.append(f"family={self.family!r}")
        if self.columns is not None:
            parts.append(f"columns={self.columns}")
        return f"Variable({', '.join(parts)})"

    def describes_same_as(self, other: Variable) -> bool:
        """Whether two variables agree in name, states, shape and family (modality may differ)."""
        return (
            self.name == other.name
            and self.cardinality == other.cardinality
            and (self.states is None or self.labels == other.labels)
            and self.shape == other.shape
            and self.family == other.family
        )


def unused_name(name: str, taken: Collection[str], mark: str = "'") -> str:
    """Return a name, with a mark, or several, where it is taken."""
    while name in taken:
        name += mark
    return name


def named_states(variables: Iterable[Variable], codes: Iterable[int]) -> str:
    """Return ``"a=yes, b=no"`` for a message."""
    return ", ".join(f"{v.name}={v.labels[i]}" for v, i in zip(variables, codes, strict=True))


def element_names(variable: Variable) -> list[str]:
    """Return ``x[0,1]`` (or its column) for each element in scan order, or a scalar's name."""
    if not variable.shape:
        return [variable.name]
    if variable.columns is not None:
        return list(variable.columns)
    places = itertools.product(*map(range, variable.shape))
    return [f"{variable.name}[{','.join(map(str, place))}]" for place in places]
