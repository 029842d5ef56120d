"""Clusters in moment form, by torch: for gradients, and for other devices.

Means and covariances of all elements of a cluster, then those given what is observed, by Cholesky
factors. What the elimination of :mod:`mmgraph.inference.gaussian.elimination` does without
subtracting is subtracted here: variances must be positive, and of the digits of a covariance that
conditioning takes away none are left.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.inference.gaussian.clusters import Cluster
from mmgraph.inference.gaussian.patterns import Patterns

_LOG_TWO_PI = math.log(2 * math.pi)


class JointNormal(NamedTuple):
    """The joint density of the elements of a cluster, one for each configuration.

    Attributes
    ----------
    elements : list of int
        Those of the model, in the order of the axes.
    means : Tensor, shape (configurations, elements, rows)
        They depend on the rows where a parent that all rows observe lies outside of the cluster.
    covariances : Tensor, shape (configurations, elements, elements)
    """

    elements: list[int]
    means: Float[Tensor, "configurations elements rows"]
    covariances: Float[Tensor, "configurations elements elements"]


def joint_size(cluster: Cluster, rows: int) -> int:
    """Return how many numbers are held while a joint density is made."""
    size = len(cluster.ranked)
    return len(cluster.configurations) * size * (6 * size + 3 * rows)


def component_log_weights(
    cluster: Cluster, device: torch.device
) -> Float[Tensor, " configurations"]:
    """Return the log-weights of the components of mixtures, which gradients may be asked of."""
    total = torch.zeros(len(cluster.configurations), dtype=torch.float64, device=device)
    for form in cluster.forms:
        if form.log_weights is not None:
            configuration = cluster.configurations[:, cluster.model.number[form.child.name]]
            each = form.log_weights.to(device).double().reshape(-1)
            total = total + each[torch.from_numpy(configuration.copy()).to(device)]
    return total


def joint_normal(
    cluster: Cluster, values: Float[Tensor, "elements rows"], device: torch.device
) -> JointNormal:
    """Return the joint density of a cluster, before it is conditioned on its own elements."""
    model = cluster.model
    factors = sorted({int(f) for f in model.equations.factor[cluster.equations]})
    elements = [e for f in factors for e in model.elements_of(model.forms[f].child.name)]
    place = {e: i for i, e in enumerate(elements)}
    count, size, rows = len(cluster.configurations), len(elements), values.shape[1]
    slopes = torch.zeros(count, size, size, dtype=torch.float64, device=device)
    noise, intercept = torch.zeros_like(slopes), slopes.new_zeros(count, size, rows)
    for f in factors:
        form = model.forms[f]
        configuration = torch.from_numpy(cluster.configurations[:, f].copy()).to(device)
        coefficients = form.coefficients.to(device).double()[configuration]
        at = torch.tensor([place[e] for e in model.elements_of(form.child.name)], device=device)
        regressors = [e for v in form.continuous for e in model.elements_of(v.name)]
        inside = [i for i, e in enumerate(regressors) if e in place]
        outside = [i for i, e in enumerate(regressors) if e not in place]
        columns = torch.tensor([place[regressors[i]] for i in inside], device=device).long()
        slopes[:, at[:, None], columns] = coefficients[..., inside]
        noise[:, at[:, None], at] = form.covariance.to(device).double()[configuration]
        constant = form.intercept.to(device).double()[configuration].unsqueeze(-1)
        fixed = values[[regressors[i] for i in outside]].to(device)
        part = (constant + coefficients[..., outside] @ fixed).expand(count, len(at), rows)
        intercept = intercept.index_add(1, at, part)
    through = torch.linalg.inv(torch.eye(size).to(slopes) - slopes)
    return JointNormal(elements, through @ intercept, through @ noise @ through.mT)


class Moments(NamedTuple):
    """What a cluster answers to rows in moment form, in the shapes of ``Answers``."""

    log_density: Float[Tensor, "configurations rows"]
    means: Float[Tensor, "configurations wanted rows"]
    covariances: Float[Tensor, "configurations patterns wanted wanted"]


def moments(
    cluster: Cluster,
    patterns: Patterns,
    values: Float[Tensor, "elements rows"],
    device: torch.device,
    wanted: list[int] | None = None,
) -> Moments:
    """Return densities, means and covariances given what each pattern observes.

    Raises
    ------
    GraphError
        If a covariance is singular, as far as doubles tell.
    """
    joint = joint_normal(cluster, values, device)
    wanted = wanted or []
    densities, means, covariances = [], [], []
    for i, (first, last) in enumerate(zip(patterns.first[:-1], patterns.first[1:], strict=True)):
        is_observed = patterns.observed[i]
        observed = [k for k, e in enumerate(joint.elements) if is_observed[e]]
        here = values[:, first:last].to(device)
        mean = joint.means[:, :, first:last]
        factor, failed = torch.linalg.cholesky_ex(joint.covariances[:, observed][:, :, observed])
        if bool((failed > 0).any()):
            raise GraphError(
                "a covariance of the observed variables is singular, which gradients and other "
                "devices do not allow: give them a positive variance, or use the CPU"
            )
        centred = here[[joint.elements[k] for k in observed]] - mean[:, observed]
        white = torch.linalg.solve_triangular(factor, centred, upper=False)
        logs = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) + 0.5 * len(observed) * _LOG_TWO_PI
        densities.append(-0.5 * white.square().sum(1) - logs.unsqueeze(-1))
        place = {e: k for k, e in enumerate(joint.elements)}
        columns = [place[e] for e in wanted]
        cross = torch.linalg.solve_triangular(
            factor, joint.covariances[:, observed][:, :, columns], upper=False
        )
        conditional = mean[:, columns] + cross.mT @ white
        fixed = torch.tensor(
            [bool(is_observed[e]) for e in wanted], dtype=torch.bool, device=device
        )
        means.append(torch.where(fixed[:, None], here[wanted].nan_to_num(), conditional))
        left = joint.covariances[:, columns][:, :, columns] - cross.mT @ cross
        covariances.append(left.masked_fill(fixed | fixed[:, None], 0.0))
    return Moments(torch.cat(densities, 1), torch.cat(means, 2), torch.stack(covariances, 1))
