"""What users give a Boltzmann machine, read as evidence."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from torch import Tensor

from mmgraph.graph.arrays import as_array
from mmgraph.graph.column_reader import is_frame, lost_value, plain_array
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import EvidenceError, LearningError, VanishingValueWarning, warn_caller
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.state_labels import Index
from mmgraph.graph.variable import Variable
from mmgraph.learning.conditionals.fitting import LatentVariableWarning
from mmgraph.networks.boltzmann.inputs.features import check_feature_names
from mmgraph.networks.boltzmann.inputs.grey_values import read_with_grey
from mmgraph.networks.boltzmann.inputs.labels import label_codes
from mmgraph.networks.boltzmann.layers import Layers, columns_count


def evidence_of(
    variables: Mapping[str, Variable],
    layers: Layers,
    data: object,
    y: object = None,
    *,
    needs_labels: bool = False,
    learns: bool | None = None,
    columns: np.ndarray | None = None,
    model: str = "the machine",
) -> Evidence:
    """Read data and labels, as of :meth:`BoltzmannEstimator.fit`.

    An array has the visible variables side by side in its columns, and so has a data frame none of
    whose columns is a variable; these must then have the names ``columns``, if it is given. Where
    labels are needed, a label in no row is an error; where the machine learns from the data (by
    default where labels are needed), two states of which one vanishes, since it is read as missing,
    are an error, and more states a warning. The ``model`` is named in messages.
    """
    learns = needs_labels if learns is None else learns
    one_row = y is None and not learns
    read = _by_variable(variables, layers.visible, data, columns, one_row, model)
    if read is None or isinstance(read, Evidence):
        evidence = Evidence.of(read, variables)
    else:
        evidence = read_with_grey(read, variables)
    labels = layers.labels
    if learns and read is not None and not isinstance(read, Evidence):
        for name in evidence.observed():
            variable = variables[name]
            if variable.is_discrete:
                _check_values(variable, _cells_of(variable, read, evidence), evidence)
    if labels is None:
        return evidence
    if y is not None:
        evidence = _with_labels(evidence, labels, y)
        if learns and labels.name in evidence.columns:
            _check_values(labels, y, evidence)
    if needs_labels and labels.name not in evidence.observed():
        raise LearningError(
            f"the machine has the label units '{labels.name}', but no row has a label; give y"
        )
    return evidence


def _cells_of(variable: Variable, read: Any, evidence: Evidence) -> Any:
    """The cells of a variable as they were given, those that stand by themselves put together."""
    if variable.name in read:
        return read[variable.name]
    cells = np.full((evidence.batch, variable.size), None, object)
    for key, (_, place) in elements_in(read, {variable.name: variable}).items():
        if not isinstance(read[key], Index):
            column = np.asarray(plain_array(read[key]), object)
            cells[:, np.ravel_multi_index(place, variable.shape)] = column
    return cells.reshape(evidence.batch, *variable.shape)


def _check_values(variable: Variable, cells: object, evidence: Evidence) -> None:
    """Refuse, or of several states warn of, numbers of which -1 would vanish as missing."""
    codes = evidence.hard(variable.name)
    message = None if codes is None else lost_value(variable, cells, codes.numpy())
    if message is None:
        return
    if variable.cardinality == 2:
        raise LearningError(message)
    warn_caller(message, VanishingValueWarning)


def _by_variable(
    variables: Mapping[str, Variable],
    visible: Sequence[Variable],
    data: object,
    columns: np.ndarray | None,
    one_row: bool,
    model: str,
) -> Any:
    """The data as something that evidence is read from."""
    if data is None or isinstance(data, Evidence):
        return data
    data = _dense(data)
    if is_frame(data):
        check_feature_names(columns, data)
        frame: Any = data
        stems = {str(c).partition("[")[0] for c in frame.columns}
        if stems & set(variables) or len(stems) != columns_count(visible):
            return frame
        data = frame.to_numpy()
    if not isinstance(data, Mapping):
        return side_by_side(visible, data, "the data", model, one_row)
    result: dict[str, Any] = {}
    for key, cells in data.items():
        members = [v for v in visible if v.modality == key]
        if key in variables or not members:  # a name that is neither is refused later
            result[key] = _dense(cells, variables.get(key))
            continue
        if cells is None:
            continue
        if len(members) == 1:
            parts = {members[0].name: _dense(cells, members[0])}
        else:
            parts = side_by_side(members, _dense(cells), f"'{key}'")
        for name in parts:
            if name in data or name in result:
                raise EvidenceError(f"the data gives '{name}' by itself and within '{key}' too")
        result.update(parts)
    return result


def _dense(data: object, variable: Variable | None = None) -> Any:
    """A sparse matrix as an array, its columns the elements of the variable; others as they are."""
    if not hasattr(data, "toarray"):
        return data
    array = np.asarray(data.toarray())
    shaped = variable is not None and array.ndim == 2 and array.shape[1] == variable.size
    return array.reshape(len(array), *variable.shape) if shaped and variable else array


def side_by_side(
    variables: Sequence[Variable],
    data: object,
    what: str,
    model: str = "the machine",
    one_row: bool = True,
) -> dict[str, Any]:
    """Cut an array ``(rows, columns)`` into the variables that its columns belong to.

    An array ``(columns,)`` is ``one_row`` where that is allowed; messages name ``what`` it is, and
    the ``model``.
    """
    array: Any = data
    if not isinstance(array, Tensor):
        array = as_array(array, what, EvidenceError)  # still masked where it was
        if array.dtype.kind == "c":
            raise EvidenceError(f"{what} holds complex numbers. Complex data not supported")
    count = columns_count(variables)
    if one_row and tuple(array.shape) == (count,):
        array = array[None]
    if array.ndim != 2 or array.shape[1] != count:
        names = ", ".join(f"'{v.name}' ({v.size})" for v in variables)
        shape, hint = tuple(array.shape), ""
        if array.ndim == 1:
            hint = ". Reshape your data: x.reshape(1, -1) is one row"
        elif array.ndim == 2:
            hint = (
                f": X has {shape[1]} features, but {model} is expecting {count} features as input"
            )
        raise EvidenceError(
            f"{what} has shape {shape}; (rows, {count}) was expected, the columns of {names}{hint}"
        )
    ends = itertools.accumulate((v.size for v in variables), initial=0)
    return {
        v.name: array[:, first:end].reshape(len(array), *v.shape)
        for v, (first, end) in zip(variables, itertools.pairwise(ends), strict=True)
    }


def _with_labels(evidence: Evidence, labels: Variable, y: object) -> Evidence:
    if labels.name in evidence.observed():
        raise EvidenceError(f"'{labels.name}' is given in the data and as y too")
    codes = label_codes(labels, y, evidence.batch)
    if (codes == MISSING).all():
        return evidence
    columns = np.concatenate([evidence.codes, codes[:, None]], axis=1)
    return replace(evidence, columns=(*evidence.columns, labels.name), codes=columns)


def warn_of_unobserved(layers: Layers, evidence: Evidence) -> None:
    """Warn of visible units that no row observes: missing, or called otherwise?"""
    observed = {name for name in evidence.observed() if bool(_known(evidence, name).any())}
    lacking = [v.name for v in layers.visible if v.name not in observed]
    if lacking:
        warn_caller(
            f"no row observes {', '.join(map(repr, lacking[:5]))}: learned as latent units",
            LatentVariableWarning,
        )


def empty_rows(evidence: Evidence) -> Bool[np.ndarray, " batch"]:
    """Return which rows observe nothing at all."""
    empty = np.ones(evidence.batch, bool)
    for name in evidence.observed():
        empty &= ~_known(evidence, name).any(1)
    return empty


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
