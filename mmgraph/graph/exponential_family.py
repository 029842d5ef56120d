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
LEAST_CHANCE = 1e-6
"""Chances nearer to zero than this are taken for it where natural parameters are asked for."""


class ExponentialFamily(abc.ABC):
    """The distribution of the units of one variable, given their natural parameters.

    Attributes
    ----------
    inner : int
        How many trailing axes belong to one unit: 1 for states and words, else 0.
    lengths : Tensor or None
        The words of each document, ``(batch,)``; None of units that are no word counts.
    """

    inner = 0
    lengths: Float[Tensor, " batch"] | None = None

    def of_rows(self, rows: slice) -> ExponentialFamily:
        """Return the family of some of the rows."""
        return self

    def of_values(self, values: Float[Tensor, "batch ..."]) -> ExponentialFamily:
        """Return the family of units that have these values: of documents, their lengths."""
        return self

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
        return mean.logit(LEAST_CHANCE)

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
        return mean.clamp_min(LEAST_CHANCE).log()

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


class RealFamily(ExponentialFamily):
    """Real units of base measure ``exp(-precision x^2 / 2)``, on the line or a part of it.

    Parameters
    ----------
    precision : Tensor, shape (*shape)
        Positive.
    """

    def __init__(self, precision: Float[Tensor, "*shape"]) -> None:
        self.precision = precision

    def log_base(self, values: Tensor) -> Tensor:
        """Return ``-precision x^2 / 2``."""
        return -0.5 * self.precision * values.square()

    @property
    def _log_width(self) -> Tensor:
        """The logarithm of the base measure's integral over the whole line."""
        return _HALF_LOG_TWO_PI - 0.5 * self.precision.log()


class Gaussian(RealFamily):
    """Real units on the whole line."""

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

    def second_moment(self, natural: Tensor, mean: Tensor) -> Tensor:
        """Return the square of the mean and the variance."""
        return mean.square() + 1 / self.precision


class ReplicatedSoftmax(ExponentialFamily):
    """The word counts of a document, its words drawn independently of each other given the field.

    Salakhutdinov and Hinton (2009), "Replicated softmax: an undirected topic model", section 2.

    Parameters
    ----------
    lengths : Tensor, shape (batch,)
        The words of each document.
    """

    inner = 1

    lengths: Float[Tensor, " batch"]

    def __init__(self, lengths: Float[Tensor, " batch"]) -> None:
        self.lengths = lengths

    def of_rows(self, rows: slice) -> ReplicatedSoftmax:
        """As :meth:`ExponentialFamily.of_rows`."""
        return ReplicatedSoftmax(self.lengths[rows])

    def of_values(self, values: Tensor) -> ReplicatedSoftmax:
        """As :meth:`ExponentialFamily.of_values`."""
        return ReplicatedSoftmax(values.sum(-1))

    def mean(self, natural: Tensor) -> Tensor:
        """Return the expected counts."""
        return natural.softmax(-1) * self.lengths.unsqueeze(-1)

    def natural(self, mean: Tensor) -> Tensor:
        """Return the words' log-probabilities."""
        chances = mean / mean.sum(-1, keepdim=True).clamp_min(LEAST_CHANCE)
        return chances.clamp_min(LEAST_CHANCE).log()

    def sample(self, natural: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw counts; at a cost that does not grow with them beyond that of the vocabulary."""
        longest = max(int(self.lengths.max()), 1)
        chances = natural.softmax(-1)
        if longest > natural.shape[-1]:
            return _multinomial(self.lengths.to(chances), chances, generator)
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
        for placed in range(int(left.max())):
            place = (chances / (counts + 1)).argmax(-1, keepdim=True)
            counts = counts.scatter_add(-1, place, (left > placed).to(counts.dtype).unsqueeze(-1))
        return counts


def _multinomial(
    lengths: Float[Tensor, " batch"],
    chances: Float[Tensor, "batch words"],
    generator: torch.Generator | None,
) -> Float[Tensor, "batch words"]:
    """Draw counts that sum to these lengths, one binomial number a node of a tree over the words.

    The words below a node are shared out between its two halves, level by level: the parts of a
    multinomial count are binomial given their sum (Devroye 1986, "Non-uniform random variate
    generation", chapter XI.1.4).
    """
    words = chances.shape[-1]
    levels = max(words - 1, 1).bit_length()
    masses = [torch.nn.functional.pad(chances, (0, 2**levels - words))]
    for _ in range(levels):
        masses.append(masses[-1].unflatten(-1, (-1, 2)).sum(-1))
    counts = lengths.unsqueeze(-1)
    for below in reversed(masses[:-1]):
        halves = below.unflatten(-1, (-1, 2))
        whole = halves.sum(-1)
        share = (halves[..., 0] / whole.clamp_min(torch.finfo(whole.dtype).tiny)).clamp(0.0, 1.0)
        first = torch.binomial(counts, share, generator=generator)
        counts = torch.stack([first, counts - first], -1).flatten(-2)
    return counts[..., :words]


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
