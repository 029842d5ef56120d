"""Evidence: what is known of each row, hard, soft or not at all; always batched inside."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.column_reader import codes as codes_in
from mmgraph.graph.column_reader import is_frame, lost_value, missing_as_none, spellings
from mmgraph.graph.element_evidence import check_complete, elements_in, with_elements_gathered
from mmgraph.graph.errors import (
    EvidenceError,
    UnknownVariableError,
    VanishingValueWarning,
    suggestion,
    warn_caller,
)
from mmgraph.graph.soft_evidence import Soft, soft_tensor
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.storage.copying import DeepCopied
from mmgraph.graph.value_evidence import numbers, place_of, value_tensor
from mmgraph.graph.variable import Variable


@dataclass(frozen=True)
class Evidence(DeepCopied):
    """What is observed, for ``batch`` rows at once.

    Build one with :meth:`of`; the fields below are what it holds inside.

    Attributes
    ----------
    variables : mapping of str to Variable
        Every variable of the model.
    batch : int
        The number of rows.
    columns : tuple of str
        The scalar discrete variables with a hard observation in at least one row.
    codes : ndarray of int64, shape (batch, columns)
        Their state indices; ``MISSING`` where a row does not say.
    arrays : dict of str to Tensor
        State indices ``(batch, *shape)`` of discrete array variables.
    soft : dict of str to Tensor
        Log-likelihoods ``(batch, *shape, states)``.
    values : dict of str to Tensor
        Real values ``(batch, *shape)`` of continuous variables; NaN where missing.
    """

    variables: Mapping[str, Variable]
    batch: int
    columns: tuple[str, ...] = ()
    codes: Int64[np.ndarray, "batch columns"] = field(
        default_factory=lambda: np.empty((1, 0), np.int64)
    )
    arrays: dict[str, Tensor] = field(default_factory=dict)
    soft: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        data: object,
        variables: Mapping[str, Variable],
        extra: str = "raise",
        missing: Collection[object] = (),
    ) -> Evidence:
        """Read evidence from whatever the user has.

        Parameters
        ----------
        data : None, Evidence, mapping or pandas.DataFrame
            A mapping gives each variable a cell, a sequence or array of cells (one a row), or a
            :class:`Soft`. A cell is a label, an index (see
            :class:`~mmgraph.graph.state_labels.StateLabels`), or ``None`` (missing). An element of
            an array may be a key itself, ``x[0,1]``. A data frame has a column for each variable;
            the elements of a vector variable ``x`` stand in columns ``x[0]``, ``x[1]``, …, or in
            those that its ``columns`` name.
        variables : mapping of str to Variable
            The model's variables.
        extra : {"raise", "ignore"}
            What happens to keys and columns that are no variables.
        missing : collection of cells
            What stands for a missing cell beside None and NaN: ``missing=["NA", -9]``.

        Raises
        ------
        UnknownVariableError, UnknownStateError
            With the nearest known name.
        EvidenceError
            If shapes or row counts do not fit, or a value lies outside its family's range.
        """
        if data is None:
            return cls(variables, 1)
        if isinstance(data, Evidence):
            return data._of_model(variables)
        if callable(cells := getattr(data, "cells", None)):  # rows of several modalities
            data = cells(variables)
        check_extra(extra)
        spellings(missing)
        rows = None
        if is_frame(data):
            data, rows = _columns_of_frame(data, variables, extra)
        if not isinstance(data, Mapping):
            raise EvidenceError(
                f"evidence is a dict, a pandas DataFrame or an Evidence, not {type(data).__name__}"
            )

        def element(variable: Variable, cells: object) -> np.ndarray:
            if variable.is_discrete:
                return _codes(variable, cells, missing)
            return numbers(variable, missing_as_none(cells, missing)).detach().cpu().numpy()

        data = with_elements_gathered(data, variables, element)
        if extra == "ignore":
            data = {name: cells for name, cells in data.items() if name in variables}
        evidence = _from_mapping(cls, data, variables, missing)
        if rows is not None and rows != evidence.batch:  # a frame that says nothing of any variable
            evidence = replace(evidence, batch=rows, codes=np.empty((rows, 0), np.int64))
        return evidence

    def _of_model(self, variables: Mapping[str, Variable]) -> Evidence:
        """The evidence itself, if the variables that it observes are those of a model."""
        if self.variables is variables:
            return self
        for name in self.observed():
            other = variables.get(name)
            if other is None or not self.variables[name].describes_same_as(other):
                raise EvidenceError(
                    f"the evidence was read for another model, in which '{name}' "
                    f"is {self.variables[name]!r}"
                )
        return self

    def observed(self) -> tuple[str, ...]:
        """The names of the variables that any row says something about."""
        return (*self.columns, *self.arrays, *self.soft, *self.values)

    def tells(self, name: str) -> bool:
        """Whether any row says something of a variable: it may be given, and missing throughout."""
        if name in self.values:
            return not bool(self.values[name].isnan().all())
        codes = self.hard(name)
        return name in self.soft if codes is None else bool((codes != MISSING).any())

    def hard(self, name: str) -> Tensor | None:
        """State indices ``(batch, *shape)`` of a discrete variable, or None if never observed."""
        if name in self.arrays:
            return self.arrays[name]
        if name in self.columns:
            return torch.from_numpy(self.codes[:, self.columns.index(name)].copy())
        return None

    def without(self, *names: str) -> Evidence:
        """Return the evidence with whole variables or modalities taken away.

        Parameters
        ----------
        *names : str
            Variables or modalities of the model.

        Raises
        ------
        UnknownVariableError
            If a name is neither.
        """
        modalities = {v.modality for v in self.variables.values() if v.modality is not None}
        for name in names:
            if name not in self.variables and name not in modalities:
                hint = suggestion(name, (*self.variables, *modalities))
                raise UnknownVariableError(f"no variable or modality is called {name!r}{hint}")

        def keeps(name: str) -> bool:
            return name not in names and self.variables[name].modality not in names

        columns = [i for i, name in enumerate(self.columns) if keeps(name)]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in columns),
            codes=np.ascontiguousarray(self.codes[:, columns]),
            arrays={n: t for n, t in self.arrays.items() if keeps(n)},
            soft={n: t for n, t in self.soft.items() if keeps(n)},
            values={n: t for n, t in self.values.items() if keeps(n)},
        )

    def rows(self, index: slice | np.ndarray) -> Evidence:
        """Return some of the rows, in the order asked for."""
        codes = np.ascontiguousarray(self.codes[index])
        at: Any = index if isinstance(index, slice) else torch.from_numpy(np.asarray(index))
        return replace(
            self,
            batch=len(codes),
            codes=codes,
            arrays={n: t[at] for n, t in self.arrays.items()},
            soft={n: t[at] for n, t in self.soft.items()},
            values={n: t[at] for n, t in self.values.items()},
        )


def _from_mapping(
    cls: type[Evidence],
    data: Mapping[str, Any],
    variables: Mapping[str, Variable],
    missing: Collection[object],
) -> Evidence:
    columns: dict[str, np.ndarray] = {}
    tensors: dict[str, dict[str, Tensor]] = {"arrays": {}, "soft": {}, "values": {}}
    for name, cells in data.items():
        if not isinstance(name, str):
            raise UnknownVariableError(f"evidence names {name!r}; a variable's name is a text")
        variable = variables.get(name)
        if variable is None:
            raise UnknownVariableError(
                f"evidence names the variable {name!r}, which the model lacks"
                f"{suggestion(name, variables)}"
            )
        if cells is None:
            continue
        kind, array = _read(variable, cells, missing)
        if kind == "codes":
            columns[name] = array
        else:
            tensors[kind][name] = array
    batch = _common_batch(columns, *tensors.values())
    tensors = {
        kind: {n: t.expand(batch, *t.shape[1:]) for n, t in group.items()}
        for kind, group in tensors.items()
    }
    # A column without a single observation says nothing.
    columns = {name: codes for name, codes in columns.items() if (codes != MISSING).any()}
    codes = np.empty((batch, len(columns)), np.int64)
    for i, column in enumerate(columns.values()):
        codes[:, i] = column
    return cls(variables, batch, tuple(columns), codes, **tensors)


def _common_batch(*groups: Mapping[str, Any]) -> int:
    """The number of rows; single rows stand for every row."""
    batch, longest = 1, ""
    for name, array in itertools.chain.from_iterable(group.items() for group in groups):
        rows = len(array)
        if rows == 0:
            raise EvidenceError(f"evidence for '{name}' has no rows")
        if rows == 1:
            continue
        if batch not in (1, rows):
            raise EvidenceError(
                f"evidence for '{name}' has {rows} rows, but '{longest}' has {batch}"
            )
        batch, longest = rows, name
    return batch


def _read(variable: Variable, cells: object, missing: Collection[object]) -> tuple[str, Any]:
    """Return which field of Evidence the data belongs in, and the data with its batch axis."""
    if isinstance(cells, Soft):
        return "soft", soft_tensor(variable, cells)
    if not variable.is_discrete:
        return "values", value_tensor(variable, missing_as_none(cells, missing))
    axes = len(variable.shape)
    shape = getattr(cells, "shape", None)
    codes = (
        None if shape is not None and len(shape) > axes + 1 else _codes(variable, cells, missing)
    )
    if codes is not None and codes.ndim == axes:
        codes = codes[None]
    if codes is None or codes.shape[1:] != variable.shape:
        raise EvidenceError(
            f"evidence for '{variable.name}' has shape "
            f"{tuple(shape or ()) if codes is None else codes.shape}; "
            f"{variable.shape or 'one state'} a row was expected (likelihoods of the states are "
            "written mm.soft(…))"
        )
    return ("arrays", torch.from_numpy(codes)) if variable.shape else ("codes", codes)


def _codes(variable: Variable, cells: object, missing: Collection[object]) -> np.ndarray:
    """State indices of cells in any container; errors say row and element."""

    def place(cell: int) -> str:
        shape = getattr(cells, "shape", None) or np.asarray(cells, dtype=object).shape
        return place_of(variable, [int(i) for i in np.unravel_index(cell, shape)])

    codes = codes_in(variable, cells, place, missing)
    message = lost_value(variable, cells, codes) if variable.family == "bernoulli" else None
    if message is not None:
        warn_caller(message, VanishingValueWarning)
    return codes


def check_extra(extra: str) -> None:
    """Raise EvidenceError if this is no way to treat columns that are no variables."""
    if extra not in ("raise", "ignore"):
        raise EvidenceError(f"extra is 'raise' or 'ignore', not {extra!r}")


def _columns_of_frame(
    frame: Any, variables: Mapping[str, Variable], extra: str
) -> tuple[dict[str, Any], int]:
    """The columns by name, and how many rows; a vector that lacks columns is an error."""
    if not len(frame):
        raise EvidenceError("the data frame has no rows")
    data: dict[str, Any] = {}
    names = [str(label) for label in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise EvidenceError(f"the data frame has two columns called '{twice}'")
    for name, label in zip(names, frame.columns, strict=True):
        column = frame[label]
        scalar = name in variables and not variables[name].shape and variables[name].is_discrete
        numeric = getattr(column.dtype, "kind", "O") in "iuf" and isinstance(column.dtype, np.dtype)
        data[name] = column if scalar else column.to_numpy() if numeric else column.tolist()
    elements = elements_in(data, variables)
    check_complete(elements.values(), variables, "the data frame")
    for name in data:
        if name not in variables and name not in elements and extra == "raise":
            raise UnknownVariableError(
                f"the column {name!r} is not a variable of the model"
                f"{suggestion(name, variables)} (Evidence.of(…, extra='ignore') and extra='ignore' "
                "of fit and predict_proba pass over such columns)"
            )
    return data, len(frame)
