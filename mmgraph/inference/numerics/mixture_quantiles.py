"""Quantiles of mixtures of normal densities, by Newton's method within a bracket."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

_STEPS = 100
"""Halvings after which an interval is as short as doubles tell."""

_NUMBERS_AT_ONCE = 1 << 20
"""Components of all quantiles that are sought together."""


class _Sought(NamedTuple):
    """Quantiles, each with a mixture of its own; a component without deviation is an atom."""

    weights: Float[Tensor, "quantiles components"]
    means: Float[Tensor, "quantiles components"]
    deviations: Float[Tensor, "quantiles components"]
    levels: Float[Tensor, " quantiles"]

    def some(self, which: Tensor) -> _Sought:
        """Return those of some quantiles."""
        return _Sought(*(t[which] for t in self))

    def probability(
        self, at: Float[Tensor, " quantiles"]
    ) -> tuple[Float[Tensor, " quantiles"], Float[Tensor, " quantiles"]]:
        """Return the probability below a number, and the density there times root of two pi."""
        away = at.unsqueeze(1) - self.means
        is_atom = self.deviations == 0
        spread = torch.where(is_atom, 1.0, self.deviations)
        scaled = away / spread
        below = torch.where(is_atom, (away >= 0).to(away), torch.special.ndtr(scaled))
        density = ((-0.5 * scaled.square()).exp() / spread).masked_fill(is_atom, 0.0)
        return (self.weights * below).sum(1), (self.weights * density).sum(1)


def mixture_quantiles(
    weights: Float[Tensor, "rows components"],
    means: Float[Tensor, "rows components elements"],
    variances: Float[Tensor, "rows components elements"],
    levels: Float[Tensor, " levels"],
) -> Float[Tensor, "rows elements levels"]:
    """Return the least numbers below which mixtures have the probabilities of some levels.

    Gradients reach weights, means, variances and levels by the implicit function theorem.
    """
    positive = variances > 0
    deviations = torch.where(positive, torch.where(positive, variances, 1.0).sqrt(), 0.0)
    if weights.shape[1] == 1:
        normal = torch.special.ndtri(levels)
        return (means.unsqueeze(-1) + deviations.unsqueeze(-1) * normal).squeeze(1)
    rows, components, elements = means.shape
    mixtures = (
        weights.unsqueeze(1).expand(-1, elements, -1).reshape(-1, components),
        means.mT.reshape(-1, components),
        deviations.mT.reshape(-1, components),
    )
    parts = []
    numbers = torch.arange(rows * elements * len(levels), device=means.device)
    for block in numbers.split(_NUMBERS_AT_ONCE // components + 1):
        each = [t[block // len(levels)] for t in mixtures]
        parts.append(_quantiles(_Sought._make([*each, levels[block % len(levels)]])))
    whole = torch.cat(parts) if parts else means.new_empty(0)
    return whole.reshape(rows, elements, len(levels))


def _quantiles(sought: _Sought) -> Float[Tensor, " quantiles"]:
    """Numbers with gradients: that of an atom is its mean's, of others ``-dF / density``."""
    with torch.no_grad():
        numbers, atom = _solutions(sought)
    chosen = sought.means.gather(1, atom.clamp_min(0).unsqueeze(1)).squeeze(1)
    if any(t.requires_grad for t in sought):
        below, density = sought.probability(numbers)
        excess = sought.levels - below
        slope = density.detach() / (2 * torch.pi) ** 0.5
        change = (excess - excess.detach()) / torch.where(slope > 0, slope, torch.inf)
        numbers = numbers + change
    return torch.where(atom >= 0, chosen, numbers)


def _solutions(
    sought: _Sought,
) -> tuple[Float[Tensor, " quantiles"], Int64[Tensor, " quantiles"]]:
    """The quantiles, and which component is the atom that a quantile is, or -1.

    Newton's method on the normal score of the probability, which of a single component is linear.
    Where a step leaves the bracket or is no shorter than half the last, the bracket is halved.
    """
    numbers, atom = torch.empty_like(sought.levels), torch.full_like(sought.levels, -1).long()
    active = torch.arange(len(numbers), device=numbers.device)
    each = sought.means + sought.deviations * torch.special.ndtri(sought.levels).unsqueeze(1)
    low = each.masked_fill(sought.weights == 0, torch.inf).amin(1)
    high = each.masked_fill(sought.weights == 0, -torch.inf).amax(1)
    at, step = 0.5 * (low + high), high - low
    for remaining in reversed(range(_STEPS)):
        below, density = sought.probability(at)
        reached = below >= sought.levels
        low, high = torch.where(reached, low, at), torch.where(reached, at, high)
        newton = _newton_step(below, density, sought.levels)
        solved = _is_solved(at, newton, below - sought.levels, sought.levels)
        moved = at - newton
        good = (moved > low) & (moved < high) & (2 * newton.abs() <= step.abs())
        middle = 0.5 * (low + high)
        at, last = torch.where(good, moved, middle), at
        step = torch.where(good, newton, high - low)
        closed = ((middle <= low) | (middle >= high) if remaining else ~solved) & ~solved
        numbers[active] = torch.where(solved, last, high)
        if bool(closed.any()):
            atom[active[closed]] = _atom(sought.some(closed), low[closed], high[closed])
        left = ~(solved | closed)
        if not bool(left.any()):
            break
        if not bool(left.all()):
            active, sought = active[left], sought.some(left)
            low, high, at, step = low[left], high[left], at[left], step[left]
    return numbers, atom


def _newton_step(
    below: Float[Tensor, " quantiles"],
    density: Float[Tensor, " quantiles"],
    levels: Float[Tensor, " quantiles"],
) -> Float[Tensor, " quantiles"]:
    """How far a number is beyond the quantile; no number where the density is zero."""
    score = torch.special.ndtri(below)
    return (score - torch.special.ndtri(levels)) * (-0.5 * score.square()).exp() / density


def _is_solved(
    at: Float[Tensor, " quantiles"],
    newton: Float[Tensor, " quantiles"],
    excess: Float[Tensor, " quantiles"],
    levels: Float[Tensor, " quantiles"],
) -> Bool[Tensor, " quantiles"]:
    """Whether a number is a quantile as nearly as the precision tells."""
    rounding = torch.finfo(at.dtype).eps
    return (excess.abs() <= rounding * levels) | (newton.abs() <= rounding * at.abs())


def _atom(
    sought: _Sought, low: Float[Tensor, " quantiles"], high: Float[Tensor, " quantiles"]
) -> Int64[Tensor, " quantiles"]:
    """The component that is an atom in a closed bracket, or -1."""
    inside = (sought.means >= low.unsqueeze(1)) & (sought.means <= high.unsqueeze(1))
    inside &= (sought.deviations == 0) & (sought.weights > 0)
    return torch.where(inside.any(1), inside.to(torch.int8).argmax(1), -1)
