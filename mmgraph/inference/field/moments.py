"""From statistics of units to what a posterior tells: marginals, means and variances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.field.block_gibbs import States
from mmgraph.inference.field.finiteness import check_finite
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.posterior import Moments


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

    The squares are those of :func:`second_moments`. What is not finite is an MmgraphError.
    """
    result = Moments({}, {}, {})
    for name in names:
        mean = means[name]
        check_finite(view, f"the mean of '{name}'", mean)
        if view.variables[name].is_discrete:
            result.marginals[name] = view.forms[name].marginals(mean)
        else:
            result.means[name] = mean
            result.variances[name] = (squares[name] - mean.square()).clamp_min(0.0)
            check_finite(view, f"the variance of '{name}'", result.variances[name])
    return result


class MomentSums:
    """Sums of means and squares of the distributions that states are drawn from.

    The states of variables that are clamped as a whole count as they are.
    """

    def __init__(self, view: FieldView, states: States) -> None:
        self.view = view
        self.fixed = {n: s.double() for n, s in states.items() if view.is_whole(n)}
        self.means = {
            n: torch.zeros_like(s, dtype=torch.float64)
            for n, s in states.items()
            if n not in self.fixed
        }
        self.squares = {
            n: torch.zeros_like(m)
            for n, m in self.means.items()
            if not view.variables[n].is_discrete
        }

    def add(self, name: str, mask: Tensor | None, natural: Tensor) -> None:
        """Add the distribution that a variable (or its masked elements) is drawn from."""
        view = self.view
        mean = view.clamp(name, view.families[name].mean(natural))
        if mask is not None:
            mean = mean * mask.to(mean.device).unsqueeze(-1)
        self.means[name] += mean
        if name in self.squares:
            self.squares[name] += view.second_moment_of(name, natural)

    def moments(
        self,
        rows: tuple[int, int],
        count: int,
        shares: Float[Tensor, "batch chains"] | None = None,
    ) -> Moments:
        """Return the averages over ``count`` sweeps and over the chains of each row.

        ``rows`` are the batch and its chains, which count evenly or by ``shares``; other rows that
        follow them do not count.
        """

        def average(total: Tensor) -> Tensor:
            chains = total[: rows[0] * rows[1]].unflatten(0, rows)
            if shares is None:
                return chains.mean(1)
            return torch.einsum("bc,bc...->b...", shares.to(chains), chains)

        means = {n: average(t) / count for n, t in self.means.items()}
        squares = {n: average(t) / count for n, t in self.squares.items()}
        for name, values in self.fixed.items():
            means[name], squares[name] = average(values), average(values.square())
        return moments(self.view, means, squares, self.view.variables)
