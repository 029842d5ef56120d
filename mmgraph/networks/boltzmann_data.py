"""What users give a Boltzmann machine, read as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int64
from torch import Tensor

from mmgraph.graph.cells import is_frame
from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.state_labels import Index, index
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann_machine import BoltzmannMachine


def evidence_of(
    machine: BoltzmannMachine, data: object, y: object = None, needs_labels: bool = False
) -> Evidence:
    """Read data and labels.

    Parameters
    ----------
    data : None, Evidence, mapping, pandas.DataFrame or array-like
        A mapping is by variable or modality. An array has the visible variables side by side in its
        columns; so has the array of a modality of several variables, and a data frame none of
        whose columns is a variable.
    y : array-like, shape (rows,), optional
        Of the label units; without those it is passed over.
    needs_labels : bool
        Whether label units without a label in any row are an error.

    Raises
    ------
    EvidenceError
        If shapes or rows do not fit, or labels are given twice.
    LearningError
        If labels are needed and there are none.
    """
    evidence = Evidence.of(_by_variable(machine, data), machine.variables)
    labels = machine.labels
    if labels is None:
        return evidence
    if y is not None:
        evidence = _with_labels(evidence, labels, y)
    if needs_labels and labels.name not in evidence.observed():
        raise LearningError(
            f"the machine has the label units '{labels.name}', but no row has a label; give y"
        )
    return evidence


def _by_variable(machine: BoltzmannMachine, data: object) -> Any:
    """The data as something that evidence is read from."""
    if data is None or isinstance(data, Evidence):
        return data
    if is_frame(data):
        frame: Any = data
        stems = {str(c).partition("[")[0] for c in frame.columns}
        if stems & set(machine.variables) or len(stems) != columns_count(machine.visible):
            return frame
        data = frame.to_numpy()
    if not isinstance(data, Mapping):
        return side_by_side(machine.visible, data, "the data")
    result: dict[str, Any] = {}
    for key, given in data.items():
        members = [v for v in machine.visible if v.modality == key]
        if key in machine.variables or not members:  # a name that is neither is refused later
            result[key] = given
            continue
        if given is None:
            continue
        whole = len(members) == 1
        parts = {members[0].name: given} if whole else side_by_side(members, given, f"'{key}'")
        for name in parts:
            if name in data or name in result:
                raise EvidenceError(f"the data gives '{name}' by itself and within '{key}' too")
        result.update(parts)
    return result


def columns_count(variables: Sequence[Variable]) -> int:
    """Return how many columns variables take side by side."""
    return sum(v.size for v in variables)


def side_by_side(variables: Sequence[Variable], given: object, what: str) -> dict[str, Any]:
    """Cut an array into the variables that its columns belong to.

    Raises
    ------
    EvidenceError
        If it is no array ``(rows, columns)``, or the columns are too many or too few.
    """
    array: Any = given
    if hasattr(array, "toarray"):  # a sparse matrix
        array = array.toarray()
    if not isinstance(array, Tensor):
        try:
            array = np.asarray(array)
        except ValueError as error:
            raise EvidenceError(f"{what} is no array ({error})") from None
    count = columns_count(variables)
    if array.ndim != 2 or array.shape[1] != count:
        names = ", ".join(f"'{v.name}' ({v.size})" for v in variables)
        raise EvidenceError(
            f"{what} has shape {tuple(array.shape)}; (rows, {count}) was expected, the columns of "
            f"{names}"
        )
    parts, first = {}, 0
    for variable in variables:
        part = array[:, first : first + variable.size]
        parts[variable.name] = part.reshape(len(array), *variable.shape)
        first += variable.size
    return parts


def _with_labels(evidence: Evidence, labels: Variable, y: object) -> Evidence:
    marked = isinstance(y, Index)
    given: Any = y.codes if isinstance(y, Index) else y if isinstance(y, Tensor) else np.asarray(y)
    if labels.name in evidence.observed():
        raise EvidenceError(f"'{labels.name}' is given in the data and as y too")
    if given.ndim != 1 or len(given) != evidence.batch:
        raise EvidenceError(
            f"y has shape {tuple(given.shape)}, but the data has {evidence.batch} rows"
        )
    read = Evidence.of({labels.name: index(given) if marked else given}, evidence.variables)
    if labels.name not in read.columns:  # not a single label
        return evidence
    codes = np.concatenate([evidence.codes, read.codes], axis=1)
    return replace(evidence, columns=(*evidence.columns, *read.columns), codes=codes)


def empty_rows(evidence: Evidence) -> Bool[np.ndarray, " batch"]:
    """Return which rows observe nothing at all."""
    seen = np.zeros(evidence.batch, bool)
    for name in evidence.observed():
        seen |= _known(evidence, name).any(1)
    return ~seen


def incomplete(evidence: Evidence, variable: Variable) -> bool:
    """Whether something of a variable is missing in some row."""
    if variable.name not in evidence.observed():
        return True
    return not bool(_known(evidence, variable.name).all())


def patterns(evidence: Evidence) -> list[Int64[np.ndarray, " rows"]]:
    """Return rows that observe the same variables as a whole, each group in order."""
    names = evidence.observed()
    everything = [np.arange(evidence.batch)]
    if not names:
        return everything
    known = [_known(evidence, name) for name in names]
    flags = np.stack([part for k in known for part in (k.all(1), k.any(1))], axis=1)
    if (flags == flags[:1]).all():
        return everything
    _, group = np.unique(flags, axis=0, return_inverse=True)
    group = group.reshape(-1)
    return [np.flatnonzero(group == g) for g in range(int(group.max()) + 1)]


def _known(evidence: Evidence, name: str) -> Bool[np.ndarray, "batch elements"]:
    """Which elements of a variable each row observes."""
    if name in evidence.soft:
        return np.ones((evidence.batch, 1), bool)
    codes = evidence.hard(name)
    known = ~evidence.values[name].isnan() if codes is None else codes != MISSING
    return known.reshape(evidence.batch, -1).cpu().numpy()
