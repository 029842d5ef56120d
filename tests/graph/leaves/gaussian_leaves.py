"""What the tests of Gaussian leaves and of mixtures of them share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import mmgraph as mm


def matrix(leaf: mm.GaussianLeaf | mm.GaussianMixtureLeaf, at: tuple[int, ...]) -> np.ndarray:
    """The covariance matrix of a parent state (and component)."""
    if leaf.covariance == "shared":
        return leaf.covariances.numpy()
    spread = leaf.covariances[at].numpy()
    return np.diag(spread) if leaf.covariance == "diagonal" else spread


def rows_with_gaps(rows: int, features: int, seed: int, share: float = 0.3) -> Tensor:
    """Random rows, the first of which observes nothing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features)) * 2
    values[rng.random(values.shape) < share] = np.nan
    values[0] = np.nan
    return torch.from_numpy(values)


def log_density(leaf: mm.GaussianLeaf | mm.GaussianMixtureLeaf, values: Tensor) -> Tensor:
    """What rows say of the parents."""
    name = leaf.child.name
    table = leaf.likelihood(mm.Evidence.of({name: values}, {name: leaf.child}))
    assert table is not None
    return table.values
