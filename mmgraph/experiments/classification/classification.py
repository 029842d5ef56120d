"""Run a classification: cross-validate it, with every modality and with some of them missing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.comparison.cross_validation import CrossValidation, cross_validations, folds_of
from mmgraph.comparison.noise import figures_with_noise
from mmgraph.data.multimodal_data import MultimodalData, groups_of
from mmgraph.experiments.classification.declaration import Declaration, read_declaration
from mmgraph.experiments.classification.leaves import FittedLeaf, fit_leaf
from mmgraph.experiments.kept_steps import KeptSteps, fingerprint
from mmgraph.experiments.progress import Progress
from mmgraph.graph.errors import DatasetError
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import query
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.networks.bayesian_network import BayesianNetwork


@dataclass(frozen=True)
class FittedModel:
    """A network and its leaves' preparations.

    Attributes
    ----------
    network : BayesianNetwork
        The target and the weighted leaves.
    leaves : tuple of FittedLeaf
        One for each leaf of the network.
    """

    network: BayesianNetwork
    leaves: tuple[FittedLeaf, ...]

    def predict_proba(
        self, data: MultimodalData, given: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the target's posterior when only some modalities are there."""
        evidence = {}
        for fitted in self.leaves:
            if fitted.child.modality in given:
                features = data.features[str(fitted.child.modality)]
                evidence[fitted.child.name] = fitted.values(features)
        return query(self.network, evidence, [data.target.name]).marginal(data.target.name).numpy()


def fit_model(declaration: Declaration, data: MultimodalData) -> FittedModel:
    """Fit the leaves, and the power of each leaf on rows that it has not seen.

    The powers of one modality are learned for that modality alone, so that its posterior is
    calibrated by itself; given the target the modalities are independent, and fusing calibrated
    likelihoods needs no further number. Rows that it has not seen are of groups that it has not
    seen, where data have groups.
    """
    counts = np.bincount(data.codes, minlength=data.target.cardinality)
    log_prior = torch.as_tensor(np.log(counts / counts.sum()))
    held_out = _held_out_log_likelihoods(declaration, data)
    weights: dict[str, float] = {}
    for modality in declaration.modalities:
        names = [leaf.name for leaf in declaration.leaves if leaf.modality == modality]
        stacked = torch.as_tensor(np.stack([held_out[n] for n in names]))
        learned = learn_likelihood_weights(stacked, log_prior, torch.as_tensor(data.codes))
        weights.update(zip(names, learned.tolist(), strict=True))
    return _assembled(declaration, data, weights)


def _assembled(
    declaration: Declaration, data: MultimodalData, weights: Mapping[str, float]
) -> FittedModel:
    """Fit every leaf on all rows, give it its power, and hang it on the target."""
    leaves = []
    for leaf in declaration.leaves:
        features = data.features[leaf.modality]
        fitted = fit_leaf(leaf, data.target, features, data.codes, declaration.seed)
        weighted = fitted.leaf.reweighted(weights[leaf.name])
        leaves.append(FittedLeaf(weighted, fitted.preparation))
    counts = np.bincount(data.codes, minlength=data.target.cardinality)
    prior = TableFactor((data.target,), counts / counts.sum(), child=data.target)
    network = BayesianNetwork(
        [data.target, *(f.child for f in leaves)], [prior, *(f.leaf for f in leaves)]
    )
    return FittedModel(network, tuple(leaves))


def _held_out_log_likelihoods(
    declaration: Declaration, data: MultimodalData
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


def load_data(declaration: Declaration) -> MultimodalData:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or has not the modalities of the leaves, or the groups.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    missing = [m for m in declaration.modalities if m not in getattr(loaded, "features", {})]
    if missing or declaration.label_column not in loaded.frame:
        what = f"modality '{missing[0]}'" if missing else f"column '{declaration.label_column}'"
        raise DatasetError(f"the data set '{declaration.dataset}' has no {what}")
    codes, labels = loaded.frame[declaration.label_column].factorize(sort=True)
    return MultimodalData(
        {
            m: loaded.frame[list(loaded.features[m])].to_numpy(np.float64)
            for m in declaration.modalities
        },
        codes.astype(np.int64),
        Variable(declaration.target, tuple(str(label) for label in labels)),
        groups_of(loaded, declaration.groups, declaration.dataset, len(codes)),
    )


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cross-validate a ready model; parameters and result are those of :func:`experiment.run`.

    A row of the results has ``split``, ``given``, ``method`` and the figures of
    :func:`~mmgraph.comparison.noise.figures_with_noise`. Folds are random and, where the
    declaration names groups, of whole groups, too.
    """
    began = time.perf_counter()
    declaration = read_declaration(name)
    data = load_data(declaration)
    splits = cross_validations(data, declaration.folds, declaration.seed, folds)
    directory = None if output_directory is None else Path(output_directory)
    run_folds = _Folds(declaration, splits, directory, progress)
    predictions = [run_folds.predictions(split) for split in splits]
    if progress:
        progress(run_folds.total, run_folds.total, "report")
    report: dict[str, Any] = {
        "model": declaration.name,
        "kind": "classification",
        "results": [
            row
            for split, tables in zip(splits, predictions, strict=True)
            for row in _results(split, tables)
        ],
    }
    if directory is not None:
        from mmgraph.experiments.classification.pictures import draw_calibration, draw_structure

        report["files"] = draw_structure(directory, run_folds.network())
        for split, tables in zip(splits, predictions, strict=True):
            report["files"] += draw_calibration(directory, split, tables)
    report["seconds"] = time.perf_counter() - began
    return report


class _Folds:
    """The folds of all splits; those that an earlier run of the same has done are not done again.

    Parameters
    ----------
    declaration, splits
        All of the same rows; those of the last one have groups if any have.
    directory : Path or None
        Keeps what folds said.
    progress : callable or None
    """

    def __init__(
        self,
        declaration: Declaration,
        splits: Sequence[CrossValidation],
        directory: Path | None,
        progress: Progress | None,
    ) -> None:
        self.declaration, self.progress = declaration, progress
        self.total = sum(len(split.folds) for split in splits)
        self._done = 0
        self._data = splits[-1].data
        self._steps = KeptSteps(directory, fingerprint(declaration, self._data.arrays()))
        self._network: BayesianNetwork | None = None

    def predictions(self, split: CrossValidation) -> dict[tuple[str, ...], np.ndarray]:
        """Return the posteriors of all test rows of a split in each situation."""
        said = [self._fold(split, number) for number in range(len(split.folds))]
        return {
            given: np.concatenate([one["+".join(given)] for one in said])
            for given in self.declaration.given
        }

    def network(self) -> BayesianNetwork:
        """Return a network that was fitted."""
        if self._network is None:
            # Every fold came from an earlier run; the picture does not show powers.
            powers = {leaf.name: 1.0 for leaf in self.declaration.leaves}
            self._network = _assembled(self.declaration, self._data, powers).network
        return self._network

    def _fold(self, split: CrossValidation, number: int) -> Mapping[str, np.ndarray]:
        if self.progress:
            self.progress(self._done, self.total, split.fold_name(number))
        self._done += 1
        found = self._steps.read(split.step(number))
        if found is not None:
            return found[0]
        train, test = (split.data.rows(index) for index in split.folds[number])
        model = fit_model(self.declaration, train)
        self._network = model.network
        said = {"+".join(g): model.predict_proba(test, g) for g in self.declaration.given}
        self._steps.write(split.step(number), said)
        return said


def _results(
    split: CrossValidation, tables: Mapping[tuple[str, ...], np.ndarray]
) -> list[dict[str, Any]]:
    tested = split.data.rows(split.tested)
    groups = None if tested.groups is None else tested.groups.codes
    return [
        {
            "split": split.split,
            "given": list(given),
            "method": "exact",
            **figures_with_noise(table, tested.codes, groups),
        }
        for given, table in tables.items()
    ]
