"""How the statistics of a variable are kept: one number a unit, or an axis of states."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.variable import Variable


class Form(NamedTuple):
    """The form of one variable: compact, or with an axis of states if it is discrete.

    A Bernoulli variable of which compact factors alone speak has one number a unit: its log-odds
    as natural parameter, its chance of being on as statistic.
    """

    variable: Variable
    compact: bool  # whether compact factors alone speak of it
    is_chance: bool  # whether one number stands for both states of a unit
    has_two_states: bool  # whether compact factors would have it so, and others do not
    has_states: bool  # whether statistics have an axis of states
    shape: tuple[int, ...]  # of one row of statistics

    @classmethod
    def of(cls, variable: Variable, compact: bool) -> Form:
        """Return the form of a variable."""
        is_unit = variable.family == "bernoulli"
        has_states = variable.is_discrete and not (compact and is_unit)
        shape = (*variable.shape, variable.cardinality) if has_states else variable.shape
        is_chance, has_two_states = compact and is_unit, has_states and is_unit
        return cls(variable, compact, is_chance, has_two_states, has_states, shape)

    def natural(self, field: Tensor) -> Float[Tensor, "batch ..."]:
        """Return what a factor says in this form: log-odds as log-potentials of two states."""
        if self.has_two_states and field.ndim == len(self.shape):
            return torch.stack([torch.zeros_like(field), field], -1)
        return field

    def marginals(self, mean: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch *shape states"]:
        """Return the distributions over states that mean statistics stand for."""
        if not self.is_chance:
            return mean
        chance = mean.clamp(0.0, 1.0)  # a sum of shares may exceed one by rounding
        return torch.stack([1 - chance, chance], -1)

    def values(self, statistics: Float[Tensor, "batch ..."]) -> Shaped[Tensor, "batch *shape"]:
        """Return the state indices that statistics stand for, or the real values themselves."""
        if self.has_states:
            return statistics.argmax(-1)
        return statistics.long() if self.is_chance else statistics

    def statistics(
        self, values: Shaped[Tensor, "batch *shape"], dtype: torch.dtype
    ) -> Float[Tensor, "batch ..."]:
        """Return the statistics of state indices or real values."""
        if self.has_states:
            return one_hot(values, self.variable.cardinality, dtype)
        return values.to(dtype)
