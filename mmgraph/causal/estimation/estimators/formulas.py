"""Effects by the formula of the ID algorithm, evaluated on tables of weights, with derivatives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mmgraph.causal.estimation.estimators.contrast import Contrast
from mmgraph.causal.estimation.estimators.intervals import Functional
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.causal.identification.evaluation import Source, value
from mmgraph.causal.identification.expression import (
    Expression,
    Probability,
    Product,
    Ratio,
    Sum,
    variables_of,
)
from mmgraph.graph.errors import CausalError

MOST_CELLS = 10_000_000
"""Of a table that holds the joint distribution of all that a formula names."""


class _Values(NamedTuple):
    """Values with an axis for each variable, of length one where they do not depend on it.

    Where they need a probability given what never happens they are zero, and marked as undefined.
    """

    numbers: Float64[Tensor, "batch *states"]
    undefined: Bool[Tensor, "batch *states"]


def by_formula(
    sample: Sample, contrast: Contrast, formula: Expression, given: Mapping[str, Any]
) -> Functional:
    """Return the effect and both means as a formula of the joint distribution has them.

    ``formula`` is P(outcome | do(treatments), given). A value is NaN where it needs a probability
    given what no row shows.

    Raises
    ------
    CausalError
        If a variable is continuous, or the joint table would be too large.
    """
    outcome = contrast.outcome.name
    names = sorted(variables_of(formula))
    for name in names:
        if not sample.variables[name].is_discrete:
            raise CausalError(
                f"the effect is a sum over the states of '{name}', which is continuous: put it "
                "into bins"
            )
    shape = [sample.variables[name].cardinality for name in names]
    if math.prod(shape) > MOST_CELLS:
        raise CausalError(
            f"the formula needs a table of {', '.join(names)} with {math.prod(shape):,} cells; "
            f"{MOST_CELLS:,} are allowed"
        )
    place = torch.zeros(len(sample.counts), dtype=torch.int64)
    for name, states in zip(names, shape, strict=True):
        place = place * states + sample.columns[name]
    scores = contrast.scores
    assert scores is not None

    def mean(values: _Values, settings: Mapping[str, Any]) -> Float64[Tensor, " batch"]:
        numbers, undefined = values
        for axis, name in enumerate(names, 1):
            if name != outcome and name in settings and numbers.shape[axis] > 1:
                code = sample.variables[name].code(settings[name])
                numbers = numbers.narrow(axis, code, 1)
                undefined = undefined.narrow(axis, code, 1)
        chance = numbers.reshape(len(numbers), -1)
        lost = undefined.expand(numbers.shape).reshape(len(numbers), -1).any(1)
        return torch.where(lost, torch.nan, chance @ scores)

    def functional(weights: Float64[Tensor, "batch cells"]) -> Float64[Tensor, "batch quantities"]:
        table = weights.new_zeros(len(weights), math.prod(shape)).index_add(1, place, weights)
        joint = (table / table.sum(1, keepdim=True)).reshape(-1, *shape)
        values = _value(formula, joint, names)
        active = mean(values, {**given, **contrast.active})
        baseline = mean(values, {**given, **contrast.baseline})
        return torch.stack([active - baseline, active, baseline], 1)

    return functional


def refuse_empty_stratum(sample: Sample, formula: Expression) -> NoReturn:
    """Raise CausalError that names a stratum without rows that a formula needs."""

    def marginal(some: Sequence[str]) -> np.ndarray:
        shape = [sample.variables[name].cardinality for name in some]
        codes = [sample.columns[name].numpy() for name in some]
        table = np.zeros(shape)
        np.add.at(table, tuple(codes), sample.weights.numpy())
        return table / table.sum()

    names = variables_of(formula)
    states = {name: sample.variables[name].labels for name in names}
    value(formula, sorted(formula.free), Source(states, marginal))
    raise CausalError("the formula needs strata that have no rows")


def _value(formula: Expression, joint: Tensor, names: Sequence[str]) -> _Values:
    if isinstance(formula, Probability):
        above = _summed(joint, [n for n in names if n not in formula.free], names)
        if not formula.given:
            return _Values(above, torch.zeros_like(above, dtype=torch.bool))
        return _divided(above, _summed(above, formula.outcomes, names))
    if isinstance(formula, Ratio):
        above, lost_above = _value(formula.numerator, joint, names)
        below, lost_below = _value(formula.denominator, joint, names)
        numbers, undefined = _divided(above, below)
        return _Values(numbers, undefined | lost_above | lost_below)
    if isinstance(formula, Sum):
        numbers, undefined = _value(formula.body, joint, names)
        axes = [names.index(name) + 1 for name in formula.over]
        return _Values(
            numbers.sum(axes, keepdim=True), undefined.double().sum(axes, keepdim=True) > 0
        )
    assert isinstance(formula, Product)
    numbers = joint.new_ones([1] * joint.ndim)
    undefined = torch.zeros_like(numbers, dtype=torch.bool)
    for factor in formula.factors:
        more, lost = _value(factor, joint, names)
        nothing = ((numbers == 0) & ~undefined) | ((more == 0) & ~lost)
        numbers, undefined = numbers * more, (undefined | lost) & ~nothing
    return _Values(numbers, undefined)


def _summed(table: Tensor, over: Sequence[str], names: Sequence[str]) -> Tensor:
    axes = [names.index(name) + 1 for name in over]
    return table.sum(axes, keepdim=True) if axes else table


def _divided(above: Tensor, below: Tensor) -> _Values:
    nothing = below == 0
    return _Values(above / torch.where(nothing, 1.0, below), nothing.expand_as(above + below))
