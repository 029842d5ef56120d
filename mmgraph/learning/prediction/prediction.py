"""What a learned graph says of new rows: states, probabilities, log-likelihood."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from mmgraph.data.encoding import (
    CodedRows,
    CodedTable,
    checked_reading,
    coded_chunks,
    read_with,
)
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import is_frame, is_partitioned
from mmgraph.graph.errors import (
    EvidenceError,
    UnknownVariableError,
    ZeroProbabilityError,
    needs,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.leaves.continuous import continuous_leaves
from mmgraph.graph.variable import element_names
from mmgraph.inference.options import variable_names
from mmgraph.inference.possible_rows import ask_possible_rows
from mmgraph.inference.query import joint, log_partition, query
from mmgraph.inference.samples import Samples, label_array

if TYPE_CHECKING:
    import pandas


Question = Callable[[FactorGraph, Sequence[str], Evidence], Float64[np.ndarray, "rows columns"]]
"""What is asked of a graph about variables in some rows."""


def predict(
    graph: FactorGraph,
    data: object,
    variables: str | Sequence[str] | None = None,
    impossible: str = "raise",
    **reading: Any,
) -> np.ndarray | pandas.DataFrame:
    """Return labels as ``BayesianNetwork.predict``."""
    names = _targets(graph, data, variables, reading)
    if len(names) > 1:
        for name in names:
            if not graph.variable(name).is_discrete:
                raise EvidenceError(f"'{name}' is continuous: predict it by itself")
    elif not graph.variable(names[0]).is_discrete:
        return np.concatenate(answers_of(graph, data, names, impossible, reading, expected_values))
    parts = answers_of(graph, data, names, impossible, reading, marginals)
    ends = list(itertools.accumulate(shape_of(graph, [name])[0] for name in names[:-1]))
    tables = np.split(np.concatenate(parts), ends, axis=1)
    columns = {}
    for name, side_by_side in zip(names, tables, strict=True):
        table = table_of(graph, name, side_by_side)
        labels = label_array(graph.variable(name))[table.argmax(-1)]
        unknown = np.isnan(table[..., 0])
        if unknown.any():
            labels = labels.astype(object)
            labels[unknown] = None
        columns[name] = labels
    if len(names) == 1:
        return columns[names[0]]
    with needs("data", "pandas", "predicting several variables"):
        import pandas
    return pandas.DataFrame(columns)


def predict_proba(
    graph: FactorGraph, data: object, variable: str, impossible: str = "raise", **reading: Any
) -> Float64[np.ndarray, "rows states"]:
    """Return posteriors as ``BayesianNetwork.predict_proba``."""
    check_one_name(graph, variable)
    parts = answers_of(graph, data, (variable,), impossible, reading, marginals)
    return table_of(graph, variable, np.concatenate(parts))


def check_one_name(graph: FactorGraph, variable: object) -> None:
    """Raise UnknownVariableError if this is no name of a variable."""
    if not isinstance(variable, str):
        raise UnknownVariableError(
            f"predict_proba takes the name of one variable, not {variable!r}"
        )
    graph.variable(variable)


def score(graph: FactorGraph, data: object, **reading: Any) -> float:
    """Return the mean over rows of log P(what is observed), ``-inf`` if a row is impossible."""
    total, rows = 0.0, 0
    for evidence in evidence_chunks(graph, data, (), reading):
        total += float(log_partition(graph, evidence).sum())
        rows += evidence.batch
    return total / rows


def answers_of(
    graph: FactorGraph,
    data: object,
    names: Sequence[str],
    impossible: str,
    reading: Mapping[str, Any],
    ask: Question,
) -> list[Float64[np.ndarray, "rows columns"]]:
    """Return answers chunk by chunk; in rows of probability zero an error, or NaN."""
    if impossible not in ("raise", "nan"):
        raise EvidenceError(f"impossible is 'raise' or 'nan', not {impossible!r}")
    parts, first = [], 0
    for evidence in evidence_chunks(graph, data, names, reading):
        if impossible == "raise":
            try:
                parts.append(ask(graph, names, evidence))
            except ZeroProbabilityError as error:
                raise with_rows_counted_from(first, error) from None
        else:
            possible, answer, _ = ask_possible_rows(evidence, partial(ask, graph, names))
            part = np.full((evidence.batch, *shape_of(graph, names)), np.nan)
            if answer is not None:
                part[possible] = answer
            parts.append(part)
        first += evidence.batch
    return parts


def marginals(
    graph: FactorGraph, names: Sequence[str], evidence: Evidence
) -> Float64[np.ndarray, "rows states"]:
    """Return the marginals of some variables, side by side."""
    posterior = query(graph, evidence, names)
    return np.concatenate([_array(posterior.marginal(n).flatten(1)) for n in names], axis=1)


def shape_of(graph: FactorGraph, names: Sequence[str]) -> tuple[int, ...]:
    """Return the shape of a row of an answer: of states side by side, or of a real variable."""
    variables = [graph.variable(name) for name in names]
    if not variables[0].is_discrete:
        return variables[0].shape
    return (sum(v.size * v.cardinality for v in variables),)


def table_of(
    graph: FactorGraph, name: str, side_by_side: Float64[np.ndarray, "rows columns"]
) -> Float64[np.ndarray, "rows *shape states"]:
    """Return marginals of one variable, in its shape."""
    variable = graph.variable(name)
    return side_by_side.reshape(-1, *variable.shape, variable.cardinality)


def with_rows_counted_from(first: int, error: ZeroProbabilityError) -> ZeroProbabilityError:
    """Return the same error with rows as the whole table counts them."""
    if not first:
        return error
    rows = tuple(first + row for row in error.rows)
    return ZeroProbabilityError(f"{error} (rows counted from row {first})", rows, error.variables)


def evidence_chunks(
    graph: FactorGraph, data: object, targets: Sequence[str], reading: Mapping[str, Any]
) -> Iterator[Evidence]:
    """Yield the rows chunk by chunk; what they say of the targets is not even read."""
    if isinstance(data, str | os.PathLike | Table) or is_partitioned(data):
        table = open_table(data, **checked_reading(reading))
        others = table.select([c for c in table.columns if c not in targets])
        yield from (chunk.evidence() for chunk in coded_chunks(others, graph.variables))
    elif isinstance(data, CodedTable | CodedRows | list):
        for chunk in coded_chunks(read_with(data, reading), graph.variables):
            yield _without(chunk.evidence(), targets)
    elif isinstance(data, Evidence):
        yield _without(Evidence.of(read_with(data, reading), graph.variables), targets)
    else:
        options = checked_reading(reading, ("missing", "extra"))
        if isinstance(data, Samples):
            data = data.columns()
        yield Evidence.of(_without_columns(data, targets, graph), graph.variables, **options)


def _without_columns(data: Any, targets: Sequence[str], graph: FactorGraph) -> Any:
    """A frame or a mapping without the columns of the targets."""
    names = set(targets)
    for name in targets:
        variable = graph.variables.get(name)
        names |= set(element_names(variable)) if variable is not None and variable.shape else set()
    if is_frame(data):
        return data[[c for c in data.columns if str(c) not in names]] if names else data
    if isinstance(data, Mapping):
        return {c: cells for c, cells in data.items() if c not in names}
    return data


def _without(evidence: Evidence, names: Sequence[str]) -> Evidence:
    return evidence.without(*(n for n in names if n in evidence.observed()))


def _targets(
    graph: FactorGraph,
    data: object,
    variables: str | Sequence[str] | None,
    reading: Mapping[str, Any],
) -> tuple[str, ...]:
    asked = variable_names(variables)
    if asked is not None:
        if not asked:
            raise EvidenceError("no variable to predict is named")
        return asked
    observed = {
        n for evidence in evidence_chunks(graph, data, (), reading) for n in evidence.observed()
    }
    names = tuple(n for n, v in graph.variables.items() if v.is_discrete and n not in observed)
    if not names:
        raise EvidenceError("the data gives every variable: name those to predict")
    return names


def expected_values(
    graph: FactorGraph, names: Sequence[str], evidence: Evidence
) -> Float64[np.ndarray, "rows *shape"]:
    """Return the expected values of a continuous variable."""
    (name,) = names
    variable = graph.variable(name)
    leaf = next((f for f in continuous_leaves(graph.factors) if f.child is variable), None)
    if leaf is None or leaf.linear_form() is not None:
        mean: np.ndarray = _array(query(graph, evidence, [name]).mean(name))
        return mean
    belief = joint(graph, [v.name for v in leaf.parents], evidence)
    mean = _array(leaf.mean(belief))
    return mean


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
