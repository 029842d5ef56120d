"""The numbers that the training of a Boltzmann machine begins with."""

from __future__ import annotations

import torch
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.graph.leaves.rectified_gaussian import RectifiedGaussian
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.networks.boltzmann.layers import WEIGHT_SCALE, balanced_scale

_LEAST_CHANCE = 1e-3
"""First biases of units that are always on, or never, say no more than this."""


@torch.no_grad()
def start(
    graph: FactorGraph,
    rows: TrainingRows,
    weight_scale: float | None,
    likelihood: bool,
    generator: torch.Generator,
) -> None:
    """Write small random weights, and biases with which units by themselves have their means.

    Parameters
    ----------
    weight_scale : float, optional
        The standard deviation of weights; by default one that suits the objective.
    likelihood : bool
        Whether that is the log-likelihood; else predictions are propagated back.
    """
    means = rows.means()
    scales: dict[str, Tensor] = {}
    for factor in graph.factors:
        if isinstance(factor, BiasFactor):
            name = factor.scope[0].name
            factor.bias.zero_()
            if factor.precision is not None:
                factor.precision.copy_(_first_precision(factor, rows))
                if factor.scope[0].family == "gaussian":
                    scales[name] = factor.precision.sqrt()
            if name in means:
                factor.bias.copy_(_first_bias(factor, means[name]))
    for factor in graph.factors:
        if not isinstance(factor, BilinearFactor):
            continue
        scale = weight_scale
        if scale is None:
            scale = WEIGHT_SCALE if likelihood else balanced_scale(factor)
        drawn = torch.randn(
            factor.weights.shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        factor.weights.copy_(scale * drawn)
        first, second = factor.scope
        if first.name in scales:
            wide = scales[first.name]
            factor.weights.mul_(wide.reshape(*wide.shape, *(1,) * (drawn.ndim - wide.ndim)))
        if second.name in scales:
            factor.weights.mul_(scales[second.name])


def _first_precision(factor: BiasFactor, rows: TrainingRows) -> Tensor:
    """Of Gaussian units the inverse variance; of rectified ones such that their size fits."""
    assert factor.precision is not None
    known = rows.clamped.get(factor.scope[0].name)
    if known is None:
        return torch.ones_like(factor.precision)
    values = known.values.double()
    here = torch.ones_like(values) if known.known is None else known.known.double()
    count = here.sum(0).clamp_min(1.0)
    squares = (values.square() * here).sum(0) / count
    if factor.scope[0].family == "gaussian":
        squares = squares - ((values * here).sum(0) / count).square()
    return 1 / squares.clamp_min(1e-12)


def _first_bias(factor: BiasFactor, mean: Tensor) -> Tensor:
    """The natural parameters of units with these means."""
    family = factor.scope[0].family
    mean = mean.double()
    if family == "bernoulli":
        return mean.logit(_LEAST_CHANCE)
    if family in ("categorical", "replicated_softmax"):
        chances = mean / mean.sum(-1, keepdim=True).clamp_min(1e-12)
        logarithms = chances.clamp_min(_LEAST_CHANCE / chances.shape[-1]).log()
        return logarithms - logarithms.mean(-1, keepdim=True)
    assert factor.precision is not None
    precision = factor.precision.double()
    if family == "gaussian":
        return precision * mean
    return RectifiedGaussian(precision).natural(mean.clamp_min(1e-3 / precision.sqrt()))
