"""Rectified Gaussian units: zero or positive, their mean a smooth rectifier of the field."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmgraph.graph.exponential_family import LEAST_CHANCE, RealFamily

_NEWTON_STEPS = 30
_TAIL = -5.0
"""Standardised fields below which moments are continued fractions of so many terms."""
_TERMS = 24
_TAIL_STEPS = 6
"""Newton's steps of a quantile there; five reach machine precision."""


class RectifiedGaussian(RealFamily):
    """Units that are zero or positive, of base measure ``exp(-precision x^2 / 2)``.

    Their mean is a smooth rectifier of the field (Su, Liao, Li, Gan and Carin 2017, "Unsupervised
    learning with truncated Gaussian graphical models", section 3).
    """

    def mean(self, natural: Tensor) -> Tensor:
        """Return the mean of the truncated Gaussian."""
        root = self.precision.sqrt()
        return _rectified_mean(natural / root) / root

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw by the inverse distribution function, in double precision."""
        root = self.precision.double().sqrt()
        standard = natural.double() / root
        uniform = 1 - torch.rand(
            natural.shape, generator=generator, device=natural.device, dtype=torch.float64
        )
        near = standard - torch.special.ndtri(uniform * torch.special.ndtr(standard))
        far = _tail_quantile(-standard.clamp_max(_TAIL), uniform.log())
        drawn = torch.where(standard < _TAIL, far, near).clamp_min(0.0) / root
        return drawn.to(natural.dtype)

    def log_partition(self, natural: Tensor) -> Tensor:
        """Return the logarithm of the integral over the positive half-line."""
        standard = natural / self.precision.sqrt()
        positive = standard.clamp_min(0.0)
        above = 0.5 * positive.square() + torch.special.log_ndtr(positive)
        below = torch.special.erfcx(-standard.clamp_max(0.0) * math.sqrt(0.5)).log() - math.log(2)
        return torch.where(standard > 0, above, below) + self._log_width

    def natural(self, mean: Tensor) -> Tensor:
        """Return the fields, found by Newton's steps."""
        target = mean * self.precision.sqrt()
        # The mean lies above max(0, field) and, for fields far below zero, is about -1 / field.
        standard = torch.where(target > 0.5, target, -1 / target.clamp_min(LEAST_CHANCE))
        for _ in range(_NEWTON_STEPS):
            mean = _rectified_mean(standard)
            slope = _rectified_square(standard) - mean.square()
            # The variance is at least about the mean's square where that is small, and at most 1.
            slope = slope.clamp_min(torch.finfo(mean.dtype).tiny)
            standard = (standard - (mean - target) / slope).clamp_min(-1 / LEAST_CHANCE)
        return standard * self.precision.sqrt()

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy relative to the base measure."""
        natural = self.natural(mean)
        return self.log_partition(natural) - natural * mean

    def mode(self, natural: Tensor) -> Tensor:
        """Return the rectified field over the precision."""
        return natural.clamp_min(0.0) / self.precision

    def second_moment(self, natural: Tensor, mean: Tensor) -> Tensor:
        """Return the expected square."""
        return _rectified_square(natural / self.precision.sqrt()) / self.precision


def _rectified_mean(standard: Tensor) -> Tensor:
    """The mean of a rectified unit of precision one."""
    distance = -standard.clamp_max(_TAIL)
    tail = 1 / (distance + _fraction(distance))
    return torch.where(standard < _TAIL, tail, standard + _inverse_mills(standard))


def _rectified_square(standard: Tensor) -> Tensor:
    """The mean square of a rectified unit of precision one."""
    distance = -standard.clamp_max(_TAIL)
    fraction = _fraction(distance)
    near = 1 + standard * (standard + _inverse_mills(standard))
    return torch.where(standard < _TAIL, fraction / (distance + fraction), near)


def _tail_quantile(distance: Tensor, log_chance: Tensor) -> Tensor:
    """What a standard normal above a distance exceeds it by, with a given chance of still more.

    Newton's method from an exponential distribution, which is above: the logarithm of the chance
    is concave, so that all steps go down.
    """
    at_start = torch.special.erfcx(distance * math.sqrt(0.5)).log()
    excess = -log_chance / distance
    for _ in range(_TAIL_STEPS):
        scaled = torch.special.erfcx((distance + excess) * math.sqrt(0.5))
        above = -excess * (distance + excess / 2) + scaled.log() - at_start
        excess = excess + (above - log_chance) * scaled * math.sqrt(math.pi / 2)
    return excess


def _fraction(distance: Tensor) -> Tensor:
    """What the inverse Mills ratio's reciprocal mean exceeds the distance from zero by.

    Laplace's continued fraction, ``2 / (t + 3 / (t + 4 / (t + ...)))``: far below zero the field
    and the inverse Mills ratio cancel, which it avoids.
    """
    fraction = torch.zeros_like(distance)
    for number in range(_TERMS, 1, -1):
        fraction = number / (distance + fraction)
    return fraction


def _inverse_mills(standard: Tensor) -> Tensor:
    """The density of a standard normal over its distribution function."""
    scaled = torch.special.erfcx(-standard.clamp_max(20.0) * math.sqrt(0.5))
    return math.sqrt(2 / math.pi) / scaled
