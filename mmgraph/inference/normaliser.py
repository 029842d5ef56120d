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
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor

Normaliser = Callable[[], Tensor] | Tensor | None
"""The log-partition function for each row of evidence, or what computes it; None of a normalised
model."""


def normaliser(graph: FactorGraph, evidence: Evidence | None = None) -> Normaliser:
    """Return what computes the exact log-partition functions; None if the model is normalised.

    It keeps the graph, and of the evidence no more than the lengths of documents. Methods that only
    approximate the weight of evidence need not say which it was.
    """
    if graph.is_normalised:
        return None
    given = Evidence.of(evidence, graph.variables)
    return partial(log_partitions, graph, lengths(graph, given))


def log_partitions(
    graph: FactorGraph, words: Int64[np.ndarray, "batch documents"]
) -> Float[Tensor, " batch"]:
    """Return the exact log-partition function of the model, for each row of :func:`lengths`.

    Raises
    ------
    TreewidthError
        If it does not fit the memory budget.
    """
    from mmgraph.inference.query import log_partition

    distinct, group = np.unique(words, axis=0, return_inverse=True)
    values = [log_partition(of_lengths(graph, row))[0] for row in distinct.tolist()]
    return torch.stack(values)[torch.from_numpy(group.reshape(-1)).to(values[0].device)]


def lengths(graph: FactorGraph, evidence: Evidence) -> Int64[np.ndarray, "batch documents"]:
    """Return the words of each document of each row; the usual number where it is missing."""
    columns = []
    for factor in _documents(graph):
        usual = np.full(evidence.batch, factor.length)
        given = evidence.values.get(factor.scope[0].name)
        if given is not None:
            counted = given.sum(-1).cpu().numpy()
            usual = np.where(np.isnan(counted), usual, np.nan_to_num(counted)).astype(np.int64)
        columns.append(usual)
    return np.stack(columns, 1) if columns else np.zeros((evidence.batch, 0), np.int64)


def of_lengths(graph: FactorGraph, words: Sequence[int]) -> FactorGraph:
    """Return the graph with documents of other lengths."""
    if not words:
        return graph
    given = dict(zip(_documents(graph), words, strict=True))
    factors = [
        BiasFactor(f.scope[0], f.bias, f.precision, given[f])
        if isinstance(f, BiasFactor) and f in given
        else f
        for f in graph.factors
    ]
    return FactorGraph(graph.variables.values(), factors)


def _documents(graph: FactorGraph) -> list[BiasFactor]:
    return [
        f
        for f in graph.factors
        if isinstance(f, BiasFactor) and f.scope[0].family == "replicated_softmax"
    ]
