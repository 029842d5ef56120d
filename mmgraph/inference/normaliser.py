"""The log-partition function of a model without evidence: what makes weights probabilities.

A Bayesian network is normalised as it is; of any other graph ``log P(evidence)`` is the logarithm
of the weight that evidence leaves, less this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph

LogPartition = Callable[[FactorGraph, Evidence], Tensor]
"""A function of a module that sums the weights of a graph exactly, row by row."""


def normaliser(
    graph: FactorGraph, evidence: Evidence, log_partition: LogPartition
) -> Callable[[], Tensor] | None:
    """Return what computes the exact log-partition functions; None if the model is normalised.

    Of the evidence no more is kept than the lengths of documents.
    """
    if graph.is_normalised:
        return None
    return partial(_log_partitions, log_partition, graph, document_lengths(graph, evidence))


def _log_partitions(
    log_partition: LogPartition, graph: FactorGraph, words: Int64[np.ndarray, "batch documents"]
) -> Float[Tensor, " batch"]:
    distinct, group = np.unique(words, axis=0, return_inverse=True)
    nothing = Evidence.of(None, graph.variables)
    values = [log_partition(of_lengths(graph, row), nothing)[0] for row in distinct.tolist()]
    return torch.stack(values)[torch.from_numpy(group.reshape(-1)).to(values[0].device)]


def document_lengths(
    graph: FactorGraph, evidence: Evidence
) -> Int64[np.ndarray, "batch documents"]:
    """Return the words of each document of each row; the usual number where it is missing."""
    columns = []
    for factor in _documents(graph):
        words = np.full(evidence.batch, factor.document_length or 0)
        counts = evidence.values.get(factor.scope[0].name)
        if counts is not None:
            observed = counts.sum(-1).cpu().numpy()
            words = np.where(np.isnan(observed), words, np.nan_to_num(observed)).astype(np.int64)
        columns.append(words)
    return np.stack(columns, 1) if columns else np.zeros((evidence.batch, 0), np.int64)


def of_lengths(graph: FactorGraph, words: Sequence[int]) -> FactorGraph:
    """Return the graph with documents of other lengths."""
    if not words:
        return graph
    lengths = dict(zip(_documents(graph), words, strict=True))
    factors = [
        f.restore(f.scope, f.child, f.parameters(), {"length": lengths[f]}) if f in lengths else f
        for f in graph.factors
    ]
    return FactorGraph(graph.variables.values(), factors)


def _documents(graph: FactorGraph) -> list[Factor]:
    return [f for f in graph.factors if f.document_length is not None]
