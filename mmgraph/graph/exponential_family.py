"""The exponential families of units: means, samples and log-partition functions of their fields.

A family is asked with natural parameters, one a unit (a row of them for a categorical unit or a
document), and answers with statistics of the same shape. What depends on the value alone, the base
measure, is kept here: the precision of a Gaussian unit, the length of a document.
"""

from __future__ import annotations

import abc
import math

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.variable import Variable

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_LEAST_CHANCE = 1e-6
"""Chances nearer to zero than this are taken for it where natural parameters are asked for."""
_NEWTON_STEPS = 30
_TAIL = -5.0
"""Standardised fields below which moments are continued fractions of so many terms."""
_TERMS = 24
_TAIL_STEPS = 6
"""Newton's steps of a quantile there; five reach machine precision."""


class ExponentialFamily(abc.ABC):
    """The distribution of the units of one variable, given their natural parameters.

    Attributes
    ----------
    inner : int
        How many trailing axes belong to one unit: 1 for states and words, else 0.
    """

    inner = 0

    @abc.abstractmethod
    def mean(self, natural: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return the expected statistics."""

    @abc.abstractmethod
    def sample(
        self, natural: Float[Tensor, "batch ..."], generator: torch.Generator | None
    ) -> Float[Tensor, "batch ..."]:
        """Draw statistics: 0 or 1, one-hot rows, real values, counts."""

    @abc.abstractmethod
    def log_partition(self, natural: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return the logarithm of each unit's sum (integral) over its values."""

    @abc.abstractmethod
    def entropy(self, mean: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return each unit's entropy relative to its base measure, from its mean.

        It is what the log-partition function exceeds ``natural * mean`` by.
        """

    @abc.abstractmethod
    def natural(self, mean: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return natural parameters with these means (nearly, where a mean is at its limit)."""

    def log_base(self, values: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return the logarithm of the base measure at each unit's value."""
        return torch.zeros_like(values[..., 0] if self.inner else values)

    def mode(self, natural: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return the statistics of each unit's most probable value."""
        return self.mean(natural)

    def second_moment(
        self, natural: Float[Tensor, "batch ..."], mean: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, "batch ..."]:
        """Return the expected square of each unit: what a precision is learned from."""
        raise GraphError(f"{type(self).__name__} has no precision")


class Bernoulli(ExponentialFamily):
    """Units that are 0 or 1; the natural parameter is the log-odds."""

    def mean(self, natural: Tensor) -> Tensor:
        """Return the probabilities of 1."""
        return natural.sigmoid()

    def natural(self, mean: Tensor) -> Tensor:
        """Return the log-odds."""
        return mean.logit(_LEAST_CHANCE)

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw 0 or 1."""
        chance = natural.sigmoid()
        uniform = torch.rand(
            chance.shape, generator=generator, device=chance.device, dtype=chance.dtype
        )
        return uniform.lt_(chance)

    def log_partition(self, natural: Tensor) -> Tensor:
        """Return ``log(1 + exp(natural))``."""
        return torch.nn.functional.softplus(natural, threshold=40.0)

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy in nats."""
        return torch.special.entr(mean) + torch.special.entr(1 - mean)

    def mode(self, natural: Tensor) -> Tensor:
        """Return 1 where that is the more probable."""
        return (natural > 0).to(natural.dtype)


class Categorical(ExponentialFamily):
    """Units with several states; natural parameters and statistics have a last axis over them."""

    inner = 1

    def mean(self, natural: Tensor) -> Tensor:
        """Return the probabilities of the states."""
        return natural.softmax(-1)

    def natural(self, mean: Tensor) -> Tensor:
        """Return log-probabilities."""
        return mean.clamp_min(_LEAST_CHANCE).log()

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw one-hot rows: the first of exponential clocks to ring; rate zero never does."""
        chances = natural.softmax(-1)
        clocks = torch.empty_like(chances).exponential_(generator=generator)
        return one_hot((chances / clocks).argmax(-1), chances.shape[-1], chances.dtype)

    def log_partition(self, natural: Tensor) -> Tensor:
        """Return the logarithm of the sum over the states."""
        return natural.logsumexp(-1)

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy in nats."""
        return torch.special.entr(mean).sum(-1)

    def mode(self, natural: Tensor) -> Tensor:
        """Return the most probable state, one-hot."""
        return one_hot(natural.argmax(-1), natural.shape[-1], natural.dtype)


class Gaussian(ExponentialFamily):
    """Real units of base measure ``exp(-precision x^2 / 2)``.

    Parameters
    ----------
    precision : Tensor, shape (*shape)
        Positive.
    """

    def __init__(self, precision: Float[Tensor, "*shape"]) -> None:
        self.precision = precision

    def mean(self, natural: Tensor) -> Tensor:
        """Return ``natural / precision``."""
        return natural / self.precision

    def natural(self, mean: Tensor) -> Tensor:
        """Return ``mean * precision``."""
        return mean * self.precision

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw real values."""
        noise = torch.randn(
            natural.shape, generator=generator, device=natural.device, dtype=natural.dtype
        )
        return natural / self.precision + noise * self.precision.rsqrt()

    def log_partition(self, natural: Tensor) -> Tensor:
        """Return the logarithm of the integral."""
        return natural.square() / (2 * self.precision) + self._log_width

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy relative to the base measure."""
        return self._log_width - 0.5 * self.precision * mean.square()

    def log_base(self, values: Tensor) -> Tensor:
        """Return ``-precision x^2 / 2``."""
        return -0.5 * self.precision * values.square()

    def second_moment(self, natural: Tensor, mean: Tensor) -> Tensor:
        """Return the square of the mean and the variance."""
        return mean.square() + 1 / self.precision

    @property
    def _log_width(self) -> Tensor:
        return _HALF_LOG_TWO_PI - 0.5 * self.precision.log()


class RectifiedGaussian(ExponentialFamily):
    """Units that are zero or positive, of base measure ``exp(-precision x^2 / 2)``.

    Their mean is a smooth rectifier of the field (Su, Liao, Li, Gan and Carin 2017, "Unsupervised
    learning with truncated Gaussian graphical models", section 3).

    Parameters
    ----------
    precision : Tensor, shape (*shape)
        Positive.
    """

    def __init__(self, precision: Float[Tensor, "*shape"]) -> None:
        self.precision = precision

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
        standard = torch.where(target > 0.5, target, -1 / target.clamp_min(_LEAST_CHANCE))
        for _ in range(_NEWTON_STEPS):
            mean = _rectified_mean(standard)
            slope = _rectified_square(standard) - mean.square()
            # The variance is at least about the mean's square where that is small, and at most 1.
            slope = slope.clamp_min(torch.finfo(mean.dtype).tiny)
            standard = (standard - (mean - target) / slope).clamp_min(-1 / _LEAST_CHANCE)
        return standard * self.precision.sqrt()

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy relative to the base measure."""
        natural = self.natural(mean)
        return self.log_partition(natural) - natural * mean

    def log_base(self, values: Tensor) -> Tensor:
        """Return ``-precision x^2 / 2``."""
        return -0.5 * self.precision * values.square()

    def mode(self, natural: Tensor) -> Tensor:
        """Return the rectified field over the precision."""
        return natural.clamp_min(0.0) / self.precision

    def second_moment(self, natural: Tensor, mean: Tensor) -> Tensor:
        """Return the expected square."""
        return _rectified_square(natural / self.precision.sqrt()) / self.precision

    @property
    def _log_width(self) -> Tensor:
        return _HALF_LOG_TWO_PI - 0.5 * self.precision.log()


class ReplicatedSoftmax(ExponentialFamily):
    """The word counts of a document, its words drawn independently of each other given the field.

    Salakhutdinov and Hinton (2009), "Replicated softmax: an undirected topic model", section 2.

    Parameters
    ----------
    lengths : Tensor, shape (batch,)
        The words of each document.
    """

    inner = 1

    def __init__(self, lengths: Float[Tensor, " batch"]) -> None:
        self.lengths = lengths

    def mean(self, natural: Tensor) -> Tensor:
        """Return the expected counts."""
        return natural.softmax(-1) * self.lengths.unsqueeze(-1)

    def natural(self, mean: Tensor) -> Tensor:
        """Return the words' log-probabilities."""
        chances = mean / mean.sum(-1, keepdim=True).clamp_min(_LEAST_CHANCE)
        return chances.clamp_min(_LEAST_CHANCE).log()

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw counts."""
        longest = max(int(self.lengths.max()), 1)
        chances = natural.softmax(-1)
        words = torch.multinomial(chances, longest, replacement=True, generator=generator)
        counted = torch.arange(longest, device=natural.device) < self.lengths.unsqueeze(-1)
        counts = torch.zeros_like(natural)
        return counts.scatter_add_(1, words, counted.to(natural.dtype).expand(words.shape))

    def log_partition(self, natural: Tensor) -> Tensor:
        """Return the logarithm of the sum over all count vectors of this length."""
        return natural.logsumexp(-1) * self.lengths

    def entropy(self, mean: Tensor) -> Tensor:
        """Return the entropy relative to the base measure: that of the words in their order."""
        lengths = self.lengths.clamp_min(1.0)
        return torch.special.entr(mean / lengths.unsqueeze(-1)).sum(-1) * lengths

    def second_moment(self, natural: Tensor, mean: Tensor) -> Tensor:
        """Return the expected square of each count."""
        return mean.square() + mean * (1 - natural.softmax(-1))

    def log_base(self, values: Tensor) -> Tensor:
        """Return the logarithm of the number of orders that the words may have."""
        return log_orders(values)

    def mode(self, natural: Tensor) -> Tensor:
        """Return the most probable counts.

        None is below the mean rounded down (Feller 1968, "An introduction to probability theory",
        chapter VI.10, exercise 28); the words left go where the next one costs least.
        """
        chances = natural.softmax(-1)
        counts = (chances * self.lengths.unsqueeze(-1)).floor()
        left = (self.lengths - counts.sum(-1)).round()
        for given in range(int(left.max())):
            place = (chances / (counts + 1)).argmax(-1, keepdim=True)
            counts = counts.scatter_add(-1, place, (left > given).to(counts.dtype).unsqueeze(-1))
        return counts


def log_orders(counts: Float[Tensor, "batch words"]) -> Float[Tensor, " batch"]:
    """Return the logarithm of the multinomial coefficient of each row of counts."""
    return torch.lgamma(counts.sum(-1) + 1) - torch.lgamma(counts + 1).sum(-1)


def statistics_shape(variable: Variable) -> tuple[int, ...]:
    """Return the shape of one row of a variable's statistics in factors between layers.

    States have an axis of their own, except those of Bernoulli variables, whose mean says all.
    """
    if variable.family == "categorical":
        return (*variable.shape, variable.cardinality)
    return variable.shape


def statistics_of(
    variable: Variable, values: Tensor, dtype: torch.dtype
) -> Float[Tensor, "batch ..."]:
    """Return the sufficient statistics of state indices or real values ``(batch, *shape)``."""
    if variable.family == "categorical":
        return one_hot(values.long(), variable.cardinality, dtype)
    return values.to(dtype)


def one_hot(codes: Tensor, states: int, dtype: torch.dtype) -> Float[Tensor, "... states"]:
    """Return one-hot rows in a floating type."""
    result = torch.zeros(*codes.shape, states, dtype=dtype, device=codes.device)
    return result.scatter_(-1, codes.unsqueeze(-1), 1.0)


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
    found = torch.zeros_like(distance)
    for number in range(_TERMS, 1, -1):
        found = number / (distance + found)
    return found


def _inverse_mills(standard: Tensor) -> Tensor:
    """The density of a standard normal over its distribution function."""
    scaled = torch.special.erfcx(-standard.clamp_max(20.0) * math.sqrt(0.5))
    return math.sqrt(2 / math.pi) / scaled
