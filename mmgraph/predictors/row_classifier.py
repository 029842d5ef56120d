"""What scikit-learn's faces of classifiers have in common: rows in, labels, probabilities out."""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.inputs import continuous_labels, labelled_rows
from mmgraph.predictors.row_predictor import RowPredictor

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import ClassifierMixin


class RowClassifier(ClassifierMixin, RowPredictor):
    """A classifier of rows of several modalities, given as a frame, an array or MultimodalData.

    Subclasses learn in :meth:`_learn` and answer in :meth:`_posterior`.
    """

    classes_: np.ndarray[Any, Any]

    def _with_target(
        self, data: MultimodalData, y: Any, groups: Any, weights: Any
    ) -> MultimodalData:
        data, self.classes_ = labelled_rows(data, y, groups, weights, self._target_name(y, data))
        return data

    def _with_own_target(self, data: MultimodalData) -> MultimodalData:
        if not data.target.is_discrete:
            raise continuous_labels(f"'{data.target.name}' of {data.origin}")
        codes = np.unique(data.codes)
        if len(codes) < 2:
            label = data.target.labels[codes[0]]
            raise LearningError(
                f"all rows of {data.origin} have the label {label!r} of '{data.target.name}': "
                "nothing to tell"
            )
        self.classes_ = np.array(data.target.labels)
        return data

    @abc.abstractmethod
    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probabilities of the classes by some of the modalities that tell anything."""

    def predict_proba(
        self, X: Any, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probability of each class in each row.

        Parameters
        ----------
        X : data frame, array or MultimodalData
            A frame may lack columns, and MultimodalData modalities, which are missing then.
        given : collection of str, optional
            The modalities to look at; by default all that are there. One that tells nothing (it
            was constant, or in no training row) is looked at in vain.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        SchemaError, EvidenceError
            If the rows have other columns than those learned from, or a cell is not what its
            column holds (which).

        Warns
        -----
        PriorWarning
            If nothing is there of a row that tells anything (which): its answer is the prior.
        """
        return self._posterior(*self._asked(X, given))

    def predict(self, X: Any, given: Collection[str] | None = None) -> np.ndarray:
        """Return the most probable class of each row, as :meth:`predict_proba`."""
        table = self.predict_proba(X, given)
        return self.classes_[table.argmax(1)]
