"""Posteriors of the parameters of a network, in closed form from complete rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion, warn_caller
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.options import check_type
from mmgraph.learning.conditionals.parameters import CompleteStatistics
from mmgraph.learning.conditionals.priors import LeafOptions, Prior
from mmgraph.learning.regression.estimated_centre import with_estimated_centre
from mmgraph.learning.regression.fit import regression_posterior
from mmgraph.learning.regression.prior import RegressionPrior


class FixedParametersWarning(UserWarning):
    """Distributions that have no posterior in closed form, and stay as they were fitted."""


class DistributionPosterior(Protocol):
    """What is believed of the parameters of one distribution."""

    def mean(self) -> Factor:
        """Return the distribution with the expected parameters."""

    def sample(self, generator: torch.Generator | None = None) -> Factor:
        """Return the distribution with parameters drawn from the posterior."""


@dataclass(frozen=True, eq=False)
class DirichletPosterior:
    """The rows of a conditional table, each a Dirichlet distribution by itself.

    Attributes
    ----------
    factor : TableFactor
        Its variables.
    counts : Tensor, shape (*states)
        The parameters, with the table's axes: pseudo-counts and rows.
    """

    factor: TableFactor
    counts: Float64[Tensor, "*states"]

    @property
    def _axis(self) -> int:
        return next(i for i, v in enumerate(self.factor.scope) if v is self.factor.child)

    def _table(self, values: Tensor) -> TableFactor:
        return TableFactor(self.factor.scope, values, child=self.factor.child)

    def mean(self) -> TableFactor:
        """Return the table of expected probabilities."""
        return self._table(self.counts / self.counts.sum(self._axis, keepdim=True))

    def sample(self, generator: torch.Generator | None = None) -> TableFactor:
        """Return a table drawn from the posterior."""
        check_type("generator", generator, "torch.Generator | None")
        # Gamma(a) is Gamma(a + 1) times a power of a uniform number, whose logarithm is finite.
        gamma = torch._standard_gamma(self.counts + 1, generator=generator)
        uniform = torch.rand(self.counts.shape, generator=generator, dtype=torch.float64)
        log = gamma.log() + (1 - uniform).log() / self.counts
        return self._table(log.softmax(self._axis))

    def interval(self, level: float = 0.95) -> Float64[np.ndarray, "*states ends"]:
        """Return central intervals of the probabilities, each by itself.

        Parameters
        ----------
        level : float, default 0.95
            How probable it is that a probability lies within, by itself.

        Returns
        -------
        ndarray, shape (*states, 2)
            The axes are those of the table, the last one is that of the lower and the upper end.

        Raises
        ------
        LearningError
            If the level does not lie between 0 and 1.
        """
        from scipy import stats

        if not 0 < level < 1:
            raise LearningError(f"a level lies between 0 and 1, not at {level}")
        others = self.counts.sum(self._axis, keepdim=True) - self.counts
        ends = [(1 - level) / 2, (1 + level) / 2]
        quantiles = stats.beta.ppf(ends, self.counts.unsqueeze(-1), others.unsqueeze(-1))
        return np.asarray(quantiles)


@dataclass(frozen=True, eq=False)
class FixedParameters:
    """A distribution whose parameters are taken to be known."""

    factor: Factor

    def mean(self) -> Factor:
        """Return the distribution itself."""
        return self.factor

    def sample(self, generator: torch.Generator | None = None) -> Factor:
        """Return the distribution itself."""
        return self.factor


class ParameterPosterior(Mapping[str, DistributionPosterior]):
    """What is believed of a network's parameters: a record for each child, independent of others.

    ``posterior["rain"].sample(generator)`` draws a distribution, ``.mean()`` is the expected one,
    ``.interval(level)`` has the ends of intervals.
    """

    def __init__(self, parts: Mapping[str, DistributionPosterior]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> DistributionPosterior:
        if name not in self._parts:
            hint = suggestion(name, self._parts)
            raise UnknownVariableError(f"there is no distribution of '{name}'{hint}")
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def with_fixed(self, distributions: Mapping[str, Factor]) -> ParameterPosterior:
        """Return the posterior with some distributions in the place of others, taken as known."""
        fixed = {name: FixedParameters(factor) for name, factor in distributions.items()}
        return ParameterPosterior({**self._parts, **fixed})

    def sample(self, generator: torch.Generator | None = None) -> list[Factor]:
        """Return all distributions with parameters drawn from their posteriors."""
        check_type("generator", generator, "torch.Generator | None")
        return [part.sample(generator) for part in self._parts.values()]


def parameter_posterior(
    statistics: CompleteStatistics,
    learned: list[Factor],
    prior: Prior,
    options: LeafOptions,
) -> ParameterPosterior:
    """Return posteriors of the distributions that complete rows were counted for.

    Those of tables are Dirichlet: with the pseudo-counts of the prior, or where it has none uniform
    ones, of which the learned table is the mode. Those of linear Gaussian distributions are
    Normal-inverse-gamma (-Wishart), by the prior whose strength the data says; what configurations
    of discrete parents have in common is as uncertain as their rows leave it.

    Parameters
    ----------
    statistics : CompleteStatistics
    learned : list of Factor
        What was fitted, in the same order.
    prior, options
        As for the fit.

    Warns
    -----
    FixedParametersWarning
        If a distribution has no closed form: it stays as it was fitted.

    Raises
    ------
    LearningError
        If covariances are shrunk by a number, or rows are too few for a posterior without a prior.
    """
    if options.shrinkage and statistics.regressions:
        raise LearningError(
            f"shrinkage by {options.shrinkage:g} is no prior: parameters have a posterior where "
            "the data says how far to shrink, or nothing is shrunk"
        )
    parts: dict[str, DistributionPosterior] = {}
    fixed = []
    for i, factor in enumerate(learned):
        assert factor.child is not None
        name = factor.child.name
        if type(factor) is TableFactor:
            pseudo = prior.counts(factor)
            pseudo = pseudo if bool(pseudo.any()) else torch.ones_like(pseudo)
            parts[name] = _dirichlet(factor, pseudo + statistics.counts[i].to(pseudo))
        elif isinstance(factor, LinearGaussian):
            rows = statistics.regressions[i]
            shrinkage = options.of_regression(factor, rows, prior)
            posterior = regression_posterior(factor, rows, shrinkage, options.floor)
            posterior = posterior.check_proper()
            if isinstance(shrinkage, RegressionPrior) and not prior.equivalent_sample_size:
                posterior = with_estimated_centre(posterior, rows)
            parts[name] = posterior
        else:
            parts[name] = FixedParameters(factor)
            fixed.append(repr(factor))
    if fixed:
        warn_caller(
            f"the parameters of {', '.join(fixed[:5])} have no posterior in closed form: they stay "
            "as they were fitted",
            FixedParametersWarning,
        )
    return ParameterPosterior(parts)


def _dirichlet(factor: TableFactor, counts: Tensor) -> DirichletPosterior:
    if not bool((counts > 0).all()):
        raise LearningError(
            f"a cell of {factor!r} has neither rows nor pseudo-counts: its probability has no "
            "posterior; pseudo_counts above 0 for all of its cells give one"
        )
    return DirichletPosterior(factor, counts)
