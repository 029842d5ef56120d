"""What a learned graph says of new rows: states, probabilities, log-likelihood."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.continuous import ContinuousLeaf
from mmgraph.graph.errors import EvidenceError, MissingExtraError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.query import joint, log_partition, query
from mmgraph.inference.samples import Samples, label_array
from mmgraph.learning.encoding import CodedRows, CodedTable, coded_chunks, read_with
from mmgraph.learning.tables import Table

if TYPE_CHECKING:
    import pandas


def predict(
    graph: FactorGraph,
    data: object,
    variables: str | Sequence[str] | None = None,
    impossible: str = "raise",
    **reading: Any,
) -> np.ndarray | pandas.DataFrame:
    """Return the most probable label of some variables, each by its marginal, in every row.

    Parameters
    ----------
    graph : FactorGraph
    data : pandas.DataFrame, mapping, path or Evidence
        What is known. Columns of the variables to predict are not looked at.
    variables : str or sequence of str, optional
        By default the discrete variables of which the data says nothing.
    impossible : {"raise", "nan"}
        What becomes of rows of probability zero: an error, or the label None.
    **reading
        How the data is read, see :func:`~mmgraph.learning.tables.open_table`.

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
    data = read_with(data, reading)
    names = _targets(graph, data, variables)
    if len(names) > 1:
        for name in names:
            if not graph.variable(name).is_discrete:
                raise EvidenceError(f"'{name}' is continuous: predict it by itself")
    elif not graph.variable(names[0]).is_discrete:
        return _expected_values(graph, data, names[0])
    parts = _marginals(graph, data, names, impossible)
    columns = {}
    for name in names:
        table = np.concatenate([part[name] for part in parts])
        found = label_array(graph.variable(name))[table.argmax(1)]
        unknown = np.isnan(table[:, 0])
        if unknown.any():
            found = found.astype(object)
            found[unknown] = None
        columns[name] = found
    if len(names) == 1:
        return columns[names[0]]
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("data", "pandas", "predicting several variables") from None
    return pandas.DataFrame(columns)


def predict_proba(
    graph: FactorGraph, data: object, variable: str, impossible: str = "raise", **reading: Any
) -> Float64[np.ndarray, "rows states"]:
    """Return the posterior of one variable in every row; its own column is not looked at.

    Parameters
    ----------
    impossible : {"raise", "nan"}
        What becomes of rows of probability zero: an error that names them, or NaN in those rows
        and an answer in the others.
    **reading
        How the data is read, see :func:`~mmgraph.learning.tables.open_table`.

    Raises
    ------
    UnknownVariableError, ZeroProbabilityError, TreewidthError
        As :func:`mmgraph.query` does.
    """
    graph.variable(variable)
    parts = _marginals(graph, read_with(data, reading), (variable,), impossible)
    return np.concatenate([part[variable] for part in parts])


def score(graph: FactorGraph, data: object, **reading: Any) -> float:
    """Return the mean over rows of log P(what is observed), ``-inf`` if a row is impossible."""
    total, rows = 0.0, 0
    for evidence in _evidence(graph, read_with(data, reading)):
        total += float(log_partition(graph, evidence).sum())
        rows += evidence.batch
    return total / rows


def _marginals(
    graph: FactorGraph, data: object, names: Sequence[str], impossible: str
) -> list[dict[str, Float64[np.ndarray, "rows states"]]]:
    """Marginals chunk by chunk; in rows of probability zero an error, or NaN."""
    if impossible not in ("raise", "nan"):
        raise EvidenceError(f"impossible is 'raise' or 'nan', not {impossible!r}")
    parts, first = [], 0
    for evidence in _evidence(graph, data):
        known = _without(evidence, names)
        try:
            found = query(graph, known, names)
            parts.append({name: _array(found.marginal(name)) for name in names})
        except ZeroProbabilityError as error:
            if impossible == "raise":
                raise _with_rows_counted_from(first, error) from None
            parts.append(_marginals_of_possible_rows(graph, known, names, error.rows))
        first += evidence.batch
    return parts


def _marginals_of_possible_rows(
    graph: FactorGraph, evidence: Evidence, names: Sequence[str], impossible: Sequence[int]
) -> dict[str, Float64[np.ndarray, "rows states"]]:
    tables = {
        name: np.full((evidence.batch, graph.variable(name).cardinality), np.nan) for name in names
    }
    possible = np.setdiff1d(np.arange(evidence.batch), impossible)
    if len(possible):
        found = query(graph, evidence.rows(possible), names)
        for name in names:
            tables[name][possible] = _array(found.marginal(name))
    return tables


def _with_rows_counted_from(first: int, error: ZeroProbabilityError) -> ZeroProbabilityError:
    """The same error with rows as the whole table counts them."""
    if not first:
        return error
    rows = tuple(first + row for row in error.rows)
    return ZeroProbabilityError(f"{error} (rows counted from row {first})", rows, error.variables)


def _evidence(graph: FactorGraph, data: object) -> Iterator[Evidence]:
    if isinstance(data, str | os.PathLike | Table | CodedTable | CodedRows | Samples):
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


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
