"""Fit the leaves that a declaration asks for, and turn rows of features into their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.multimodal_data import Codes, Features
from mmgraph.experiments.classification.declaration import LeafDeclaration
from mmgraph.graph.errors import LearningError, MissingExtraError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.graph.variable import Variable

_SMALLEST_SCORE = 1e-3
"""A forest of 200 trees cannot tell smaller probabilities from zero."""


@dataclass(frozen=True)
class FittedLeaf:
    """A leaf and what turns a row's features into its value.

    Attributes
    ----------
    leaf : GaussianMixtureLeaf or ScoreLeaf
        The factor.
    preparation : object
        A fitted scikit-learn transformer or classifier; None leaves the features as they are.
    """

    leaf: GaussianMixtureLeaf | ScoreLeaf
    preparation: Any

    @property
    def child(self) -> Variable:
        """The variable that the leaf observes."""
        return self.leaf.child

    def values(self, features: Features) -> Float64[np.ndarray, "rows size"]:
        """Return what the leaf observes in rows of features."""
        if self.preparation is None:
            return features
        if isinstance(self.leaf, ScoreLeaf):
            return np.log(self.preparation.predict_proba(features).clip(_SMALLEST_SCORE))
        return np.asarray(self.preparation.transform(features), np.float64)

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
    """Fit one leaf of the target on training rows.

    Raises
    ------
    LearningError
        If a state of the target has no row, or features are not finite.
    MissingExtraError
        If scikit-learn is not installed.
    """
    counts = np.bincount(codes, minlength=target.cardinality)
    if (counts == 0).any():
        state = target.labels[int(counts.argmin())]
        raise LearningError(f"'{target.name}={state}' has no training row for '{declaration.name}'")
    if not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        raise LearningError(
            f"feature {column} of '{declaration.modality}' is not finite in training row {row}"
        )
    if declaration.kind == "encoder":
        return _fit_encoder(declaration, target, features, codes, counts, seed)
    return _fit_mixture(declaration, target, features, codes, seed)


def _fit_mixture(
    declaration: LeafDeclaration, target: Variable, features: Features, codes: Codes, seed: int
) -> FittedLeaf:
    """Mix the clusterings of several restarts: which one is right is latent too."""
    preparation = _transformer(declaration.transform, len(features))
    rows = features if preparation is None else preparation.fit_transform(features)
    child = Variable(
        declaration.name,
        shape=(features.shape[1],),
        modality=declaration.modality,
        family="gaussian",
    )
    generator = torch.Generator().manual_seed(seed)
    values = torch.as_tensor(np.asarray(rows, np.float64))
    given = {target.name: torch.as_tensor(codes)}
    parts = [
        GaussianMixtureLeaf.initialised(
            child,
            (target,),
            values,
            given,
            generator,
            components=declaration.components,
            covariance=declaration.covariance,  # type: ignore[arg-type]
            shrinkage=declaration.shrinkage,
            floor=declaration.floor,
        )
        for _ in range(declaration.restarts)
    ]
    shared = declaration.covariance == "shared"
    leaf = GaussianMixtureLeaf(
        child,
        (target,),
        torch.cat([p.weights for p in parts], 1) / len(parts),
        torch.cat([p.means for p in parts], 1),
        torch.stack([p.covariances for p in parts]).mean(0)
        if shared
        else torch.cat([p.covariances for p in parts], 1),
        covariance=declaration.covariance,  # type: ignore[arg-type]
    )
    return FittedLeaf(leaf, preparation)


def _fit_encoder(
    declaration: LeafDeclaration,
    target: Variable,
    features: Features,
    codes: Codes,
    counts: np.ndarray,
    seed: int,
) -> FittedLeaf:
    try:
        from sklearn.ensemble import ExtraTreesClassifier
    except ImportError:
        raise MissingExtraError(
            "data", "scikit-learn", f"the encoder '{declaration.name}'"
        ) from None
    classifier = ExtraTreesClassifier(declaration.trees, random_state=seed).fit(features, codes)
    child = Variable(
        declaration.name,
        shape=(target.cardinality,),
        modality=declaration.modality,
        family="gaussian",
    )
    return FittedLeaf(ScoreLeaf(child, target, np.log(counts / counts.sum())), classifier)


def _transformer(name: str, rows: int) -> Any:
    if name == "none":
        return None
    with needs("data", "scikit-learn", f"the transform '{name}'"):
        from sklearn.preprocessing import QuantileTransformer, StandardScaler
    if name == "standardise":
        return StandardScaler()
    return QuantileTransformer(output_distribution="normal", n_quantiles=min(200, rows))
