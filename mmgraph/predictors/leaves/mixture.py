"""Leaves that are mixtures of normal densities: latent clusters of each state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.variable import Variable
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows

_ROWS_OF_A_CLUSTER = 10
_MOST_DIRECTIONS = 40
"""Beyond so many features the mixture sees their principal components."""


@dataclass(frozen=True)
class MixtureLeaf(Leaf):
    """A mixture of normal densities for each state, over normal quantiles of the features.

    Attributes
    ----------
    components : int
        The most clusters of a state in each clustering; fewer where a state has few rows.
    restarts : int
        How many clusterings are mixed: which one is right is latent, too.
    shrinkage, floor : float
        Of covariances, as of :class:`~mmgraph.graph.leaves.gaussian_mixture.GaussianMixtureLeaf`.
    """

    kind: ClassVar[str] = "mixture"
    joins: ClassVar[bool] = False
    components: int = 15
    restarts: int = 5
    shrinkage: float = 0.7
    floor: float = 0.02

    def fit(self, rows: LeafRows, seed: int) -> FittedMixture:
        """As :meth:`Leaf.fit`."""
        preparation = Preparation.fitted(rows.features, quantiles=True)
        directions = _directions(preparation.forward(rows.features))
        values = _values(preparation, directions, rows.features)
        parents, child = density_scope(rows.states, values.shape[1])
        generator = torch.Generator().manual_seed(seed)
        shares = torch.as_tensor(np.eye(rows.states)[rows.codes] * rows.weights[:, None])
        least = int(np.bincount(rows.codes, minlength=rows.states).clip(1).min())
        components = int(np.clip(least // _ROWS_OF_A_CLUSTER, 1, self.components))
        parts = [
            GaussianMixtureLeaf.initialised(
                child,
                parents,
                values,
                shares,
                generator,
                components=components,
                shrinkage=self.shrinkage,
                floor=self.floor,
            )
            for _ in range(self.restarts if components > 1 else 1)
        ]
        return FittedMixture(preparation, directions, mixed(parts))


@dataclass(frozen=True, eq=False)
class FittedMixture(FittedLeaf):
    """A density of prepared features.

    Attributes
    ----------
    preparation : Preparation
        The scale of features.
    directions : ndarray, shape (features, directions), optional
        Where features are many, their principal components.
    density : GaussianMixtureLeaf
        Of features, of which some may be missing, or of components.
    """

    preparation: Preparation
    directions: Float64[np.ndarray, "features directions"] | None
    density: GaussianMixtureLeaf

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`."""
        values = _values(self.preparation, self.directions, features)
        variables = {variable.name: variable for variable in self.density.scope}
        table = self.density.likelihood(Evidence.of({self.density.child.name: values}, variables))
        assert table is not None
        return table.values.numpy()


def mixed(parts: Sequence[GaussianMixtureLeaf]) -> GaussianMixtureLeaf:
    """Return the mixture of several ones of a variable, all as likely: which is right is latent."""
    first = parts[0]
    covariances = [part.covariances for part in parts]
    shared = first.normals.covariance == "shared"
    return GaussianMixtureLeaf(
        first.child,
        first.parents,
        torch.cat([part.weights for part in parts], 1) / len(parts),
        torch.cat([part.means for part in parts], 1),
        torch.stack(covariances).mean(0) if shared else torch.cat(covariances, 1),
        covariance=first.normals.covariance,
    )


def density_scope(states: int, features: int) -> tuple[tuple[Variable, ...], Variable]:
    """Return the parents of a leaf's density, which are the state, and its child."""
    child = Variable("features", shape=(features,), family="gaussian")
    return (Variable("state", states),), child


def _values(
    preparation: Preparation, directions: np.ndarray | None, features: Features
) -> Float64[Tensor, "rows directions"]:
    """What a density is of."""
    if directions is None:
        return torch.as_tensor(preparation.scaled(features))
    return torch.as_tensor(preparation.forward(features) @ directions)


def _directions(scaled: Features) -> Float64[np.ndarray, "features directions"] | None:
    """The principal components that vary most where there are many features."""
    if scaled.shape[1] <= _MOST_DIRECTIONS:
        return None
    _, _, vectors = np.linalg.svd(scaled - scaled.mean(0), full_matrices=False)
    # In rows one after another, as files hold numbers: another order would round otherwise.
    return np.ascontiguousarray(vectors[:_MOST_DIRECTIONS].T)
