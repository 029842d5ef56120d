"""Any classifier of scikit-learn for rows of which whole modalities may be missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Features
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs, suggestion
from mmgraph.predictors.inputs import Modalities
from mmgraph.predictors.leaves.conditional_means import ConditionalMeans
from mmgraph.predictors.modality_sets import asked_modalities, modality_sets, numbers_of, rows_with
from mmgraph.predictors.pooling.placement import telling_modalities
from mmgraph.predictors.row_classifier import RowClassifier

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter

WAYS = ("reduced_models", "imputation")


class MissingModalityClassifier(RowClassifier):
    """A classifier of scikit-learn that answers whatever modalities are there.

    Rows of which every modality is missing, or none is looked at, get the shares of the classes
    among the training rows. Otherwise ``missing`` says what is done:

    ``"reduced_models"``
        For each set of modalities there is an estimator of its own, fitted to the training rows
        that have them all, and to nothing else of those. It is fitted when such a row is first
        asked for, from training rows that the classifier holds; or by ``fit``, for the sets that
        are named. As good as the estimator can be with these modalities, at the cost of a fit for
        each set.
    ``"imputation"``
        There is one estimator. What a row lacks are its means given the cells that it has, under a
        normal model of low rank of all modalities.

    Single cells that are missing within a modality are filled in by their means, either way; a row
    without missing cells meets the estimator as it is. Calibration is the estimator's own.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``; it is cloned. A state of a categorical column is a feature of zeros
        and ones.
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    missing : {"reduced_models", "imputation"}
        How missing modalities are met.
    sets : sequence of sequence of str, optional
        The sets of modalities whose estimators ``fit`` fits; the classifier then holds no training
        rows, and others are an error. By default each set, when it is asked for.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    estimators_ : dict of tuple of str to classifier
        Those fitted so far, by the modalities that they see; their classes are indices.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    References
    ----------
    Saar-Tsechansky and Provost (2007), "Handling missing values when applying classification
    models", compare both ways; reduced models were the more accurate throughout.

    Examples
    --------
    >>> clf = mm.MissingModalityClassifier(RandomForestClassifier(), modalities)
    >>> clf.fit(frame, y)                                        # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["genes"])                # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "missing modality classifier"
    """The name of the kind in files."""

    def __init__(
        self,
        estimator: Any,
        modalities: Modalities | None = None,
        *,
        missing: Literal["reduced_models", "imputation"] = "reduced_models",
        sets: Sequence[Collection[str]] | None = None,
    ) -> None:
        self.estimator = estimator
        self.modalities = modalities
        self.missing = missing
        self.sets = sets

    def _learn(self, data: MultimodalData) -> None:
        self._check(data)
        weights = data.counts
        counts = np.bincount(data.codes, weights, data.target.cardinality)
        self.prior_ = counts / counts.sum()
        there = [m for m in data.modalities if not data.block(m).missing.all()]
        if not there:
            raise LearningError(f"every modality of {data.origin} is missing in every row")
        telling_modalities(data)  # for its warnings
        self.there_ = tuple(there)
        self.models_: dict[tuple[str, ...], FittedModel] = {}
        self.training_rows_: MultimodalData | None = data
        if self.missing == "imputation":
            some = ~np.all([data.block(m).missing for m in there], axis=0)
            self.models_[self.there_] = self._fitted(data.rows(np.flatnonzero(some)), self.there_)
            self.training_rows_ = None
            return
        wanted = [self.there_] if self.sets is None else self.sets
        for names in wanted:
            chosen = asked_modalities(self.there_, names)
            if chosen and (self.sets is not None or rows_with(data, chosen).any()):
                self._model(chosen)
        if self.sets is not None:
            self.training_rows_ = None

    def _check(self, data: MultimodalData) -> None:
        """Refuse options and estimators that cannot be used, by name."""
        if self.missing not in WAYS:
            hint = suggestion(str(self.missing), WAYS)
            raise LearningError(f"missing={self.missing!r}{hint} (one of {', '.join(WAYS)})")
        if self.missing == "imputation" and self.sets is not None:
            raise LearningError("sets are of reduced models: imputation has one estimator")
        if not hasattr(self.estimator, "predict_proba"):
            raise LearningError(
                f"{self.estimator!r} has no predict_proba: scikit-learn's CalibratedClassifierCV "
                "around it has"
            )
        weighted = data.weights is not None and not (data.weights == data.weights[0]).all()
        if weighted and not has_fit_parameter(self.estimator, "sample_weight"):
            raise LearningError(f"{self.estimator!r} takes no weights of rows")

    @property
    def estimators_(self) -> dict[tuple[str, ...], Any]:
        """The estimators fitted so far, by the modalities that they see."""
        return {names: model.estimator for names, model in self.models_.items()}

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.there_

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        table = np.tile(self.prior_, (len(data), 1))
        for names, rows in modality_sets(data, asked):
            if not names:
                continue
            part = data.rows(rows)
            if self.missing == "imputation":
                model, part = self.models_[self.there_], part.only(*names)
            else:
                model = self._model(names)
            table[rows] = model.probabilities(numbers_of(part, model.modalities))
        return table

    def _model(self, names: tuple[str, ...]) -> FittedModel:
        """The model of some modalities, fitted if it is not yet there."""
        if names not in self.models_:
            data = self.training_rows_
            if data is None:
                sets = "; ".join(", ".join(fitted) for fitted in self.models_) or "none"
                raise LearningError(
                    f"no estimator was fitted to the modalities {', '.join(names)}; the sets that "
                    f"were named are: {sets}"
                )
            rows = rows_with(data, names)
            if not rows.any():
                raise LearningError(
                    f"no training row has all of the modalities {', '.join(names)}, so that no "
                    "estimator can be fitted to them; missing='imputation' needs no such row"
                )
            self.models_[names] = self._fitted(data.rows(np.flatnonzero(rows)), names)
        return self.models_[names]

    def _fitted(self, data: MultimodalData, names: tuple[str, ...]) -> FittedModel:
        """A model of some modalities, fitted to rows that have some of them."""
        features = numbers_of(data, names)
        means = ConditionalMeans.fitted(features)
        estimator = None
        if len(np.unique(data.codes)) > 1:
            estimator = clone(self.estimator)
            options = {} if data.weights is None else {"sample_weight": data.weights}
            if not has_fit_parameter(estimator, "sample_weight"):
                options = {}
            estimator.fit(means.filled(features), data.codes, **options)
        return FittedModel(names, means, estimator, self.prior_)


@dataclass(frozen=True, eq=False)
class FittedModel:
    """An estimator of some modalities; None where only one class had rows with them."""

    modalities: tuple[str, ...]
    means: ConditionalMeans
    estimator: Any
    prior: Float64[np.ndarray, " classes"]

    def probabilities(self, features: Features) -> Float64[np.ndarray, "rows classes"]:
        """Return those of the classes; one without training rows here has its share of all rows."""
        table = np.tile(self.prior, (len(features), 1))
        if self.estimator is not None:
            classes = self.estimator.classes_
            answers = self.estimator.predict_proba(self.means.filled(features))
            table[:, classes] = answers * self.prior[classes].sum()
        return table
