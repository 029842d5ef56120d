"""What a learned graph says of the rows of a Dask data frame, once these are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmgraph.data.encoding import checked_reading
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import EvidenceError, needs
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.options import variable_names
from mmgraph.inference.samples import label_array
from mmgraph.learning.prediction.prediction import check_one_name, predict, predict_proba


def predicted_partitions(
    graph: FactorGraph,
    frame: Any,
    variables: str | Sequence[str] | None,
    impossible: str,
    **reading: Any,
) -> Any:
    """Return labels, or expected values, as a Dask series of one variable or a frame of several."""
    names = variable_names(variables)
    if names is None:
        columns = [str(c) for c in frame.columns]
        observed = {*columns, *(name for name, _ in elements_in(columns, graph.variables).values())}
        names = tuple(n for n, v in graph.variables.items() if v.is_discrete and n not in observed)
    if not names:
        raise EvidenceError("the data has a column of every variable: name those to predict")
    with needs("dask", "pandas", "predicting of a Dask data frame"):
        import pandas
    labels = {
        name: label_array(v)[:0] if (v := _scalar(graph, name)).is_discrete else np.empty(0)
        for name in names
    }
    of_one = len(names) == 1
    empty: Any = pandas.DataFrame(labels)
    empty = empty[names[0]] if of_one else empty
    asked = names[0] if of_one else names
    ask = partial(predict, graph, variables=asked, impossible=impossible)
    return _mapped(frame, ask, empty, reading)


def partitioned_probabilities(
    graph: FactorGraph, frame: Any, variable: str, impossible: str, **reading: Any
) -> Any:
    """Return posteriors as a Dask data frame with a column for each state, by its label."""
    check_one_name(graph, variable)
    with needs("dask", "pandas", "predicting of a Dask data frame"):
        import pandas
    labels = list(_scalar(graph, variable).labels)
    empty = pandas.DataFrame(np.empty((0, len(labels))), columns=labels)
    ask = partial(predict_proba, graph, variable=variable, impossible=impossible)
    return _mapped(frame, ask, empty, reading)


def _scalar(graph: FactorGraph, name: str) -> Any:
    variable = graph.variable(name)
    if variable.shape:
        raise EvidenceError(f"'{name}' is an array: of a Dask data frame scalars are predicted")
    return variable


def _mapped(frame: Any, ask: Callable[..., Any], empty: Any, reading: dict[str, Any]) -> Any:
    checked_reading(reading, ("missing", "extra"))
    return frame.map_partitions(partial(_answered, ask, empty, reading), meta=empty)


def _answered(ask: Callable[..., Any], empty: Any, reading: dict[str, Any], rows: Any) -> Any:
    """The answers for the rows of a partition, with their index."""
    if not len(rows):
        return empty
    answer = ask(data=rows, **reading)
    if empty.ndim == 1:
        return type(empty)(answer, index=rows.index, name=empty.name)
    return type(empty)(np.asarray(answer), rows.index, empty.columns)
