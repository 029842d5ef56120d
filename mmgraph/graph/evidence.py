"""Evidence: what is known of each row, hard, soft or not at all; always batched inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.element_evidence import with_elements_gathered
from mmgraph.graph.errors import EvidenceError, UnknownStateError, UnknownVariableError, suggestion
from mmgraph.graph.value_evidence import numbers, place_of, value_tensor
from mmgraph.graph.variable import Variable

MISSING = -1
"""The state index that stands for "not observed"."""


@dataclass(frozen=True)
class Soft:
    """Soft evidence: a log-likelihood over the states of a variable.

    Parameters
    ----------
    log_likelihood : array-like
        Shape ``(*shape, states)`` for every row alike, or ``(batch, *shape, states)``.
    """

    log_likelihood: Any


def soft(log_likelihood: object) -> Soft:
    """Mark an array as soft evidence, so that it is not read as state indices."""
    return Soft(log_likelihood)


@dataclass(frozen=True)
class Evidence:
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
    def of(cls, data: object, variables: Mapping[str, Variable]) -> Evidence:
        """Read evidence from whatever the user has.

        Parameters
        ----------
        data : None, Evidence, mapping or pandas.DataFrame
            A mapping gives each variable a label, an index, ``None`` (missing), a sequence or array
            of those (one a row), a :class:`Soft`, or a floating array with a last axis over the
            states (soft as well). An element of a discrete array may be a key itself, ``x[0,1]``.
            A data frame has a column for each variable; the elements of a
            vector variable ``x`` stand in columns ``x[0]``, ``x[1]``, ….
        variables : mapping of str to Variable
            The model's variables.

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
            return data
        if hasattr(data, "columns") and hasattr(data, "iloc"):
            data = _columns_of_frame(data, variables)
        if not isinstance(data, Mapping):
            raise EvidenceError(
                f"evidence is a dict, a pandas DataFrame or an Evidence, not {type(data).__name__}"
            )
        return _from_mapping(cls, with_elements_gathered(data, variables, _codes), variables)

    def observed(self) -> tuple[str, ...]:
        """The names of the variables that any row says something about."""
        return (*self.columns, *self.arrays, *self.soft, *self.values)

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

        kept = [i for i, name in enumerate(self.columns) if keeps(name)]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            codes=np.ascontiguousarray(self.codes[:, kept]),
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
    cls: type[Evidence], data: Mapping[str, Any], variables: Mapping[str, Variable]
) -> Evidence:
    columns: dict[str, np.ndarray] = {}
    tensors: dict[str, dict[str, Tensor]] = {"arrays": {}, "soft": {}, "values": {}}
    for name, given in data.items():
        variable = variables.get(name)
        if variable is None:
            raise UnknownVariableError(
                f"evidence names the variable {name!r}, which the model lacks"
                f"{suggestion(name, variables)}"
            )
        if given is None:
            continue
        kind, array = _read(variable, given)
        if kind == "codes":
            columns[name] = array
        else:
            tensors[kind][name] = array
    batch = _common_batch(columns, *tensors.values())
    codes = np.empty((batch, len(columns)), np.int64)
    for i, column in enumerate(columns.values()):
        codes[:, i] = column
    tensors = {
        kind: {n: t.expand(batch, *t.shape[1:]) for n, t in group.items()}
        for kind, group in tensors.items()
    }
    seen = [i for i in range(len(columns)) if (codes[:, i] != MISSING).any()]
    if len(seen) < len(columns):  # a column without a single observation says nothing
        names = tuple(columns)
        columns = {names[i]: columns[names[i]] for i in seen}
        codes = np.ascontiguousarray(codes[:, seen])
    return cls(variables, batch, tuple(columns), codes, **tensors)


def _common_batch(*groups: Mapping[str, Any]) -> int:
    """The number of rows; single rows stand for every row."""
    batch, named = 1, ""
    for group in groups:
        for name, array in group.items():
            rows = len(array)
            if rows == batch or rows == 1:
                continue
            if batch != 1 or rows == 0:
                if rows == 0:
                    raise EvidenceError(f"evidence for '{name}' has no rows")
                raise EvidenceError(
                    f"evidence for '{name}' has {rows} rows, but '{named}' has {batch}"
                )
            batch, named = rows, name
    return batch


def _read(variable: Variable, given: object) -> tuple[str, Any]:
    """Return which field of Evidence the data belongs in, and the data with its batch axis."""
    if isinstance(given, Soft):
        return "soft", _soft_tensor(variable, given.log_likelihood)
    if not variable.is_discrete:
        return "values", value_tensor(variable, given)
    axes = len(variable.shape)
    if isinstance(given, Tensor | np.ndarray) and given.ndim == axes + 2:
        return "soft", _soft_tensor(variable, given)
    codes = _codes(variable, given)
    if codes.ndim == axes:
        codes = codes[None]
    if codes.shape[1:] != variable.shape:
        raise EvidenceError(
            f"evidence for '{variable.name}' has shape {codes.shape}; "
            f"{variable.shape or 'one state'} a row was expected"
        )
    return ("arrays", torch.from_numpy(codes)) if variable.shape else ("codes", codes)


def _codes(variable: Variable, given: object) -> np.ndarray:
    """State indices of labels or indices in any container, ``MISSING`` for None and NaN."""
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, str | int | float | bool) or given is None:
        return np.array(_code(variable, given), np.int64)
    if isinstance(given, np.ma.MaskedArray):
        mask, given = np.ma.getmaskarray(given), np.ma.getdata(given).astype(object)
        given[mask] = None
    array = given if isinstance(given, np.ndarray) else np.asarray(given, dtype=object)
    if array.dtype == object and all(type(x) is int for x in array.reshape(-1)):
        array = array.astype(np.int64)  # a list of indices reads as an array of them does
    if array.dtype.kind in "iu" and all(isinstance(x, str) for x in variable.labels):
        return _checked_indices(variable, array)
    if isinstance(variable.states, int) and array.dtype.kind in "iuf":
        return _checked_indices(variable, array)
    flat = array.reshape(-1).tolist()
    known: dict[object, int] = {}
    codes = np.empty(len(flat), np.int64)
    for i, label in enumerate(flat):
        try:
            code = MISSING if _is_missing(label) else known.get(label)
        except (TypeError, ValueError):
            raise EvidenceError(
                f"evidence for '{variable.name}' holds {label!r}, which is no single state"
            ) from None
        if code is None:
            index = [int(n) for n in np.unravel_index(i, array.shape)]
            place = place_of(variable, index) if array.ndim else ""
            code = known[label] = _code(variable, label, place)
        codes[i] = code
    return codes.reshape(array.shape)


def _checked_indices(variable: Variable, array: np.ndarray) -> np.ndarray:
    """Indices from a numeric array: NaN is missing, everything else must be a state."""
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        fractional = ~missing & (array != np.floor(array))
        if fractional.any():
            raise UnknownStateError(
                f"variable '{variable.name}' has no state {array[fractional][0]} "
                f"({place_of(variable, np.argwhere(fractional)[0])})"
            )
        array = np.where(missing, MISSING, array)
    codes = array.astype(np.int64)
    wrong = (codes < MISSING) | (codes >= variable.cardinality)
    if wrong.any():
        raise UnknownStateError(
            f"variable '{variable.name}' has {variable.cardinality} states; index "
            f"{int(codes[wrong][0])} in {place_of(variable, np.argwhere(wrong)[0])} is out of range"
        )
    return codes


def _is_missing(label: object) -> bool:
    """Whether a cell is None, NaN, or pandas' NA, whose comparison has no truth value."""
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label != label


def _code(variable: Variable, label: object, place: str = "") -> int:
    if _is_missing(label):
        return MISSING
    try:
        return variable.code(label)
    except UnknownStateError as error:
        if not place:
            raise
        raise UnknownStateError(f"{place}: {error}") from None


def _soft_tensor(variable: Variable, given: object) -> Float[Tensor, "batch *shape states"]:
    if not variable.is_discrete:
        raise EvidenceError(f"soft evidence for '{variable.name}', which has no states")
    tensor = numbers(variable, given)
    expected = (*variable.shape, variable.cardinality)
    if tensor.ndim == len(expected):
        tensor = tensor.unsqueeze(0)
    if tuple(tensor.shape[1:]) != expected:
        raise EvidenceError(
            f"soft evidence for '{variable.name}' has shape {tuple(tensor.shape)}; "
            f"(batch, {', '.join(map(str, expected))}) was expected"
        )
    bad = ~(tensor.detach() < torch.inf)
    if bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise EvidenceError(f"soft evidence for '{variable.name}' is NaN or +inf in row {row}")
    return tensor


def _columns_of_frame(frame: Any, variables: Mapping[str, Variable]) -> dict[str, Any]:
    """One entry a variable; columns ``x[0]``, ``x[1]``, … are put together into one array."""
    data: dict[str, Any] = {}
    vectors: dict[str, dict[int, np.ndarray]] = {}
    for label in frame.columns:
        name = str(label)
        if name in variables:
            column = frame[label]
            discrete = variables[name].is_discrete
            data[name] = _column_values(column) if discrete else column.tolist()
            continue
        stem, bracket, rest = name.partition("[")
        if bracket and stem in variables and rest.endswith("]") and rest[:-1].isdigit():
            vectors.setdefault(stem, {})[int(rest[:-1])] = frame[label].to_numpy(np.float64)
            continue
        raise UnknownVariableError(
            f"the column {name!r} is not a variable of the model{suggestion(name, variables)}"
        )
    for name, elements in vectors.items():
        data[name] = _stacked(variables[name], elements)
    if not len(frame):
        raise EvidenceError("the data frame has no rows")
    return data


def _column_values(column: Any) -> np.ndarray:
    """A column as codes of plain objects; categories are looked up once each."""
    if str(column.dtype) in ("category", "string", "str", "object", "boolean", "Int64"):
        codes, labels = column.factorize()
        table = np.array([*labels.tolist(), None], dtype=object)
        return table[codes]
    return column.to_numpy()


def _stacked(variable: Variable, elements: Mapping[int, np.ndarray]) -> np.ndarray:
    (length,) = variable.shape if len(variable.shape) == 1 else (-1,)
    missing: Iterable[int] = [i for i in range(length) if i not in elements]
    if length < 0 or missing or len(elements) != length:
        raise EvidenceError(
            f"'{variable.name}' has shape {variable.shape}, but the columns give its elements "
            f"{sorted(elements)[:8]}"
        )
    return np.stack([elements[i] for i in range(length)], axis=1)
