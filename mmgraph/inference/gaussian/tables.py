"""What observed continuous variables say of the discrete ones, as one table for each row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.gaussian.clusters import (
    FEW_CONFIGURATIONS,
    Cluster,
    cluster_of,
    joined_factors,
)
from mmgraph.inference.gaussian.model import (
    GaussianModel,
    axes_of,
    gaussian_model,
    single_leaves,
)
from mmgraph.inference.gaussian.patterns import Patterns, patterns_of, values_of
from mmgraph.inference.gaussian.tensors import PENALTY, answered, fewer_repeats


class RowClusters(NamedTuple):
    """Rows that have the same clusters."""

    patterns: Patterns
    clusters: list[Cluster]


def row_clusters(
    model: GaussianModel,
    patterns: Patterns,
    evidence: Evidence,
    wanted: Bool[np.ndarray, " elements"] | None = None,
    memory_budget: int | None = None,
) -> list[RowClusters]:
    """Return the clusters of all rows, of each pattern by itself where those of all are large.

    Where those are large still, of the rows that observe the same states of discrete parents: an
    observed one then has no part in the configurations.

    Raises
    ------
    TreewidthError
        If the configurations of a cluster do not fit the memory budget.
    """
    made = []
    for rows, parts in pattern_groups(model, patterns, wanted):
        if max((configuration_count(model, p) for p in parts), default=0) <= FEW_CONFIGURATIONS:
            groups = [(model, rows)]
        else:
            groups = list(_with_observed_states(model, rows, parts, evidence))
        for reduced, some in groups:
            clusters = [cluster_of(reduced, part, memory_budget) for part in parts]
            made.append(RowClusters(some, clusters))
    return made


def _with_observed_states(
    model: GaussianModel,
    patterns: Patterns,
    parts: Sequence[Int64[np.ndarray, " factors"]],
    evidence: Evidence,
) -> Iterator[tuple[GaussianModel, Patterns]]:
    """Yield groups of rows of a pattern, with the equations given the states that they observe."""
    parents = {v.name for part in parts for f in part for v in model.forms[f].discrete}
    columns = [i for i, name in enumerate(evidence.columns) if name in parents]
    if not columns:
        yield model, patterns
        return
    codes = evidence.codes[patterns.order][:, columns]
    keys, group = np.unique(codes, axis=0, return_inverse=True)
    for k, key in enumerate(keys):
        states = {
            evidence.columns[c]: int(code)
            for c, code in zip(columns, key, strict=True)
            if code != MISSING
        }
        rows = np.flatnonzero(group.ravel() == k)
        some = Patterns(
            patterns.order[rows],
            patterns.observed,
            np.array([0, len(rows)]),
            np.ascontiguousarray(patterns.values[:, rows]),
        )
        yield model.given(states), some


def pattern_groups(
    model: GaussianModel, patterns: Patterns, wanted: Bool[np.ndarray, " elements"] | None = None
) -> list[tuple[Patterns, list[Int64[np.ndarray, " factors"]]]]:
    """Return groups of rows with the factors of their clusters, see :func:`row_clusters`."""
    together = joined_factors(model, patterns, wanted)
    sizes = (configuration_count(model, part) for part in together)
    if len(patterns.observed) == 1 or max(sizes, default=0) <= FEW_CONFIGURATIONS:
        return [(patterns, together)]
    each = (patterns.some(np.array([i])) for i in range(len(patterns.observed)))
    return [(some, joined_factors(model, some, wanted)) for some in each]


def configuration_count(model: GaussianModel, factors: Int64[np.ndarray, " factors"]) -> int:
    """Return how many configurations the cluster of some factors has."""
    return math.prod(axes_of([model.forms[f] for f in factors])[1])


def likelihood_tables(
    graph: FactorGraph,
    evidence: Evidence,
    device: torch.device | None = None,
    memory_budget: int | None = None,
) -> Iterator[LogTable]:
    """Yield what observed continuous variables say of discrete ones, ``(batch or 1, *states)``.

    Parameters
    ----------
    device : torch.device, optional
        Where torch computes what gradients are asked of; by default compiled code does.

    Raises
    ------
    TreewidthError
        If unobserved continuous variables join more discrete parents than the memory holds.
    GraphError
        If a continuous parent is neither normal nor linear.
    """
    for leaf in single_leaves(graph):
        likelihood = leaf.likelihood(evidence)
        if likelihood is not None:
            yield likelihood
    yield from cluster_tables(graph, evidence, device, memory_budget)


def cluster_tables(
    graph: FactorGraph,
    evidence: Evidence,
    device: torch.device | None = None,
    memory_budget: int | None = None,
) -> Iterator[LogTable]:
    """Yield what observed linear Gaussian variables say, as :func:`likelihood_tables`."""
    model = gaussian_model(graph)
    if model is None or not any(v.name in evidence.values for v in model.variables):
        return
    patterns = patterns_of(values_of(evidence, model.variables))
    tables: dict[tuple[Variable, ...], Tensor] = {}
    for rows, clusters in row_clusters(model, patterns, evidence, None, memory_budget):
        for cluster in clusters:
            logs = answered(
                cluster, rows, evidence, device, memory_budget=memory_budget
            ).log_weights
            add_table(tables, cluster, rows, logs, evidence.batch)
    for scope, table in tables.items():
        yield LogTable(scope, table)


def without_penalties(
    graph: FactorGraph, evidence: Evidence, log_weight: Float[Tensor, " batch"] | np.ndarray
) -> Tensor | np.ndarray:
    """Return log-weights without what impossible configurations took off those that are possible.

    See ``PENALTY``; the weights are those of all rows of the evidence.
    """
    model = gaussian_model(graph)
    if model is None or not model.equations.may_be_exact.any():
        return log_weight
    logs = torch.as_tensor(log_weight).detach()
    low = (logs.isfinite() & (logs < -PENALTY / 2)).nonzero().flatten().cpu().numpy()
    if not len(low):
        return log_weight
    penalised = np.zeros(len(low), np.bool_)
    some = evidence.rows(low)
    patterns = patterns_of(values_of(some, model.variables))
    for rows, clusters in row_clusters(model, patterns, some):
        for cluster in clusters:
            penalised[rows.order] |= fewer_repeats(cluster.answers(rows)).any(0)
    added = torch.zeros_like(logs)
    places = torch.from_numpy(low[penalised]).to(logs.device)
    added[places] = PENALTY * (-logs[places] / PENALTY).round()
    return log_weight + (added if isinstance(log_weight, Tensor) else added.numpy())


def add_table(
    tables: dict[tuple[Variable, ...], Tensor],
    cluster: Cluster,
    rows: Patterns,
    log_weights: Float[Tensor, "configurations rows"],
    batch: int,
) -> None:
    """Add what a cluster says of some rows to the tables of all rows, by scope."""
    by_state = without_components(cluster, log_weights).T.reshape(-1, *cluster.states)
    whole = tables.get(cluster.scope)
    if whole is None:
        whole = by_state.new_zeros(batch, *cluster.states)
    places = torch.from_numpy(rows.order).to(whole.device)
    tables[cluster.scope] = whole.index_add(0, places, by_state)


def without_components(
    cluster: Cluster, log_weights: Float[Tensor, "configurations rows"]
) -> Float[Tensor, "states rows"]:
    """Return log-weights of the discrete parents' states, the components of mixtures summed out."""
    if len(cluster.sizes) == len(cluster.scope):
        return log_weights
    states = math.prod(cluster.states)
    return log_weights.reshape(states, -1, log_weights.shape[1]).logsumexp(1)
