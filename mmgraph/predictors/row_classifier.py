"""What scikit-learn's faces of predictors have in common: rows in, labels, probabilities out."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.schema.schema import Schema
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError, UnknownVariableError, needs, suggestion
from mmgraph.predictors.inputs import Modalities, labelled_rows, rows_of, schema_of

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
            If labels are missing or of one class, a modality has no row, or a parameter of the
            classifier is unknown.
        SchemaError
            If a column stands in two modalities, or the table lacks one.
        """
        if isinstance(X, MultimodalData) and y is None:
            data, self.classes_ = X, np.array(X.target.labels)
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
        if self.schema_ is not None and not hasattr(self, "n_features_in_"):
            names = [n for columns in self.schema_.modalities.values() for n in columns]
            self.feature_names_in_, self.n_features_in_ = np.array(names, object), len(names)
        if data.weights is not None and not data.weights.any():
            raise LearningError(f"the weights of {data.origin} are all zero")
        self._learn(data)
        return self

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
            A frame may lack columns, which are missing then.
        given : collection of str, optional
            The modalities to look at; by default all that are there.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        """
        check_is_fitted(self)
        return self._posterior(self._rows(X), given)

    def predict(self, X: Any, given: Collection[str] | None = None) -> np.ndarray:
        """Return the most probable class of each row, as :meth:`predict_proba`."""
        table = self.predict_proba(X, given)
        return self.classes_[table.argmax(1)]

    def _rows(self, X: Any) -> MultimodalData:
        if isinstance(X, MultimodalData):
            return X
        if self.schema_ is None:
            raise LearningError("the classifier learned from MultimodalData: give such to it")
        return rows_of(self._checked(X, None, first=False), self.schema_, partial=True)

    def _checked(self, X: Any, y: Any, first: bool) -> Any:
        """Rows that are no frame, as scikit-learn checks them; cells may be missing."""
        if is_frame(X):
            return X
        labels = {"y": y} if first else {}
        checked = validate_data(
            self, X, **labels, reset=first, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return checked[0] if first else checked

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def asked_modalities(modalities: Collection[str], given: Collection[str] | None) -> tuple[str, ...]:
    """Return which of a model's modalities are looked at, in the model's order.

    Raises
    ------
    UnknownVariableError
        If one that is asked for is none of the model's.
    """
    given = (given,) if isinstance(given, str) else given
    for modality in given or ():
        if modality not in modalities:
            hint = suggestion(modality, modalities)
            raise UnknownVariableError(f"the model has no modality '{modality}'{hint}")
    return tuple(m for m in modalities if given is None or m in given)


def modality_sets(
    data: MultimodalData, modalities: Collection[str]
) -> Iterator[tuple[tuple[str, ...], Int64[np.ndarray, " rows"]]]:
    """Yield each set of modalities, of those looked at, that rows have; and these rows."""
    there = np.zeros((len(data), len(modalities)), bool)
    for place, modality in enumerate(modalities):
        there[:, place] = ~data.block(modality).missing
    distinct, pattern = np.unique(there, axis=0, return_inverse=True)
    for index, row in enumerate(distinct):
        names = tuple(m for m, has in zip(modalities, row, strict=True) if has)
        yield names, np.flatnonzero(pattern.reshape(-1) == index)
