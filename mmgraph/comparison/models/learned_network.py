"""A classifier that asks a Bayesian network whose structure it has learned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.linalg import solve_triangular
from scipy.special import softmax

from mmgraph.data.blocks.block import Features
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import joint_moments, query
from mmgraph.learning.structure.learn_structure import learn_structure
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier
from mmgraph.predictors.inputs import Modalities
from mmgraph.predictors.learned_network import columns_only


class LearnedNetworkClassifier(BayesianNetworkClassifier):
    """Naive Bayes with the edges between columns that BIC asks for, tempered.

    The target is a parent of each column, as in an augmented naive Bayes network (Friedman, Geiger
    and Goldszmidt 1997, "Bayesian network classifiers"); edges between columns, of one modality or
    of two, are searched for. Measurements are linear and normal given their parents, and what is
    missing is summed over. The structure is learned anew for each part of the rows on which powers
    are learned, from the rows that have all columns.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    max_parents : int
        Of a column, the target among them.
    temper, folds, random_state
        As of :class:`~mmgraph.predictors.bayesian_network_classifier.BayesianNetworkClassifier`.

    Raises
    ------
    LearningError
        By ``fit``, if a modality is no columns, no column varies, or no row has all that do.
    """

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        max_parents: int = 3,
        temper: bool = True,
        folds: int = 2,
        random_state: int = 0,
    ) -> None:
        super().__init__(modalities, temper=temper, folds=folds, random_state=random_state)
        self.max_parents = max_parents

    def _learned(self, data: MultimodalData) -> BayesianNetwork:
        target, columns = data.target, _varying_columns(data)
        complete = ~np.any([np.isnan(values) for _, values in columns.values()], axis=0)
        if not complete.any():
            raise LearningError(f"no row of {data.origin} has all columns, to learn a network from")
        rows = data.rows(np.flatnonzero(complete)).without_groups()
        discrete = [target, *(v for v, _ in columns.values() if v.is_discrete)]
        kinds: dict[str, Any] = {
            "states": {v.name: v.labels for v in discrete},
            "continuous": [n for n, (v, _) in columns.items() if not v.is_discrete],
        }
        structure = learn_structure(
            rows,
            method="climb",
            variables=[target.name, *columns],
            tiers=[[target.name], list(columns)],
            required=[(target.name, name) for name in columns],
            max_parents=self.max_parents,
            **kinds,
        )
        return BayesianNetwork.from_structure(structure, rows, **kinds)

    def _answers(
        self, model: BayesianNetwork, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        """As of the base class; where all columns are measurements, by a normal density a class."""
        densities = model.cached(_class_densities, self.target_)
        if densities is None:
            return super()._answers(model, data, names)
        values = {
            name: column
            for modality in names
            for name, column in zip(
                data.blocks[modality].parts(modality), data.numbers(modality).T, strict=True
            )
        }
        absent = np.full(len(data), np.nan)
        table = np.stack([values.get(name, absent) for name in densities.names], 1)
        return np.asarray(softmax(densities.log_joint(table), axis=1))


@dataclass(frozen=True, eq=False)
class _ClassDensities:
    """The normal density of all columns within each class, and the share of each class."""

    names: tuple[str, ...]
    log_prior: Float64[np.ndarray, " classes"]
    means: Float64[np.ndarray, "classes columns"]
    covariances: Float64[np.ndarray, "classes columns columns"]

    def log_joint(self, table: Features) -> Float64[np.ndarray, "rows classes"]:
        """Log P(class, what is there of a row)."""
        scores = np.tile(self.log_prior, (len(table), 1))
        patterns, which = np.unique(~np.isnan(table), axis=0, return_inverse=True)
        for number, there in enumerate(patterns):
            rows = np.flatnonzero(which.reshape(-1) == number)
            for state, (mean, covariance) in enumerate(
                zip(self.means, self.covariances, strict=True)
            ):
                root = np.linalg.cholesky(covariance[np.ix_(there, there)])
                centred = (table[np.ix_(rows, there)] - mean[there]).T
                scaled = solve_triangular(root, centred, lower=True)
                scores[rows, state] -= 0.5 * (scaled**2).sum(0) + np.log(np.diag(root)).sum()
        return scores


def _class_densities(network: BayesianNetwork, target: str) -> _ClassDensities | None:
    """What a network says of its measurements within each class; None where a column has states.

    Asked for once: row by row the network would be eliminated anew.
    """
    names = tuple(name for name in network.variables if name != target)
    if any(network.variables[name].is_discrete for name in names):
        return None
    states = index(np.arange(network.variables[target].cardinality))
    mean, covariance = joint_moments(network, names, {target: states})
    prior = query(network, {}, [target]).marginal(target).reshape(-1).numpy()
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    table = covariance.numpy()
    # Columns that repeat others leave no variance: to rounding there is none at all.
    least = 1e-9 * np.diagonal(table, axis1=1, axis2=2)
    return _ClassDensities(
        names, log_prior, mean.numpy(), table + least[:, None] * np.eye(len(names))
    )


def _varying_columns(data: MultimodalData) -> dict[str, tuple[Variable, np.ndarray]]:
    """The columns of all modalities by name; without those that do not vary, which say nothing."""
    columns = {}
    for modality, block in data.blocks.items():
        block = columns_only(modality, block)
        for variable, column in zip(block.variables, block.values.T, strict=True):
            there = column[~np.isnan(column)]
            if len(there) and np.ptp(there) > 0:
                columns[variable.name] = (variable, column)
    if not columns:
        raise LearningError(f"no column of {data.origin} varies, so that it could tell anything")
    return columns
