"""A variable: a named array of random quantities that one modality speaks of."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Literal

from mmgraph.graph.errors import GraphError, UnknownStateError, suggestion

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

    Raises
    ------
    GraphError
        If the name is empty, the states are fewer than one or repeated, the shape is not positive,
        the family is unknown, or word counts do not have their one axis.
    """

    name: str
    states: int | tuple[str | int | bool | float, ...] | None = None
    shape: tuple[int, ...] = ()
    modality: str | None = None
    family: Family = "categorical"
    cardinality: int = field(init=False)
    _codes: dict[object, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise GraphError(f"a variable's name must be a non-empty string, not {self.name!r}")
        if self.family not in FAMILIES:
            hint = suggestion(self.family, FAMILIES)
            raise GraphError(f"variable '{self.name}': unknown family {self.family!r}{hint}")
        shape = tuple(int(n) for n in self.shape)
        if any(n < 1 for n in shape):
            raise GraphError(f"variable '{self.name}': shape {self.shape} must be positive")
        if self.family == "replicated_softmax" and len(shape) != 1:
            raise GraphError(
                f"variable '{self.name}': word counts have one axis, the vocabulary, not the shape "
                f"{shape}"
            )
        states = self._normalised_states()
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "states", states)
        count = 0 if states is None else states if isinstance(states, int) else len(states)
        object.__setattr__(self, "cardinality", count)
        labels = range(states) if isinstance(states, int) else states or ()
        object.__setattr__(self, "_codes", {label: code for code, label in enumerate(labels)})

    def _normalised_states(self) -> int | tuple[str | int | bool | float, ...] | None:
        states = self.states
        if self.family in ("gaussian", "rectified_gaussian", "replicated_softmax"):
            if states is not None:
                raise GraphError(f"variable '{self.name}': a {self.family} variable has no states")
            return None
        if states is None:
            if self.family == "bernoulli":
                return 2
            raise GraphError(f"variable '{self.name}': a categorical variable needs its states")
        if isinstance(states, bool) or (isinstance(states, int) and states < 1):
            raise GraphError(f"variable '{self.name}': needs at least one state, not {states}")
        if isinstance(states, int):
            return states
        labels = tuple(states)
        if not labels:
            raise GraphError(f"variable '{self.name}': needs at least one state, got none")
        seen: set[object] = set()
        for label in labels:
            if label in seen:
                raise GraphError(f"variable '{self.name}': state {label!r} is given twice")
            seen.add(label)
        return labels

    @property
    def labels(self) -> tuple[str | int | bool | float, ...]:
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

    def code(self, label: object) -> int:
        """Return the index of a state given by its label, or by its index.

        A label wins over an index: where the labels are themselves integers (say 1, 2, 3), an
        integer is always read as a label. NumPy scalars count as their Python values.

        Raises
        ------
        UnknownStateError
            If the variable has no such state; the message gives the nearest one.
        """
        try:
            code = self._codes.get(label)
        except TypeError:  # unhashable
            code = None
        if code is not None:
            return code
        item = getattr(label, "item", None)
        if item is not None and getattr(label, "ndim", 0) == 0:
            return self.code(item())
        if isinstance(label, float) and label.is_integer():  # what a column with gaps turns it into
            label = int(label)
        integer_labels = any(isinstance(k, int) and not isinstance(k, bool) for k in self._codes)
        if isinstance(label, int) and not isinstance(label, bool) and not integer_labels:
            if 0 <= label < self.cardinality:
                return label
            raise UnknownStateError(
                f"variable '{self.name}' has {self.cardinality} states; {label} is out of range"
            )
        # A table reader that sees TRUE and FALSE makes truth values of them.
        fold = str.casefold if isinstance(label, bool) else str
        for known, code in self._codes.items():
            if fold(str(known)) == fold(str(label)):
                return code
        shown = ", ".join(repr(k) for k in self.labels[:8]) + (
            ", …" if self.cardinality > 8 else ""
        )
        raise UnknownStateError(
            f"variable '{self.name}' has no state {label!r}{suggestion(label, self.labels)} "
            f"(its states: {shown})"
        )

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


def element_names(variable: Variable) -> list[str]:
    """Return ``x[0,1]`` for each element of an array in scan order, or the name of a scalar."""
    if not variable.shape:
        return [variable.name]
    places = itertools.product(*map(range, variable.shape))
    return [f"{variable.name}[{','.join(map(str, place))}]" for place in places]
