"""What scikit-learn's faces of predictors have in common: rows in, labels, probabilities out."""

from __future__ import annotations

import abc
import os
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import Block
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.schema.schema import Schema
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import (
    LearningError,
    SchemaError,
    needs,
)
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.inputs import (
    Modalities,
    continuous_labels,
    labelled_rows,
    rows_of,
    schema_of,
)

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted, validate_data


class RowClassifier(ClassifierMixin, BaseEstimator, abc.ABC):
    """A classifier of rows of several modalities, given as a frame, an array or MultimodalData.

    Subclasses learn in :meth:`_learn` and answer in :meth:`_posterior`.
    """

    modalities: Modalities | None
    classes_: np.ndarray[Any, Any]
    schema_: Schema | None
    _columns: Mapping[str, Block]
    """The modalities of the training rows, without rows."""

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, sample_weight: Any = None) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : data frame, array (rows, columns) or MultimodalData
            NaN and None are missing. MultimodalData have labels, groups and weights of their own.
        y : sequence, optional
            The label of each row.
        groups : sequence, optional
            What each row belongs to: what is learned on held-out rows is learned on rows of other
            groups.
        sample_weight : sequence of float, optional
            How much each row counts.

        Raises
        ------
        LearningError
            If labels are missing, of one class or real numbers, a modality has no row, or a
            parameter of the classifier is unknown.
        SchemaError
            If a column stands in two modalities, or the table lacks one.
        """
        named = is_frame(X) or isinstance(X, MultimodalData)
        if isinstance(X, MultimodalData) and y is None:
            data, self.classes_ = self._with_own_labels(X, groups, sample_weight)
            self.schema_ = X.schema
        else:
            if y is None:
                raise LearningError(
                    "fit requires y to be passed, but the target y is None; MultimodalData bring it"
                )
            if not isinstance(X, MultimodalData):
                X = self._checked(X, y, first=True)
                X = rows_of(X, self._schema_for(X), partial=False)
            name = self._target_name()
            data, self.classes_ = labelled_rows(X, y, groups, sample_weight, name)
            self.schema_ = data.schema
        if self.schema_ is not None and named:
            names = [n for columns in self.schema_.modalities.values() for n in columns]
            self.feature_names_in_, self.n_features_in_ = np.array(names, object), len(names)
        if data.weights is not None and not data.weights.any():
            raise LearningError(f"the weights of {data.origin} are all zero")
        self._columns = {modality: block.take(slice(0)) for modality, block in data.blocks.items()}
        self._learn(data)
        return self

    def _with_own_labels(
        self, data: MultimodalData, groups: Any, weights: Any
    ) -> tuple[MultimodalData, np.ndarray]:
        """Rows that bring their labels, and the classes."""
        if not data.target.is_discrete:
            raise continuous_labels(f"'{data.target.name}' of {data.origin}")
        if groups is not None or weights is not None:
            raise LearningError(
                "MultimodalData have groups and weights of their own: name them where the data are "
                "made, not in fit"
            )
        codes = np.unique(data.codes)
        if len(codes) < 2:
            label = data.target.labels[codes[0]]
            raise LearningError(
                f"all rows of {data.origin} have the label {label!r} of '{data.target.name}': "
                "nothing to tell"
            )
        return data, np.array(data.target.labels)

    def _target_name(self) -> str:
        """What the target is called where labels come without a name."""
        return "target"

    def _schema_for(self, table: Any) -> Schema:
        """What the columns of training rows are."""
        return schema_of(table, self.modalities)

    @abc.abstractmethod
    def _learn(self, data: MultimodalData) -> None:
        """Learn from rows with labels."""

    @abc.abstractmethod
    def _posterior(
        self, data: MultimodalData, given: Collection[str] | None
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probabilities of the classes, as :meth:`predict_proba`."""

    def predict_proba(
        self, X: Any, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probability of each class in each row.

        Parameters
        ----------
        X : data frame, array or MultimodalData
            A frame may lack columns, and MultimodalData modalities, which are missing then.
        given : collection of str, optional
            The modalities to look at; by default all that are there.

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
            If nothing is there of a row (which): its answer is the prior.
        """
        check_is_fitted(self)
        given = [given] if isinstance(given, str) else given
        data = self._rows(X)
        table = self._posterior(data, given)
        asked = [m for m in data.modalities if given is None or m in given]
        if asked:
            _warn_of_empty(np.all([data.block(m).missing for m in asked], axis=0))
        return table

    def predict(self, X: Any, given: Collection[str] | None = None) -> np.ndarray:
        """Return the most probable class of each row, as :meth:`predict_proba`."""
        table = self.predict_proba(X, given)
        return self.classes_[table.argmax(1)]

    def _rows(self, X: Any) -> MultimodalData:
        if isinstance(X, MultimodalData):
            self._check_columns(X)
            blocks = {
                modality: X.blocks[modality] if modality in X.blocks else learned.emptied(len(X))
                for modality, learned in self._columns.items()
            }
            return replace(X, blocks=blocks)
        if self.schema_ is None:
            raise LearningError("the classifier learned from MultimodalData: give such to it")
        return rows_of(self._checked(X, None, first=False), self.schema_, partial=True)

    def _check_columns(self, data: MultimodalData) -> None:
        """Refuse rows whose columns or states are not those that were learned from."""
        for modality, learned in self._columns.items():
            if modality not in data.blocks:
                continue
            try:
                learned.join([data.blocks[modality].take(slice(0))])
            except LearningError as error:
                raise SchemaError(
                    f"the modality '{modality}' of {data.origin} is not what was learned from "
                    f"({error}). MultimodalData.read(rows, classifier.schema_, partial=True) reads "
                    "rows of a table alike"
                ) from None

    def _checked(self, X: Any, y: Any, first: bool) -> Any:
        """Rows that are no frame, as scikit-learn checks them; cells may be missing."""
        if is_frame(X):
            return X
        if isinstance(X, str | os.PathLike):
            raise LearningError(
                f"rows are a data frame, an array or MultimodalData, not the path {str(X)!r}: "
                "pandas.read_csv and MultimodalData.read read it"
            )
        labels = {"y": y} if first else {}
        checked = validate_data(
            self, X, **labels, reset=first, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return checked[0] if first else checked

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _warn_of_empty(empty: Bool[np.ndarray, " rows"]) -> None:
    """Say so where a row has nothing to be told by."""
    rows = np.flatnonzero(empty)
    if len(rows):
        which = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
        subject = f"row {which} has" if len(rows) == 1 else f"rows {which} have"
        warnings.warn(
            f"{subject} none of the modalities looked at: the answer is the prior",
            PriorWarning,
            stacklevel=3,
        )
