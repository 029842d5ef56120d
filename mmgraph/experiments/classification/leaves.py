"""Fit the leaves that a declaration asks for, and turn rows of features into their evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.blocks.block import Features
from mmgraph.data.groups import Codes
from mmgraph.experiments.classification.declaration import LeafDeclaration
from mmgraph.experiments.rows import refuse_not_finite
from mmgraph.experiments.scales import fit_scale
from mmgraph.graph.errors import LearningError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.graph.variable import Variable
from mmgraph.predictors.leaves.mixture import mixed

_SMALLEST_SCORE = 1e-3
"""A forest of 200 trees cannot tell smaller probabilities from zero."""


@dataclass(frozen=True)
class FittedLeaf:
    """A leaf, and the function from features to what it observes in them."""

    leaf: GaussianMixtureLeaf | ScoreLeaf
    values: Callable[[Features], Float64[np.ndarray, "rows size"]]

    @property
    def child(self) -> Variable:
        """The variable that the leaf observes."""
        return self.leaf.child

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """Return log p(features | state) of rows, up to a constant a row."""
        variables = {v.name: v for v in self.leaf.scope}
        evidence = Evidence.of({self.child.name: self.values(features)}, variables)
        table = self.leaf.likelihood(evidence)
        assert table is not None
        return table.values.numpy()


def fit_leaf(
    declaration: LeafDeclaration, target: Variable, features: Features, codes: Codes, seed: int
) -> FittedLeaf:
    """Fit one leaf of the target on training rows."""
    counts = np.bincount(codes, minlength=target.cardinality)
    if (counts == 0).any():
        state = target.labels[int(counts.argmin())]
        raise LearningError(f"'{target.name}={state}' has no training row for '{declaration.name}'")
    refuse_not_finite(features, declaration.modality)
    if declaration.kind == "encoder":
        classifier = _trees(declaration, seed).fit(features, codes)

        def scores(rows: Features) -> Features:
            return np.log(classifier.predict_proba(rows).clip(_SMALLEST_SCORE))

        child = _child(declaration, target.cardinality)
        return FittedLeaf(ScoreLeaf(child, target, np.log(counts / counts.sum())), scores)
    scale = fit_scale(declaration.transform, features, declaration.modality).forward
    return FittedLeaf(_mixture(declaration, target, scale(features), codes, seed), scale)


def _mixture(
    declaration: LeafDeclaration, target: Variable, rows: Features, codes: Codes, seed: int
) -> GaussianMixtureLeaf:
    """Mix the clusterings of several restarts: which one is right is latent too."""
    child = _child(declaration, rows.shape[1])
    generator = torch.Generator().manual_seed(seed)
    observed = {target.name: torch.as_tensor(codes)}
    parts = [
        GaussianMixtureLeaf.initialised(
            child,
            (target,),
            torch.as_tensor(rows),
            observed,
            generator,
            components=declaration.components,
            covariance=declaration.covariance,  # type: ignore[arg-type]
            shrinkage=declaration.shrinkage,
            floor=declaration.floor,
        )
        for _ in range(declaration.restarts)
    ]
    return mixed(parts)


def _child(declaration: LeafDeclaration, size: int) -> Variable:
    return Variable(
        declaration.name, shape=(size,), modality=declaration.modality, family="gaussian"
    )


def _trees(declaration: LeafDeclaration, seed: int) -> Any:
    with needs("data", "scikit-learn", f"the encoder '{declaration.name}'"):
        from sklearn.ensemble import ExtraTreesClassifier
    return ExtraTreesClassifier(declaration.trees, random_state=seed)
