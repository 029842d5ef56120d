"""Answers of clusters as tensors: by elimination, or in moment form where torch is to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.clusters import Cluster, check_memory
from mmgraph.inference.gaussian.model import gaussian_model
from mmgraph.inference.gaussian.moment_form import component_log_weights, joint_size, moments
from mmgraph.inference.gaussian.patterns import Patterns, value_tensors

REPEATED = 1e6
"""Nats for an observation that a configuration foretells without noise.

Its density there is infinite: however small the probability of such a configuration is, those that
foretell less are ruled out by it, and count where it is impossible. Other logarithms are smaller.
"""


class ClusterAnswers(NamedTuple):
    """What a cluster says of rows, in the order of their patterns.

    Attributes
    ----------
    log_weights : Tensor, shape (configurations, rows)
        Log-densities, with the weights of the components of mixtures.
    means : Tensor, shape (configurations, wanted, rows)
    variances : Tensor, shape (configurations, wanted, patterns)
    covariances : Tensor, shape (configurations, patterns, wanted, wanted)
        In place of variances, if they were asked for.
    """

    log_weights: Float[Tensor, "configurations rows"]
    means: Float[Tensor, "configurations wanted rows"]
    variances: Float[Tensor, "configurations wanted patterns"]
    covariances: Float[Tensor, "configurations patterns wanted wanted"]


def answered(
    cluster: Cluster,
    patterns: Patterns,
    evidence: Evidence,
    device: torch.device | None = None,
    wanted: Sequence[int] = (),
    covariances: bool = False,
    memory_budget: int | None = None,
) -> ClusterAnswers:
    """Return the answers of all configurations of a cluster.

    Parameters
    ----------
    evidence : Evidence
        That of which the patterns hold the rows.
    device : torch.device, optional
        Where torch computes, so that gradients reach parameters and values; by default the
        compiled elimination does.
    wanted : sequence of int
        The elements whose means and variances are asked for.
    covariances : bool
        Whether their covariances are, in place of variances.

    Raises
    ------
    TreewidthError
        If they would not fit the memory budget.
    UnderflowError
        If doubles do not hold them.
    """
    if device is not None:
        numbers = joint_size(cluster, len(patterns.order))
        check_memory(cluster.scope, cluster.sizes, numbers, memory_budget)
        values = value_tensors(evidence, cluster.model.variables)[patterns.order].T
        made = moments(cluster, patterns, values, device, list(wanted))
        logs = made.log_density + component_log_weights(cluster, device).unsqueeze(-1)
        variances = made.covariances.diagonal(dim1=-2, dim2=-1).movedim(-1, 1)
        return ClusterAnswers(logs, made.means, variances, made.covariances)
    found = cluster.answers(patterns, np.array(wanted, np.int64), covariances, memory_budget)
    log_density = found.log_density
    if cluster.is_exact:
        log_density = log_density + REPEATED * found.repeated
    arrays = (log_density, found.means, found.variances, found.covariances)
    logs, *others = map(torch.from_numpy, arrays)
    weights = torch.from_numpy(cluster.log_weights).unsqueeze(-1)
    return ClusterAnswers(logs + weights, *others)


def without_repeats(graph: FactorGraph, log_weight: Any) -> Any:
    """Return log-weights without what stands for densities that are infinite."""
    model = gaussian_model(graph) if not callable(log_weight) else None
    if model is None or not model.equations.may_be_exact.any():
        return log_weight
    logs = torch.as_tensor(log_weight)
    repeats = (logs / REPEATED).round()
    return torch.where(logs.isfinite(), logs - REPEATED * repeats, logs)
