"""Machines whose log-partition functions are known by exact sums, for annealing to be held to."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn.functional import softplus

import mmgraph as mm

SIDE = 28


def strokes(hidden: int = 20, strength: float = 1.5, seed: int = 0) -> mm.FactorGraph:
    """A restricted machine of 784 pixels like a trained one of digits.

    Weights are oriented strokes with a dark surround, at places of their own; pixels are biased to
    be off, at the border the most, and hidden units support each other.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(*[torch.arange(SIDE).double()] * 2, indexing="ij")
    weights = torch.empty(SIDE, SIDE, hidden, dtype=torch.float64)
    for unit in range(hidden):
        place = 7 + 14 * torch.rand(2, generator=generator, dtype=torch.float64)
        angle = torch.pi * torch.rand((), generator=generator, dtype=torch.float64)
        across = (rows - place[0]) * angle.cos() + (columns - place[1]) * angle.sin()
        along = (columns - place[1]) * angle.cos() - (rows - place[0]) * angle.sin()
        envelope = (-(across / 2).square() / 2 - (along / 4).square() / 2).exp()
        weights[..., unit] = strength * envelope * (across / 1.5).cos()
    noise = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
    weights = (weights + 0.03 * noise).reshape(SIDE * SIDE, hidden)
    distance = ((rows - 13.5).square() + (columns - 13.5).square()).sqrt().reshape(-1)
    pixel_bias = -1.0 - 4.0 * (distance / 14).square().clamp_max(1.5)
    # By itself each hidden unit would be off; those that share pixels turn each other on.
    alone = softplus(pixel_bias.unsqueeze(1) + weights) - softplus(pixel_bias).unsqueeze(1)
    hidden_bias = -alone.sum(0) - 5.0
    return restricted(pixel_bias, hidden_bias, weights)


def restricted(pixel_bias: Tensor, hidden_bias: Tensor, weights: Tensor) -> mm.FactorGraph:
    """A machine of two Bernoulli layers."""
    pixels = mm.Variable("pixels", shape=tuple(pixel_bias.shape), family="bernoulli")
    hidden = mm.Variable("hidden", shape=tuple(hidden_bias.shape), family="bernoulli")
    return mm.FactorGraph(
        [pixels, hidden],
        [
            mm.BiasFactor(pixels, pixel_bias),
            mm.BiasFactor(hidden, hidden_bias),
            mm.BilinearFactor(pixels, hidden, weights),
        ],
    )


def deep(family: str, layers: tuple[int, ...], scale: float, seed: int = 0) -> mm.FactorGraph:
    """A visible layer of a family below Bernoulli layers, joined one to the next."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    variables = [mm.Variable("v", shape=layers[:1], family=family)]  # type: ignore[arg-type]
    variables += [
        mm.Variable(f"h{i}", shape=(n,), family="bernoulli") for i, n in enumerate(layers[1:], 1)
    ]
    precision = 1 + drawn(layers[0]).square() if "gaussian" in family else None
    factors: list = [mm.BiasFactor(variables[0], drawn(layers[0]), precision, length=20)]
    factors += [mm.BiasFactor(v, drawn(v.size)) for v in variables[1:]]
    factors += [
        mm.BilinearFactor(a, b, drawn(a.size, b.size)) for a, b in itertools.pairwise(variables)
    ]
    return mm.FactorGraph(variables, factors)
