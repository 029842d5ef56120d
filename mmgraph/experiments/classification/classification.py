"""A classification: cross-validated with every modality and with some of them missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.comparison.noise import figures_with_noise
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    read_classification,
)
from mmgraph.experiments.classification.leaves import FittedLeaf, fit_leaf
from mmgraph.experiments.cross_validated import CrossValidatedJob
from mmgraph.experiments.job import Answer, StepProgress
from mmgraph.experiments.rows import load_rows
from mmgraph.graph.factors.table import TableFactor
from mmgraph.inference.query import query
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.networks.bayesian_network import BayesianNetwork


@dataclass(frozen=True)
class FittedModel:
    """A network of the target and its weighted leaves, and what prepares their values."""

    network: BayesianNetwork
    leaves: tuple[FittedLeaf, ...]

    def predict_proba(
        self, data: MultimodalData, given: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the target's posterior when only some modalities are there."""
        evidence = {
            fitted.child.name: fitted.values(data.features[str(fitted.child.modality)])
            for fitted in self.leaves
            if fitted.child.modality in given
        }
        return query(self.network, evidence, [data.target.name]).marginal(data.target.name).numpy()


def fit_model(declaration: ClassificationDeclaration, data: MultimodalData) -> FittedModel:
    """Fit the leaves, and the power of each leaf on rows that it has not seen.

    The powers of one modality are learned for that modality alone, so that its posterior is
    calibrated by itself; given the target the modalities are independent, and fusing calibrated
    likelihoods needs no further number. Rows that it has not seen are of groups that it has not
    seen, where data have groups.
    """
    log_prior = torch.as_tensor(np.log(_shares(data)))
    held_out = _held_out_log_likelihoods(declaration, data)
    weights: dict[str, float] = {}
    for modality in declaration.modalities:
        names = [leaf.name for leaf in declaration.leaves if leaf.modality == modality]
        stacked = torch.as_tensor(np.stack([held_out[n] for n in names]))
        learned = learn_likelihood_weights(stacked, log_prior, torch.as_tensor(data.codes))
        weights.update(zip(names, learned.tolist(), strict=True))
    return _assembled(declaration, data, weights)


def _shares(data: MultimodalData) -> Float64[np.ndarray, " states"]:
    counts = np.bincount(data.codes, minlength=data.target.cardinality)
    return np.asarray(counts / counts.sum())


def _assembled(
    declaration: ClassificationDeclaration, data: MultimodalData, weights: Mapping[str, float]
) -> FittedModel:
    """Fit every leaf on all rows, give it its power, and hang it on the target."""
    leaves = []
    for leaf in declaration.leaves:
        features = data.features[leaf.modality]
        fitted = fit_leaf(leaf, data.target, features, data.codes, declaration.seed)
        weighted = fitted.leaf.reweighted(weights[leaf.name])
        leaves.append(FittedLeaf(weighted, fitted.values))
    prior = TableFactor((data.target,), _shares(data), child=data.target)
    network = BayesianNetwork(
        [data.target, *(f.child for f in leaves)], [prior, *(f.leaf for f in leaves)]
    )
    return FittedModel(network, tuple(leaves))


def _held_out_log_likelihoods(
    declaration: ClassificationDeclaration, data: MultimodalData
) -> dict[str, Float64[np.ndarray, "rows states"]]:
    """Each leaf's log-likelihoods of every training row, from a fit without that row's fold.

    Where data have groups no leaf has seen a row of that row's group either.
    """
    shape = (len(data.codes), data.target.cardinality)
    held_out = {leaf.name: np.zeros(shape) for leaf in declaration.leaves}
    for fit_rows, other_rows in folds_of(data, declaration.weight_folds, declaration.seed + 100):
        part, rest = data.rows(fit_rows), data.rows(other_rows)
        for leaf in declaration.leaves:
            fitted = fit_leaf(
                leaf, data.target, part.features[leaf.modality], part.codes, declaration.seed
            )
            held_out[leaf.name][other_rows] = fitted.log_likelihoods(rest.features[leaf.modality])
    return held_out


def load_data(declaration: ClassificationDeclaration) -> MultimodalData:
    """Load the data set that a declaration names; errors are those of :func:`load_rows`."""
    return load_rows(declaration, declaration.target)


def job(name: str | os.PathLike[str], directory: Path | None) -> ClassificationJob:
    """Return the job of a declaration."""
    declaration = read_classification(name)
    data, folds, seed = load_data(declaration), declaration.folds, declaration.seed
    return ClassificationJob(declaration, directory, data, folds, seed)


class ClassificationJob(CrossValidatedJob):
    """A classification and its rows.

    A row of the results has ``split``, ``given``, ``method`` and the figures of
    :func:`~mmgraph.comparison.noise.figures_with_noise`.
    """

    kind = "classification"
    declaration: ClassificationDeclaration
    _network: BayesianNetwork | None = None

    def fold(
        self,
        train: MultimodalData,
        test: MultimodalData,
        is_first: bool,
        progress: StepProgress,
        scratch: Path | None,
    ) -> Answer:
        """Return the posteriors of the test rows in each situation."""
        model = fit_model(self.declaration, train)
        self._network = model.network
        return Answer({"+".join(g): model.predict_proba(test, g) for g in self.declaration.given})

    def rows(
        self, tested: MultimodalData, predicted: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return the figures of each situation."""
        groups = None if tested.groups is None else tested.groups.codes
        return [
            {
                "given": list(given),
                "method": "exact",
                **figures_with_noise(predicted["+".join(given)], tested.codes, groups),
            }
            for given in self.declaration.given
        ]

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the network, and of each split confusion matrices and calibration."""
        from mmgraph.experiments.pictures import calibration_figures, save_figures
        from mmgraph.plots import draw_network

        files = [str(directory / "network.png")]
        draw_network(self._fitted_network(), files[0])
        for split in self.splits:
            predicted = self.predicted(split, answers)
            given = self.declaration.given
            tables = {" and ".join(g): predicted["+".join(g)] for g in given}
            confusions = {f"confusion_{'_'.join(g)}": " and ".join(g) for g in given}
            figures = calibration_figures(split, tables, confusions)
            files += save_figures(directory, figures, split.suffix)
        return files

    def _fitted_network(self) -> BayesianNetwork:
        if self._network is None:
            # Every fold came from an earlier run; the picture does not show powers.
            powers = {leaf.name: 1.0 for leaf in self.declaration.leaves}
            self._network = _assembled(self.declaration, self.data, powers).network
        return self._network
