"""What scikit-learn's faces of predictors have in common: rows in, checked; answers by modality."""

from __future__ import annotations

import abc
import os
from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.schema.schema import Schema
from mmgraph.formats.resolve import write
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError, SchemaError, needs, warn_caller
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.inputs import Modalities, rows_of, schema_of, series_name, with_target
from mmgraph.predictors.modality_sets import asked_modalities
from mmgraph.predictors.target_copies import warn_of_target_copies

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted, validate_data


class RowPredictor(BaseEstimator, abc.ABC):
    """A predictor of rows of several modalities, given as a frame, an array or MultimodalData.

    Subclasses say in :meth:`_with_target` and :meth:`_with_own_target` what their target is, and
    learn in :meth:`_learn`.
    """

    target_options: ClassVar[dict[str, Any]] = {}
    """How scikit-learn checks targets."""
    reads_texts: ClassVar[bool] = False
    """Whether it learns from modalities of texts."""
    modalities: Modalities | None
    schema_: Schema | None

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, sample_weight: Any = None) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : data frame, array (rows, columns) or MultimodalData
            NaN and None are missing. MultimodalData have a target, groups and weights of their own.
        y : sequence, optional
            The label, or number, of each row.
        groups : sequence, optional
            What each row belongs to: what is learned on held-out rows is learned on rows of other
            groups.
        sample_weight : sequence of float, optional
            How much each row counts.

        Raises
        ------
        LearningError
            If labels are missing, all alike, or of another kind (numbers, classes), a modality has
            no row, or a parameter of the predictor is unknown.
        SchemaError
            If a column stands in two modalities, or the table lacks one.

        Warns
        -----
        LeakWarning
            If a column is the target, cell by cell (which).
        """
        try:
            return self._learn_from(X, y, groups, sample_weight)
        except BaseException:  # half of it is no model, and what was learned before is out of date
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)
            raise

    def _learn_from(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> Self:
        """As :meth:`fit`, which leaves nothing behind where this fails."""
        named = is_frame(X) or isinstance(X, MultimodalData)
        if isinstance(X, MultimodalData) and y is None:
            if groups is not None or sample_weight is not None:
                raise LearningError(
                    "MultimodalData have groups and weights of their own: name them where the data "
                    "are made, not in fit"
                )
            data = self._with_own_target(X)
            self.schema_ = X.schema
        else:
            if y is None:
                raise LearningError(
                    "fit requires y to be passed, but the target y is None; MultimodalData bring it"
                )
            if not isinstance(X, MultimodalData):
                X = self._checked(X, y, first=True)
                X = rows_of(X, self._schema_for(X), partial=False)
            data = self._with_target(X, y, groups, sample_weight)
            self.schema_ = data.schema and with_target(data.schema, data.target)
        if self.schema_ is not None and named:
            names = [n for columns in self.schema_.modalities.values() for n in columns]
            self.feature_names_in_, self.n_features_in_ = np.array(names, object), len(names)
        if data.weights is not None and not data.weights.any():
            raise LearningError(f"the weights of {data.origin} are all zero")
        if data.weights is not None and data.target.is_discrete:
            _check_weight_of_classes(data)
        if data.weights is not None:  # what counts nothing is not there, for folds, too
            data = data.rows(np.flatnonzero(data.weights > 0))
        self._columns = {modality: block.take(slice(0)) for modality, block in data.blocks.items()}
        warn_of_target_copies(data)
        self._learn(data)
        return self

    def _target_name(self, y: Any, data: MultimodalData) -> str:
        """What the target is called: as a pandas Series of labels is, unless a column is, too."""
        return series_name(y, data) or "target"

    def _schema_for(self, table: Any) -> Schema:
        """What the columns of training rows are."""
        return schema_of(table, self.modalities, self.reads_texts)

    @abc.abstractmethod
    def _learn(self, data: MultimodalData) -> None:
        """Learn from rows with a target."""

    @abc.abstractmethod
    def _with_target(
        self, data: MultimodalData, y: Any, groups: Any, weights: Any
    ) -> MultimodalData:
        """Return rows with their target, groups and weights."""

    @abc.abstractmethod
    def _with_own_target(self, data: MultimodalData) -> MultimodalData:
        """Return rows that bring their target."""

    @property
    @abc.abstractmethod
    def modalities_(self) -> Collection[str]:
        """The modalities by which the fitted model tells anything; others are looked at in vain."""

    def _looked_at(self, given: Collection[str] | None) -> tuple[str, ...]:
        """The modalities by which rows are answered: those asked for that tell anything."""
        asked = asked_modalities(self._columns, given)
        return tuple(modality for modality in self.modalities_ if modality in asked)

    def _asked(
        self, X: Any, given: Collection[str] | None
    ) -> tuple[MultimodalData, tuple[str, ...]]:
        """Rows to answer, and the modalities to look at; rows without any are warned of."""
        check_is_fitted(self)
        asked, data = self._looked_at(given), self._rows(X)
        if given is None or len(given):
            warn_of_prior(data, asked)
        return data, asked

    def _rows(self, X: Any) -> MultimodalData:
        if isinstance(X, MultimodalData):
            self._check_columns(X)
            blocks = {
                modality: X.blocks[modality] if modality in X.blocks else learned.emptied(len(X))
                for modality, learned in self._columns.items()
            }
            return replace(X, blocks=blocks)
        if self.schema_ is None:
            raise LearningError("the predictor learned from MultimodalData: give such to it")
        features = Schema(c for c in self.schema_.columns.values() if c.role == "feature")
        return rows_of(self._checked(X, None, first=False), features, partial=True)

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
                    f"({error}). MultimodalData.read(rows, predictor.schema_, partial=True) reads "
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
        labels = {"y": y, **self.target_options} if first else {}
        checked = validate_data(
            self, X, **labels, reset=first, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return checked[0] if first else checked

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted predictor, for :func:`mmgraph.read` to read without pickle.

        What holds training rows (to learn from them what it is asked for later, as
        :class:`BayesianNetworkClassifier`, :class:`MachineClassifier` and
        :class:`MissingModalityClassifier` may) has them in its file, too.

        Parameters
        ----------
        path : str or path
            A directory ``NAME.mmgraph``, which is written whole or not at all. scikit-learn warns
            where what it has fitted is read by another of its versions.

        Raises
        ------
        FormatError
            If the predictor is not fitted, the name has another ending, the place cannot be
            written, or a part is of a kind of its own or holds types other than those of
            scikit-learn, numpy and scipy that skops trusts.
        MissingExtraError
            If skops is not installed.
        """
        write(self, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _check_weight_of_classes(data: MultimodalData) -> None:
    """Refuse rows of which a class has no weight: it would be learned as one that never occurs."""
    rows = np.bincount(data.codes, minlength=data.target.cardinality)
    weight = np.bincount(data.codes, data.counts, data.target.cardinality)
    weightless = np.flatnonzero((rows > 0) & (weight == 0))
    if len(weightless):
        raise LearningError(
            f"all {rows[weightless[0]]} rows of the class {data.target.labels[weightless[0]]!r} of "
            f"{data.origin} have the weight zero: leave them out, or weigh them"
        )


def warn_of_prior(data: MultimodalData, asked: Collection[str]) -> None:
    """Say so where a row has none of the modalities to look at."""
    empty = np.ones(len(data), bool)
    for modality in asked:
        empty &= data.block(modality).missing
    rows = np.flatnonzero(empty)
    if len(rows):
        which = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
        subject = f"row {which} has" if len(rows) == 1 else f"rows {which} have"
        warn_caller(
            f"{subject} none of the modalities looked at ({', '.join(asked)}): the answer is the "
            "prior",
            PriorWarning,
        )
