"""Effects from saturated tables: every quantity is a sum over counts, whatever its distribution.

In a saturated model the plug-in estimate, inverse probability weighting and the doubly robust
estimate are one and the same number, and its influence function is the efficient one
(Hahn 1998; Robins, Rotnitzky and Zhao 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmgraph.causal.estimation.estimators.contrast import Contrast
from mmgraph.causal.estimation.estimators.intervals import Functional
from mmgraph.causal.estimation.estimators.sample import Sample

Batch = Float64[Tensor, "batch *cells"]


def _sums(weights: Batch, place: Int64[Tensor, " cells"], *shape: int) -> Batch:
    """Sum weights into a table, by the place of each distinct row."""
    size = 1
    for states in shape:
        size *= states
    table = weights.new_zeros(len(weights), size).index_add(1, place, weights)
    return table.reshape(len(weights), *shape)


def _ratio(numerator: Batch, denominator: Batch) -> Batch:
    """A quotient, zero where there is nothing to divide by."""
    present = denominator > 0
    return torch.where(present, numerator / torch.where(present, denominator, 1.0), 0.0)


class _Counts:
    """Weights and sums of the outcome in tables over some axes, of the rows in some arm."""

    def __init__(
        self, axes: Sequence[Int64[Tensor, " cells"]], shape: Sequence[int], values: Tensor
    ) -> None:
        place = torch.zeros_like(axes[0])
        inside = torch.ones_like(axes[0], dtype=torch.bool)
        for axis, states in zip(axes, shape, strict=True):
            place = place * states + axis
            inside &= axis >= 0
        self._inside, self._place = inside, place[inside]
        self._values, self._shape = values[inside], shape

    def __call__(self, weights: Batch) -> tuple[Batch, Batch]:
        """Return weight and mean in each cell; the mean is zero where there is no row."""
        inside = weights[:, self._inside]
        mass = _sums(inside, self._place, *self._shape)
        return mass, _ratio(_sums(inside * self._values, self._place, *self._shape), mass)


def back_door(
    sample: Sample, contrast: Contrast, adjustment: Sequence[str]
) -> tuple[Functional, Callable[[Batch], Batch]]:
    """Return the effect and both means, standardised over strata, and the weight of each stratum.

    Strata that lack one of the arms have no part: the effect is then that of the overlap.
    """
    stratum, labels = sample.strata(adjustment)
    arms = contrast.arms(sample)
    counts = _Counts((stratum, arms), (len(labels), 2), contrast.values(sample))

    def shares(weights: Batch) -> Batch:
        mass, _ = counts(weights)
        both = (mass > 0).all(-1)
        used = torch.where(both, _sums(weights, stratum, len(labels)), 0.0)
        return used / used.sum(-1, keepdim=True)

    def functional(weights: Batch) -> Batch:
        _, mean = counts(weights)
        means = (shares(weights)[..., None] * mean).sum(1)
        return torch.stack([means[:, 1] - means[:, 0], means[:, 1], means[:, 0]], 1)

    return functional, shares


def back_door_bounds(sample: Sample, contrast: Contrast, adjustment: Sequence[str]) -> Functional:
    """Return the least and largest effect, whatever the outcome is where an arm has no rows."""
    stratum, labels = sample.strata(adjustment)
    counts = _Counts((stratum, contrast.arms(sample)), (len(labels), 2), contrast.values(sample))
    extremes = torch.tensor(contrast.outcome_range, dtype=torch.float64)

    def functional(weights: Batch) -> Batch:
        mass, mean = counts(weights)
        total = _sums(weights, stratum, len(labels))
        share = (total / total.sum(-1, keepdim=True))[..., None]
        low, high = ((share * torch.where(mass > 0, mean, extreme)).sum(1) for extreme in extremes)
        return torch.stack([low[:, 1] - high[:, 0], high[:, 1] - low[:, 0]], 1)

    return functional


def natural_bounds(sample: Sample, contrast: Contrast) -> Functional:
    """Return the least and largest effect that rows of a confounded treatment allow (Manski 1990).

    Rows with another treatment might have had any outcome, had it been set.
    """
    arms, values = contrast.arms(sample), contrast.values(sample)
    least, most = contrast.outcome_range

    def functional(weights: Batch) -> Batch:
        share = weights / weights.sum(1, keepdim=True)
        ends = [
            [
                (share * torch.where(arms == arm, values, extreme)).sum(1)
                for extreme in (least, most)
            ]
            for arm in (0, 1)
        ]
        return torch.stack([ends[1][0] - ends[0][1], ends[1][1] - ends[0][0]], 1)

    return functional


def arm_weights(
    sample: Sample, contrast: Contrast, adjustment: Sequence[str]
) -> tuple[Float64[Tensor, "strata arms"], Float64[Tensor, " strata"]]:
    """Return the weight of baseline and active treatment in each stratum, and of the stratum."""
    stratum, labels = sample.strata(adjustment)
    arms, weights = contrast.arms(sample), sample.weights[None]
    inside = arms >= 0
    mass = _sums(weights[:, inside], (stratum * 2 + arms)[inside], len(labels), 2)
    return mass[0], _sums(weights, stratum, len(labels))[0]


def effective_sample_size(sample: Sample, contrast: Contrast, adjustment: Sequence[str]) -> float:
    """Return Kish's size of the weights that give each arm the strata of all rows."""
    stratum, _ = sample.strata(adjustment)
    arms = contrast.arms(sample)
    mass, total = arm_weights(sample, contrast, adjustment)
    balance = _ratio(total[:, None].expand_as(mass), mass)
    return sample.effective_size(balance[stratum, arms.clamp(min=0)] * (arms >= 0))


def front_door(
    sample: Sample, contrast: Contrast, mediators: Sequence[str]
) -> tuple[Functional, list[dict[str, Any]]]:
    """Return the effect and both means by the front-door formula (Pearl 1995); empty cells.

    ``sum_m P(m | x) sum_x' P(x') E[y | x', m]``; the second are the states of treatment and
    mediators that have no rows although the formula needs them.
    """
    treatment, states = sample.strata(contrast.treatments)
    mediator, mediated = sample.strata(mediators)
    values = contrast.values(sample)
    arms = contrast.arms(sample)
    by_arm = _Counts((arms, mediator), (2, len(mediated)), values)
    by_state = _Counts((treatment, mediator), (len(states), len(mediated)), values)

    def functional(weights: Batch) -> Batch:
        reached, _ = by_arm(weights)
        mass, mean = by_state(weights)
        # Where a bootstrap sample lacks a cell, the other treatments stand for it.
        prior = mass.sum(-1, keepdim=True) * (mass > 0)
        inner = _ratio((prior * mean).sum(1), prior.sum(1))
        means = (_ratio(reached, reached.sum(-1, keepdim=True)) * inner[:, None]).sum(-1)
        means = torch.where(reached.sum(-1) > 0, means, torch.nan)
        return torch.stack([means[:, 1] - means[:, 0], means[:, 1], means[:, 0]], 1)

    weights = sample.weights[None]
    needed = by_arm(weights)[0][0].sum(0) > 0
    lacking = (by_state(weights)[0][0] == 0) & needed
    return functional, [states[x] | mediated[m] for x, m in lacking.nonzero().tolist()]


def mediated(
    sample: Sample, contrast: Contrast, mediators: Sequence[str], adjustment: Sequence[str]
) -> tuple[Functional, list[dict[str, Any]], Bool[Tensor, " cells"]]:
    """Return total, natural direct and natural indirect effect by the mediation formula.

    Pearl (2001): with ``x`` against ``x'``, of each stratum the direct effect is ``sum_m
    (E[y | x, m] - E[y | x', m]) P(m | x')`` and the indirect one ``sum_m E[y | x', m]
    (P(m | x) - P(m | x'))``. The second are strata in which a state of the mediators has rows under
    one setting alone; they have no part. The third says which rows lie in the others.
    """
    stratum, labels = sample.strata(adjustment)
    mediator, mediated_states = sample.strata(mediators)
    shape = (len(labels), 2, len(mediated_states))
    counts = _Counts((stratum, contrast.arms(sample), mediator), shape, contrast.values(sample))

    def supported(mass: Batch) -> Bool[Tensor, "batch strata"]:
        present = mass > 0
        return (present[:, :, 0] == present[:, :, 1]).all(-1) & present.any(-1).all(-1)

    def functional(weights: Batch) -> Batch:
        mass, mean = counts(weights)
        used = torch.where(supported(mass), _sums(weights, stratum, len(labels)), 0.0)
        share = used / used.sum(-1, keepdim=True)
        reached = _ratio(mass, mass.sum(-1, keepdim=True))
        total = (mean * reached).sum(-1)
        direct = ((mean[:, :, 1] - mean[:, :, 0]) * reached[:, :, 0]).sum(-1)
        indirect = (mean[:, :, 0] * (reached[:, :, 1] - reached[:, :, 0])).sum(-1)
        parts = torch.stack([total[..., 1] - total[..., 0], direct, indirect], 1)
        return (share[:, None] * parts).sum(-1)

    inside = supported(counts(sample.weights[None])[0])[0]
    return functional, [labels[s] for s in (~inside).nonzero()[:, 0].tolist()], inside[stratum]
