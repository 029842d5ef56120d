"""Effects by regression, where a saturated table is too large or a variable is continuous.

All regressions are functions of the rows' weights, with derivatives: standard errors contain what
the regressions' own coefficients leave unknown, and a bootstrap solves for all samples at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmgraph.causal.estimation.estimators.contrast import Contrast
from mmgraph.causal.estimation.estimators.intervals import Functional
from mmgraph.causal.estimation.estimators.sample import Sample, standardised
from mmgraph.graph.errors import LearningError

Batch = Float64[Tensor, "batch cells"]
Matrix = Float64[Tensor, "cells columns"]

_NEWTON_STEPS = 30
_TOLERANCE = 1e-9
_FURTHEST_LOGIT = 30.0
"""Where a fitted logit goes beyond, rows are told apart without error: no maximum is finite."""


def design(sample: Sample, names: Sequence[str], intercept: bool = True) -> Matrix:
    """Return columns for a regression: a constant, indicators of states, standardised numbers.

    Raises
    ------
    LearningError
        If columns are linear combinations of others.
    """
    rows = len(sample.counts)
    columns = [torch.ones(rows, 1, dtype=torch.float64)] if intercept else []
    owners = ["the constant"] * intercept
    for name in names:
        column = sample.columns[name]
        if sample.variables[name].is_discrete:
            present = torch.unique(column[sample.weights > 0])
            columns.append((column[:, None] == present[None, 1:]).double())
        else:
            columns.append(standardised(column)[0][:, None])
        owners += [name] * columns[-1].shape[1]
    if not columns:
        return torch.empty(rows, 0, dtype=torch.float64)
    matrix = torch.cat(columns, 1)
    refuse_dependent(matrix, owners, sample.rows)
    return matrix


def refuse_dependent(matrix: Matrix, owners: Sequence[str], rows: int) -> None:
    """Raise LearningError if columns are linear combinations of others, with their names."""
    if not matrix.shape[1]:
        return
    _, sizes, directions = torch.linalg.svd(torch.linalg.qr(matrix, mode="r").R)
    sizes = torch.cat([sizes, sizes.new_zeros(matrix.shape[1] - len(sizes))])
    vanishing = sizes <= sizes[0] * max(matrix.shape) * torch.finfo(matrix.dtype).eps
    used = (directions[vanishing].abs() > _TOLERANCE**0.5).any(0).tolist()
    names = list(
        dict.fromkeys(owner for owner, is_used in zip(owners, used, strict=True) if is_used)
    )
    if len(names) == 1:
        raise LearningError(f"'{names[0]}' is constant among {rows} rows: leave it out")
    if names:
        raise LearningError(
            f"{', '.join(names)}: among {rows} rows linear combinations of one another; leave one "
            "out"
        )


def _gram(matrix: Matrix, weights: Batch) -> Float64[Tensor, "batch columns columns"]:
    return (weights[:, :, None] * matrix).transpose(1, 2) @ matrix


def least_squares(
    matrix: Matrix, target: Float64[Tensor, "cells targets"], weights: Batch
) -> Float64[Tensor, "batch columns targets"]:
    """Return the coefficients of weighted least squares."""
    right = (weights[:, :, None] * matrix).transpose(1, 2) @ target
    gram = _gram(matrix, weights)
    found, info = torch.linalg.solve_ex(gram, right)
    return torch.where((info == 0)[:, None, None], found, torch.nan)


def logistic(
    matrix: Matrix, target: Float64[Tensor, " cells"], weights: Batch
) -> Float64[Tensor, "batch columns"]:
    """Return the coefficients of a logistic regression, by Newton's method.

    The last step alone is on the tape: at the maximum its derivative is that of the maximum.

    Raises
    ------
    LearningError
        If the rows are told apart without error, so that the likelihood has no maximum.
    """
    batch, columns = len(weights), matrix.shape[1]
    found = torch.zeros(batch, columns, dtype=torch.float64)
    fixed = weights.detach()
    for step in range(_NEWTON_STEPS):
        chance = torch.sigmoid(found @ matrix.T)
        slope = (fixed * (target - chance)) @ matrix
        curve = _gram(matrix, fixed * chance * (1 - chance))
        move, info = torch.linalg.solve_ex(curve, slope[:, :, None])
        far = (found @ matrix.T).abs().amax(1) > _FURTHEST_LOGIT
        undefined = (info != 0) | far
        if batch == 1 and bool(undefined):
            raise LearningError(
                "a logistic regression tells the rows apart without error, and has no finite "
                "coefficients: fewer variables, or a saturated table, are needed"
            )
        found = torch.where(undefined[:, None], torch.nan, found + move[:, :, 0])
        if step and not bool((move[~undefined].abs() > _TOLERANCE).any()):
            break
    chance = torch.sigmoid(found @ matrix.T)
    curve = _gram(matrix, fixed * chance * (1 - chance))
    slope = (weights * (target - chance)) @ matrix
    return found + torch.linalg.solve_ex(curve, slope[:, :, None])[0][:, :, 0]


def propensities(
    matrix: Matrix, arms: Int64[Tensor, " cells"], weights: Batch
) -> Float64[Tensor, "batch 2 cells"]:
    """Return the probability of baseline and active treatment in each row.

    Where all rows are in one of the arms, a single regression says both.
    """
    active = torch.sigmoid(logistic(matrix, (arms == 1).double(), weights) @ matrix.T)
    if bool((arms >= 0).all()):
        return torch.stack([1 - active, active], 1)
    baseline = torch.sigmoid(logistic(matrix, (arms == 0).double(), weights) @ matrix.T)
    return torch.stack([baseline, active], 1)


def _outcomes(
    matrix: Matrix, arms: Int64[Tensor, " cells"], values: Tensor, weights: Batch
) -> Float64[Tensor, "batch 2 cells"]:
    """The mean outcome of every row under each treatment, by a regression in each arm."""
    parts = []
    for arm in (0, 1):
        inside = arms == arm
        rows, target, heavy = matrix[inside], values[inside], weights[:, inside]
        if bool(((target == 0) | (target == 1)).all()) and len(torch.unique(target)) == 2:
            parts.append(torch.sigmoid(logistic(rows, target, heavy) @ matrix.T))
        else:
            parts.append(least_squares(rows, target[:, None], heavy)[:, :, 0] @ matrix.T)
    return torch.stack(parts, 1)


def adjusted(
    sample: Sample, contrast: Contrast, adjustment: Sequence[str], method: str
) -> tuple[Functional, float, float]:
    """Return the effect and both means by regressions of outcome, treatment or both.

    ``method`` is ``regression`` (standardisation), ``inverse_weighting`` (Hajek's, whose weights
    sum to one) or ``doubly_robust`` (augmented inverse weighting). Second and third are the
    smallest probability of a treatment, and Kish's effective sample size.
    """
    matrix = design(sample, adjustment)
    arms, values = contrast.arms(sample), contrast.values(sample)
    inside: Bool[Tensor, "2 cells"] = torch.stack([arms == 0, arms == 1])
    for arm, setting in enumerate((contrast.baseline, contrast.active)):
        count = int(sample.counts[inside[arm]].sum())
        if count <= matrix.shape[1]:
            raise LearningError(
                f"{count} rows have {setting}: too few for a regression of {matrix.shape[1]} terms"
            )

    def functional(weights: Batch) -> Float64[Tensor, "batch quantities"]:
        share = weights / weights.sum(1, keepdim=True)
        if method == "regression":
            means = (share[:, None] * _outcomes(matrix, arms, values, weights)).sum(-1)
        else:
            balance = inside / propensities(matrix, arms, weights)
            if method == "inverse_weighting":
                mass = share[:, None] * balance
                means = (mass * values).sum(-1) / mass.sum(-1)
            else:
                mean = _outcomes(matrix, arms, values, weights)
                means = (share[:, None] * (mean + balance * (values - mean))).sum(-1)
        return torch.stack([means[:, 1] - means[:, 0], means[:, 1], means[:, 0]], 1)

    chance = propensities(matrix, arms, sample.weights[None])[0]
    return functional, float(chance.min()), sample.effective_size((inside / chance).sum(0))


def linear_effects(
    sample: Sample, contrast: Contrast, mediators: Sequence[str], adjustment: Sequence[str]
) -> Functional:
    """Return total, direct and indirect effect in linear regressions without interactions.

    The outcome is regressed on treatments, mediators and what is adjusted for, and each mediator on
    the same but the mediators; without mediators all of the effect is direct.
    """
    treatments, steps = contrast.changes(sample)
    base = torch.cat([treatments, design(sample, adjustment)], 1)
    middle = design(sample, mediators, intercept=False)
    whole = torch.cat([base, middle], 1)
    owners = [*contrast.treatments, "the constant"]
    for name in (*adjustment, *mediators):
        owners += [name] * design(sample, [name], intercept=False).shape[1]
    refuse_dependent(whole, owners, sample.rows)
    values = contrast.values(sample)[:, None]
    count = len(steps)

    def functional(weights: Batch) -> Float64[Tensor, "batch quantities"]:
        outcome = least_squares(whole, values, weights)[:, :, 0]
        direct = outcome[:, :count] @ steps
        indirect = torch.zeros_like(direct)
        if middle.shape[1]:
            reached = least_squares(base, middle, weights)[:, :count]
            moved = (steps[None, :, None] * reached).sum(1)
            indirect = (moved * outcome[:, base.shape[1] :]).sum(1)
        return torch.stack([direct + indirect, direct, indirect], 1)

    return functional
