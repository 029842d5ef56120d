"""From statistics of units to what a posterior tells: marginals, means and variances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy

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


class MomentSums:
    """Sums of means and squares of the distributions that states are drawn from.

    Parameters
    ----------
    view : FieldView
    states : dict of str to Tensor
        Of every variable; those of variables clamped as a whole count as they are.
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
        kept = view.kept(name, view.families[name].mean(natural))
        if mask is not None:
            kept = kept * mask.to(kept.device).unsqueeze(-1)
        self.means[name] += kept
        if name in self.squares:
            square = view.second_moment_of(name, natural)
            self.squares[name] += square

    def rows(self, part: slice) -> MomentSums:
        """Return the sums of some of the rows."""
        chosen = copy(self)
        for field in ("fixed", "means", "squares"):
            setattr(chosen, field, {n: t[part] for n, t in getattr(self, field).items()})
        return chosen

    def moments(
        self,
        rows: tuple[int, int],
        count: int,
        shares: Float[Tensor, "batch chains"] | None = None,
    ) -> Moments:
        """Return the averages over ``count`` sweeps and over the chains of each row.

        Parameters
        ----------
        rows : (int, int)
            The batch, and the chains of each row of it.
        shares : Tensor, optional
            By what chains count; by default evenly.
        """

        def average(total: Tensor) -> Tensor:
            chains = total.unflatten(0, rows)
            if shares is None:
                return chains.mean(1)
            return torch.einsum("bc,bc...->b...", shares.to(chains), chains)

        means = {n: average(t) / count for n, t in self.means.items()}
        squares = {n: average(t) / count for n, t in self.squares.items()}
        for name, values in self.fixed.items():
            means[name], squares[name] = average(values), average(values.square())
        return moments(self.view, means, squares, self.view.variables)


def values_of(view: FieldView, name: str, statistics: Tensor) -> Tensor:
    """Return the state indices that statistics stand for, or the real values themselves."""
    variable = view.variables[name]
    if not variable.is_discrete:
        return statistics
    if name in view.compact and variable.family == "bernoulli":
        return statistics.long()
    return statistics.argmax(-1)
