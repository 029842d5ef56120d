"""Continuous variables that no row observes: which they are, and what their scale is held at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.continuous_data import rows_of
from mmgraph.graph.leaves.feature_spread import FeatureSpread
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.conditionals.expectation import RowGroup
from mmgraph.learning.conditionals.regressions import regressions


@dataclass
class MeasurementSpreads:
    """Mean and variance of linear Gaussian variables in the cells that rows observe."""

    factors: Sequence[Factor]
    spreads: dict[str, FeatureSpread] = field(default_factory=dict)

    def add(self, group: RowGroup) -> None:
        """Count some rows, too."""
        weights = torch.from_numpy(group.weights).double()
        for factor in regressions(self.factors):
            name = factor.child.name
            if not group.evidence.tells(name):
                continue
            values = rows_of(factor.child, group.evidence.values[name].detach().cpu()).double()
            here = FeatureSpread.of(values, weights, values.nanmean(0).nan_to_num())
            self.spreads[name] = self.spreads[name] + here if name in self.spreads else here

    def latent(self, floor: float) -> frozenset[str]:
        """Return the variables that no row observes, once those it does are found to vary.

        Raises
        ------
        LearningError
            As ``FeatureSpread.variance``, of the features that rows observe.
        """
        for name, spread in self.spreads.items():
            there = spread.weights > 0
            if bool(there.all()):
                spread.variance(floor, name)
        return frozenset(f.child.name for f in regressions(self.factors)) - self.spreads.keys()


def latent_measurements(
    factors: Sequence[Factor], groups: Iterable[RowGroup], floor: float
) -> frozenset[str]:
    """Return the linear Gaussian variables of which no row has a value; errors as ``latent``."""
    if not regressions(factors):
        return frozenset()
    spreads = MeasurementSpreads(factors)
    for group in groups:
        spreads.add(group)
    return spreads.latent(floor)


def with_scale_of(
    learned: LinearGaussian, before: LinearGaussian, weights: Tensor
) -> LinearGaussian:
    """Return a latent variable's distribution with the scale that it had before.

    Children's coefficients make up for any scale, so that it would drift along with how they are
    shrunk. The noise of the configuration of most rows is held, and the others are free.
    """
    held = int(weights.argmax())
    variance = learned.variance.clone()
    states = learned.discrete_parents
    rows = variance.reshape(-1, *variance.shape[len(states) :])
    rows[held] = before.variance.to(rows).reshape(rows.shape)[held]
    return LinearGaussian(
        learned.child, learned.scope[:-1], learned.coefficients, learned.intercept, variance
    )
