"""Run a classification: cross-validate it, with every modality and with some of them missing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.comparison.declaration import Declaration, read_declaration
from mmgraph.comparison.kept_steps import KeptSteps, fingerprint
from mmgraph.comparison.leaves import Codes, Features, FittedLeaf, fit_leaf
from mmgraph.comparison.metrics import classification_metrics
from mmgraph.comparison.progress import Progress
from mmgraph.graph.errors import DatasetError, MissingExtraError, MmgraphError
from mmgraph.graph.factor import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import query
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.networks.bayesian_network import BayesianNetwork


@dataclass(frozen=True)
class MultimodalData:
    """Rows of features by modality, with the target.

    Attributes
    ----------
    features : dict of str to ndarray
        ``(rows, features)`` for each modality.
    codes : ndarray of int
        The target's states.
    target : Variable
        The target.
    """

    features: dict[str, Features]
    codes: Codes
    target: Variable

    def rows(self, index: np.ndarray) -> MultimodalData:
        """Return some of the rows."""
        features = {m: x[index] for m, x in self.features.items()}
        return MultimodalData(features, self.codes[index], self.target)


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
    likelihoods needs no further number.
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
    """Each leaf's log-likelihoods of every training row, from a fit without that row's fold."""
    shape = (len(data.codes), data.target.cardinality)
    held_out = {leaf.name: np.zeros(shape) for leaf in declaration.leaves}
    for fit_rows, other_rows in stratified_folds(
        data.codes, declaration.weight_folds, declaration.seed + 100
    ):
        part, rest = data.rows(fit_rows), data.rows(other_rows)
        for leaf in declaration.leaves:
            fitted = fit_leaf(
                leaf, data.target, part.features[leaf.modality], part.codes, declaration.seed
            )
            held_out[leaf.name][other_rows] = fitted.log_likelihoods(rest.features[leaf.modality])
    return held_out


def stratified_folds(codes: Codes, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stratified folds as (training rows, test rows).

    Raises
    ------
    MmgraphError
        If there are fewer than two folds, or a state has fewer rows than folds.
    """
    try:
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        raise MissingExtraError("data", "scikit-learn", "cross-validation") from None
    if count < 2:
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    smallest = int(np.bincount(codes).min())
    if smallest < count:
        raise MmgraphError(f"a state of the target has {smallest} rows, fewer than {count} folds")
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(codes)), codes))


def load_data(declaration: Declaration) -> MultimodalData:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or has not the modalities of the leaves.
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
    )


def run(
    name: str | os.PathLike[str],
    output_directory: str | os.PathLike[str] | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cross-validate a ready model; parameters and result are those of :func:`experiment.run`.

    A row of the results has ``given``, ``method`` and the figures of
    :func:`~mmgraph.comparison.metrics.classification_metrics`.
    """
    began = time.perf_counter()
    declaration = read_declaration(name)
    data = load_data(declaration)
    splits = stratified_folds(data.codes, declaration.folds, declaration.seed)
    if folds is not None and not 1 <= folds <= len(splits):
        raise MmgraphError(f"the model has {len(splits)} folds; {folds} cannot be run")
    splits = splits[: folds or len(splits)]
    directory = None if output_directory is None else Path(output_directory)
    arrays = (*data.features.values(), data.codes)
    steps = KeptSteps(directory, fingerprint(declaration, arrays))
    predictions: dict[tuple[str, ...], list[np.ndarray]] = {g: [] for g in declaration.given}
    network: BayesianNetwork | None = None
    for number, (train, test) in enumerate(splits):
        if progress:
            progress(number, len(splits), f"fold {number + 1} of {len(splits)}")
        found = steps.read(f"fold_{number}")
        if found is None:
            model = fit_model(declaration, data.rows(train))
            network = model.network
            kept = {"+".join(g): model.predict_proba(data.rows(test), g) for g in declaration.given}
            steps.write(f"fold_{number}", kept)
        else:
            kept = found[0]
        for given in declaration.given:
            predictions[given].append(kept["+".join(given)])
    if progress:
        progress(len(splits), len(splits), "report")
    labels = data.codes[np.concatenate([test for _, test in splits])]
    joined = {given: np.concatenate(parts) for given, parts in predictions.items()}
    results = [
        {"given": list(given), "method": "exact", **classification_metrics(table, labels)}
        for given, table in joined.items()
    ]
    report: dict[str, Any] = {
        "model": declaration.name,
        "kind": "classification",
        "results": results,
    }
    if directory is not None:
        from mmgraph.comparison.pictures import draw_pictures

        if network is None:
            # Every fold came from an earlier run; the picture does not show powers.
            network = _assembled(
                declaration, data, {f.name: 1.0 for f in declaration.leaves}
            ).network
        report["files"] = draw_pictures(directory, network, data.target, joined, labels)
    report["seconds"] = time.perf_counter() - began
    return report
