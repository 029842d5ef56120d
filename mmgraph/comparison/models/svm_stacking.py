"""A support vector machine for each modality, and what they say put together by held-out rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.comparison.models.prior import class_shares
from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.modality_sets import modality_sets, rows_with
from mmgraph.predictors.pooling.fitting import inner_folds
from mmgraph.predictors.row_classifier import RowClassifier

with needs("data", "scikit-learn", "the models that others are compared with"):
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC


class SvmStackingClassifier(RowClassifier):
    """A support vector machine a modality, stacked by logistic regression on held-out scores.

    Scores of training rows are those of machines that have not learned from them, or from rows of
    their groups. For each set of modalities there is a regression of its own, fitted to the scores
    of rows that have them all when such a row is first asked for.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    cost : float
        ``C`` of the machines; features are standardised, and kernels are Gaussian.
    folds : int
        How many parts of the rows are held out in turn.
    random_state : int, RandomState or None
        The seed of these.

    Raises
    ------
    LearningError
        By ``fit``, if no modality has rows of two classes, or one is of texts.

    References
    ----------
    Wolpert (1992), "Stacked generalization".
    """

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        cost: float = 10.0,
        folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.cost = cost
        self.folds = folds
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        self.prior_ = class_shares(data)
        machines = {m: _Machine.fitted(data, m, self.cost) for m in data.modalities}
        self.machines_ = {m: machine for m, machine in machines.items() if machine is not None}
        if not self.machines_:
            raise LearningError(f"no modality of {data.origin} has rows of two classes")
        self._codes, self._counts = data.codes, data.counts
        self._scores = {m: np.full((len(data), len(self.prior_)), np.nan) for m in self.machines_}
        for training, test in inner_folds(data, self.folds, seed_of(self.random_state)):
            part, rest = data.rows(training), data.rows(test)
            for modality, scores in self._scores.items():
                machine = _Machine.fitted(part, modality, self.cost)
                if machine is not None:
                    scores[test] = machine.scores(rest.numbers(modality), len(self.prior_))
        self._has = {m: rows_with(data, [m]) & ~np.isnan(s[:, 0]) for m, s in self._scores.items()}
        self._stacked: dict[tuple[str, ...], Any] = {}

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return tuple(self.machines_)

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        answers = np.tile(self.prior_, (len(data), 1))
        for names, rows in modality_sets(data, asked):
            regression = self._regression(names) if names else None
            if regression is None:
                continue
            part = data.rows(rows)
            scores = {m: self.machines_[m].scores(part.numbers(m), len(self.prior_)) for m in names}
            answers[rows] = 0.0
            said = regression.predict_proba(_side_by_side(scores, names))
            answers[np.ix_(rows, regression.classes_)] = said
        return answers

    def _regression(self, names: tuple[str, ...]) -> Any:
        """The regression on scores of some modalities; None without held-out rows to learn from."""
        if names not in self._stacked:
            rows = np.flatnonzero(np.all([self._has[m] for m in names], axis=0))
            self._stacked[names] = None
            if len(np.unique(self._codes[rows])) > 1:
                table = _side_by_side({m: self._scores[m][rows] for m in names}, names)
                self._stacked[names] = LogisticRegression(max_iter=1000).fit(
                    table, self._codes[rows], self._counts[rows]
                )
        return self._stacked[names]


def _side_by_side(scores: dict[str, Features], names: Collection[str]) -> Features:
    return np.hstack([scores[modality] for modality in names])


class _Machine(NamedTuple):
    """A fitted machine of one modality, and the scale of its features."""

    preparation: Preparation
    svm: Any

    @classmethod
    def fitted(cls, data: MultimodalData, modality: str, cost: float) -> _Machine | None:
        """The machine of rows that have a modality; None where these are of one class."""
        rows = data.rows(np.flatnonzero(~data.block(modality).missing))
        if len(np.unique(rows.codes)) < 2:
            return None
        features = rows.numbers(modality)
        preparation = Preparation.fitted(features, quantiles=False)
        if not preparation.varying.any():
            return None
        svm = SVC(C=cost).fit(preparation.forward(features), rows.codes, rows.counts)
        return cls(preparation, svm)

    def scores(self, features: Features, classes: int) -> Float64[np.ndarray, "rows classes"]:
        """The score of each class; of those that it has not learned from, the least."""
        said = self.svm.decision_function(self.preparation.forward(features))
        if said.ndim == 1:  # of two classes there is one score, of the second
            said = np.stack([-said, said], 1)
        table = np.repeat(said.min(1, keepdims=True), classes, axis=1)
        table[:, self.svm.classes_] = said
        return np.asarray(table)
