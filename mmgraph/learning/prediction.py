"""What a learned graph says of new rows: states, probabilities, log-likelihood."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.continuous import ContinuousLeaf
from mmgraph.graph.errors import EvidenceError, MissingExtraError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.query import joint, log_partition, query
from mmgraph.learning.encoding import CodedRows, CodedTable, coded_chunks
from mmgraph.learning.tables import Table

if TYPE_CHECKING:
    import pandas


def predict(
    graph: FactorGraph, data: object, variables: str | Sequence[str] | None = None
) -> np.ndarray | pandas.DataFrame:
    """Return the most probable label of some variables, each by its marginal, in every row.

    Parameters
    ----------
    graph : FactorGraph
    data : pandas.DataFrame, mapping, path or Evidence
        What is known. Columns of the variables to predict are not looked at.
    variables : str or sequence of str, optional
        By default the discrete variables of which the data says nothing.

    Returns
    -------
    ndarray, shape (rows,)
        Labels, of one variable; of a continuous one its expected values, ``(rows, *shape)``.
    pandas.DataFrame
        Labels of several variables, a column each.

    Raises
    ------
    EvidenceError
        If the data speaks of every variable, so that none is left to predict.
    UnknownVariableError, ZeroProbabilityError, TreewidthError
        As :func:`mmgraph.query` does.
    """
    names = _targets(graph, data, variables)
    if len(names) > 1:
        for name in names:
            if not graph.variable(name).is_discrete:
                raise EvidenceError(f"'{name}' is continuous: predict it by itself")
    elif not graph.variable(names[0]).is_discrete:
        return _expected_values(graph, data, names[0])
    parts: list[list[np.ndarray]] = []
    for evidence in _evidence(graph, data):
        known = _without(evidence, names)
        posterior = query(graph, known, names)
        parts.append([np.asarray(posterior.mode(name)) for name in names])
    columns = {
        name: _labels(graph, name)[np.concatenate([part[i] for part in parts])]
        for i, name in enumerate(names)
    }
    if len(names) == 1:
        return columns[names[0]]
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("data", "pandas", "predicting several variables") from None
    return pandas.DataFrame(columns)


def predict_proba(
    graph: FactorGraph, data: object, variable: str
) -> Float64[np.ndarray, "rows states"]:
    """Return the posterior of one variable in every row; its own column is not looked at.

    Raises
    ------
    UnknownVariableError, ZeroProbabilityError, TreewidthError
        As :func:`mmgraph.query` does.
    """
    graph.variable(variable)
    parts = [
        query(graph, _without(evidence, [variable]), variable).marginal(variable)
        for evidence in _evidence(graph, data)
    ]
    return np.concatenate([_array(part) for part in parts])


def score(graph: FactorGraph, data: object) -> float:
    """Return the mean over rows of log P(what is observed), ``-inf`` if a row is impossible."""
    total, rows = 0.0, 0
    for evidence in _evidence(graph, data):
        total += float(log_partition(graph, evidence).sum())
        rows += evidence.batch
    return total / rows


def _evidence(graph: FactorGraph, data: object) -> Iterator[Evidence]:
    if isinstance(data, str | os.PathLike | Table | CodedTable | CodedRows):
        for chunk in coded_chunks(data, graph.variables):
            yield chunk.evidence()
    else:
        yield Evidence.of(data, graph.variables)


def _without(evidence: Evidence, names: Sequence[str]) -> Evidence:
    return evidence.without(*(n for n in names if n in evidence.observed()))


def _targets(
    graph: FactorGraph, data: object, variables: str | Sequence[str] | None
) -> tuple[str, ...]:
    if isinstance(variables, str):
        return (variables,)
    if variables is not None:
        if not len(variables):
            raise EvidenceError("no variable to predict is named")
        return tuple(variables)
    observed = {n for evidence in _evidence(graph, data) for n in evidence.observed()}
    names = tuple(n for n, v in graph.variables.items() if v.is_discrete and n not in observed)
    if not names:
        raise EvidenceError("the data gives every variable: name those to predict")
    return names


def _expected_values(graph: FactorGraph, data: object, name: str) -> np.ndarray:
    leaf = next(f for f in graph.factors if f.child is graph.variable(name))
    if not isinstance(leaf, ContinuousLeaf):
        raise EvidenceError(f"'{name}' has no distribution with a mean")
    parents = [v.name for v in leaf.parents]
    parts = []
    for evidence in _evidence(graph, data):
        belief = joint(graph, parents, _without(evidence, [name]))
        parts.append(_array(leaf.mean(belief)))
    return np.concatenate(parts)


def _labels(graph: FactorGraph, name: str) -> np.ndarray:
    labels = graph.variable(name).labels
    if len({type(x) for x in labels}) == 1:
        return np.array(labels)
    mixed = np.empty(len(labels), dtype=object)
    mixed[:] = labels
    return mixed


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
