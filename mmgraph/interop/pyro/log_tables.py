"""What real values say of discrete variables: a log-table a factor, with gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.leaves.unit_factors import unit_factors
from mmgraph.interop.pyro.configurations import configurations
from mmgraph.interop.pyro.node import PyroNode

if TYPE_CHECKING:
    LogTableOf = Callable[[Mapping[str, Tensor], int], Tensor]


def log_table_of(factor: Factor) -> LogTableOf:
    """Return the function from values ``(rows, *shape)`` and rows to a table ``(rows, *states)``.

    Raises
    ------
    GraphError
        If the factor makes its child a function of the parents: it has no density.
    """
    form = factor.linear_form()
    if form is not None:
        return _NormalTable(factor, form)
    density = factor.log_density if isinstance(factor, PyroNode) else _minus_energy(factor)

    def table(values: Mapping[str, Tensor], rows: int) -> Tensor:
        spread, states = configurations(factor.scope, values, rows)
        return density(spread).reshape(rows, *states)

    return table


def _minus_energy(factor: Factor) -> Callable[[Mapping[str, Tensor]], Tensor]:
    return lambda values: -factor.energy(values)


def noise_roots(factor: Factor, form: LinearForm) -> Float[Tensor, "configurations d d"]:
    """Return the lower Cholesky factors of the covariances, or raise GraphError if one has none."""
    inverse, variances = unit_factors(form.covariance.detach().double())
    if bool((variances == 0).any()):
        raise GraphError(
            f"{factor!r}: a variance is zero, so that '{form.child.name}' is a function of its "
            "parents and has no density; put the function into its children"
        )
    deviations = torch.diag_embed(variances.sqrt())
    root: Tensor = torch.linalg.solve_triangular(
        inverse, deviations, upper=False, unitriangular=True
    )
    return root


class _NormalTable:
    """Normal log-densities under every configuration of the discrete parents."""

    def __init__(self, factor: Factor, form: LinearForm) -> None:
        self.form = form
        self.states = tuple(v.cardinality for v in form.discrete)
        root = noise_roots(factor, form)
        unit = torch.eye(root.shape[-1], dtype=root.dtype).expand_as(root)
        self.whitening = torch.linalg.solve_triangular(root, unit, upper=False)
        logs = self.whitening.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        self.constant = logs - 0.5 * root.shape[-1] * math.log(2 * math.pi)
        self.intercept = form.intercept.detach().double()
        self.coefficients = form.coefficients.detach().double()
        if form.log_weights is not None:
            self.constant = self.constant + form.log_weights.detach().double().reshape(-1)

    def __call__(self, values: Mapping[str, Tensor], rows: int) -> Float[Tensor, "rows *states"]:
        residual = values[self.form.child.name].reshape(rows, 1, -1) - self.intercept
        if self.form.continuous:
            parts = [values[v.name].reshape(rows, -1) for v in self.form.continuous]
            residual = residual - torch.einsum(
                "kdq,rq->rkd", self.coefficients, torch.cat(parts, 1)
            )
        white = torch.einsum("kde,rke->rkd", self.whitening, residual)
        logs = self.constant - 0.5 * white.square().sum(-1)
        if self.form.log_weights is not None:
            logs = logs.reshape(rows, -1, self.form.log_weights.shape[-1]).logsumexp(-1)
        return logs.reshape(rows, *self.states)
