"""The numbers that the training of a Boltzmann machine begins with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor, biases
from mmgraph.graph.factors.bilinear import BilinearFactor, bilinear_factors
from mmgraph.graph.leaves.rectified_gaussian import RectifiedGaussian
from mmgraph.learning.boltzmann.training_rows import TrainingRows, moments

WEIGHT_SCALE = 0.01
"""The standard deviation of first weights (Hinton 2012, "A practical guide to training restricted
Boltzmann machines", section 8)."""
_LEAST_CHANCE = 1e-3
"""First biases of units that are always on, or never, say no more than this."""


@torch.no_grad()
def write_initial_parameters(
    graph: FactorGraph,
    rows: TrainingRows,
    weight_scale: float | None,
    likelihood: bool,
    generator: torch.Generator,
) -> None:
    """Write small random weights, and biases with which units by themselves have their means.

    The standard deviation of weights suits by default the objective: the likelihood, or else
    predictions that are propagated back.
    """
    means = rows.means()
    scales: dict[str, Tensor] = {}
    for bias in biases(graph.factors):
        name = bias.scope[0].name
        bias.bias.zero_()
        if bias.precision is not None:
            bias.precision.copy_(_first_precision(bias, rows))
            if bias.scope[0].family == "gaussian":
                scales[name] = bias.precision.sqrt()
        if name in means:
            bias.bias.copy_(_first_bias(bias, means[name]))
    for factor in bilinear_factors(graph.factors):
        scale = weight_scale
        if scale is None:
            scale = WEIGHT_SCALE if likelihood else _balanced_scale(factor)
        drawn = torch.randn(
            factor.weights.shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        factor.weights.copy_(scale * drawn)
        for end, variable in enumerate(factor.scope):
            if variable.name in scales:
                wide = scales[variable.name]
                axes = (1,) * (drawn.ndim - wide.ndim if end == 0 else 0)
                factor.weights.mul_(wide.reshape(*wide.shape, *axes))


def _first_precision(factor: BiasFactor, rows: TrainingRows) -> Tensor:
    """Of Gaussian units the inverse variance; of rectified ones such that their size fits."""
    assert factor.precision is not None
    known = rows.clamped.get(factor.scope[0].name)
    if known is None:
        return torch.ones_like(factor.precision)
    _, mean, squares = moments(known)
    if factor.scope[0].family == "gaussian":
        squares = squares - mean.square()
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


def _balanced_scale(factor: BilinearFactor) -> float:
    """A scale at which signals neither grow nor fade from layer to layer, up and down.

    Half the variance of Glorot and Bengio (2010), "Understanding the difficulty of training deep
    feedforward neural networks", section 4.2: a unit between two layers hears both.
    """
    ends = [math.prod(statistics_shape(v)) for v in factor.scope]
    return 1 / math.sqrt(sum(ends))
