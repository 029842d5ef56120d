"""Answers of clusters as tensors: by elimination, or in moment form where torch is to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.inference.gaussian.answers import Answers
from mmgraph.inference.gaussian.clusters import Cluster, check_memory
from mmgraph.inference.gaussian.moment_form import component_log_weights, joint_size, moments
from mmgraph.inference.gaussian.patterns import Patterns, value_tensors

PENALTY = 2.0**24
"""Nats that a configuration loses for each observation that another one foretells without noise.

The density of such an observation is infinite there. Whatever their other probabilities are, a
configuration that foretells fewer has no share in the posterior, unless those that foretell more
are impossible; :func:`~mmgraph.inference.gaussian.tables.without_penalties` then takes this off.
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
        log_density = log_density - PENALTY * fewer_repeats(found)
    arrays = (log_density, found.means, found.variances, found.covariances)
    logs, *others = map(torch.from_numpy, arrays)
    weights = torch.from_numpy(cluster.log_weights).unsqueeze(-1)
    return ClusterAnswers(logs + weights, *others)


def fewer_repeats(answers: Answers) -> Int64[np.ndarray, "configurations rows"]:
    """Return how many observations fewer each configuration foretells than another possible one."""
    possible = answers.log_density > -np.inf
    most = np.where(possible, answers.repeated, 0).max(0, initial=0)
    return np.where(possible, most - answers.repeated, 0)
