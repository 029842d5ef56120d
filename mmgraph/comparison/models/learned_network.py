"""A classifier that asks a Bayesian network whose structure it has learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.graph.variable import Variable
from mmgraph.learning.structure.learn_structure import learn_structure
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier
from mmgraph.predictors.inputs import Modalities


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
        folds: int = 3,
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


def _varying_columns(data: MultimodalData) -> dict[str, tuple[Variable, np.ndarray]]:
    """The columns of all modalities by name; without those that do not vary, which say nothing."""
    columns = {}
    for modality, block in data.blocks.items():
        if not isinstance(block, Columns):
            what = type(block).__name__.lower()
            raise LearningError(
                f"the modality '{modality}' is of {what}; a network is learned from columns"
            )
        for variable, column in zip(block.variables, block.values.T, strict=True):
            there = column[~np.isnan(column)]
            if len(there) and np.ptp(there) > 0:
                columns[variable.name] = (variable, column)
    if not columns:
        raise LearningError(f"no column of {data.origin} varies, so that it could tell anything")
    return columns
