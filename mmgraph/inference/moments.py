"""From statistics of units to what a posterior tells: marginals, means and variances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.field_view import FieldView
from mmgraph.inference.finiteness import check_finite


class Moments(NamedTuple):
    """What is known of variables.

    Attributes
    ----------
    marginals : dict of str to Tensor
        Of discrete variables, ``(batch, *shape, states)``.
    means, variances : dict of str to Tensor
        Of the others, ``(batch, *shape)``.
    """

    marginals: dict[str, Float[Tensor, "batch *shape states"]]
    means: dict[str, Float[Tensor, "batch *shape"]]
    variances: dict[str, Float[Tensor, "batch *shape"]]

    def of(self, names: Iterable[str]) -> Moments:
        """Return what is known of some of the variables."""
        wanted = list(names)
        return Moments(*({n: part[n] for n in wanted if n in part} for part in self))


def joined_moments(blocks: Sequence[Moments]) -> Moments:
    """Return what is known of the rows of all blocks, which know of the same variables."""
    first = blocks[0]
    return Moments(
        *(
            {n: torch.cat([block[part][n] for block in blocks]) for n in first[part]}
            for part in range(len(first))
        )
    )


def second_moments(
    view: FieldView, statistics: Mapping[str, Tensor], names: Iterable[str]
) -> dict[str, Float[Tensor, "batch *shape"]]:
    """Return expected squares of the variables among ``names`` that have no states."""
    return {
        n: view.second_moment(n, statistics) for n in names if not view.variables[n].is_discrete
    }


def moments(
    view: FieldView,
    means: Mapping[str, Tensor],
    squares: Mapping[str, Tensor],
    names: Iterable[str],
) -> Moments:
    """Return what mean statistics and expected squares say of some variables.

    Parameters
    ----------
    view : FieldView
        Knows how variables are kept.
    means : mapping of str to Tensor
        Mean statistics, ``(batch, ...)``.
    squares : mapping of str to Tensor
        Mean squares of variables without states, see :func:`second_moments`.
    names : iterable of str
        The variables wanted.

    Raises
    ------
    MmgraphError
        If a mean or a variance is not finite.
    """
    found = Moments({}, {}, {})
    for name in names:
        variable, mean = view.variables[name], means[name]
        check_finite(view, f"the mean of '{name}'", mean)
        if not variable.is_discrete:
            found.means[name] = mean
            found.variances[name] = (squares[name] - mean.square()).clamp_min(0.0)
            check_finite(view, f"the variance of '{name}'", found.variances[name])
        elif variable.family == "bernoulli" and name in view.compact:
            chance = mean.clamp(0.0, 1.0)  # a sum of shares may exceed one by rounding
            found.marginals[name] = torch.stack([1 - chance, chance], -1)
        else:
            found.marginals[name] = mean
    return found
