"""A regressor of rows of several modalities, of which any may be missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.graph.errors import LearningError, needs, suggestion, warn_caller
from mmgraph.graph.variable import Variable
from mmgraph.predictors.inputs import Modalities, numbered_rows, seed_of
from mmgraph.predictors.leaves.named import LeafNames
from mmgraph.predictors.modality_sets import rows_with
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
from mmgraph.predictors.pooling.fitting import inner_folds
from mmgraph.predictors.pooling.placement import SilentModalityWarning, telling_modalities
from mmgraph.predictors.regression.densities import BinnedDensities, Densities
from mmgraph.predictors.regression.normal_pool import NormalPool, fit_normal_pool
from mmgraph.predictors.regression.target_bins import TargetBins
from mmgraph.predictors.row_predictor import RowPredictor

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import RegressorMixin

_METHODS = ("bins", "gaussian")
_BINS_OF_A_ROOT = 0.4
"""Bins by the square root of the rows: 8 of 400 rows, 18 of 2,000."""
_MOST_BINS = 20


class MultimodalRegressor(RegressorMixin, RowPredictor):
    """A number told by several modalities, of which any may be missing; as a density.

    ``method`` says how:

    ``"bins"``
        The number is cut into bins of as many rows each, and a
        :class:`~mmgraph.predictors.multimodal_classifier.MultimodalClassifier` tells the bin.
        Within a bin the density is uniform, beyond the outermost ends it falls off exponentially.
        Any shape of density, and any leaf; takes many rows, and where these tell a number more
        sharply than bins are wide, its quantiles lie too far apart.
    ``"gaussian"``
        Each modality, and all of numbers together, has a ridge regression with a normal error.
        Their densities, over that of the number itself, are multiplied with powers, learned on
        held-out rows for each set of modalities. For few rows, and what is nearly linear; texts
        are not looked at.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns. A column of texts that is a modality alone is read as texts.
    method : {"bins", "gaussian"}
        How the number is told.
    bins : int, optional
        How many bins; fewer where many numbers are the same. By default from 3 to 20, as
        many as 0.4 times the square root of the number of rows.
    leaves, joint, budget, n_jobs
        Of bins, as of the classifier.
    folds : int
        How many times leaves, or regressions, are fitted to a part of the rows, to learn powers.
    random_state : int, RandomState or None
        The seed; of None another one at each fit.

    Attributes
    ----------
    model_ : MultimodalClassifier or NormalPool
        What was learned.
    bins_ : TargetBins
        Of the number.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Warns
    -----
    SilentModalityWarning
        If a modality tells nothing: it is constant, or missing in every row.

    Examples
    --------
    >>> regressor = mm.MultimodalRegressor({"clinical": clinical, "genes": genes})
    >>> regressor.fit(frame, months)                                        # doctest: +SKIP
    >>> regressor.predict_quantiles(frame, [0.1, 0.9], given=["genes"])     # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "multimodal regressor"
    """The name of the kind in files."""
    reads_texts: ClassVar[bool] = True
    target_options: ClassVar[dict[str, Any]] = {"y_numeric": True}
    model_: MultimodalClassifier | NormalPool

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        method: Literal["bins", "gaussian"] = "bins",
        bins: int | None = None,
        leaves: LeafNames | Mapping[str, LeafNames] = ("logistic", "trees"),
        joint: LeafNames = ("logistic", "trees"),
        folds: int = 5,
        budget: float = 600.0,
        n_jobs: int | None = -1,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.method = method
        self.bins = bins
        self.leaves = leaves
        self.joint = joint
        self.folds = folds
        self.budget = budget
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _with_target(
        self, data: MultimodalData, y: Any, groups: Any, weights: Any
    ) -> MultimodalData:
        return numbered_rows(data, y, groups, weights, self._target_name(y, data))

    def _with_own_target(self, data: MultimodalData) -> MultimodalData:
        if data.target.is_discrete:
            raise LearningError(
                f"'{data.target.name}' of {data.origin} has states: mm.MultimodalClassifier tells "
                "such; give numbers as y"
            )
        return data

    def _learn(self, data: MultimodalData) -> None:
        if self.method not in _METHODS:
            hint = suggestion(str(self.method), _METHODS)
            raise LearningError(f"method={self.method!r}{hint} (one of {', '.join(_METHODS)})")
        if self.folds < 2:
            raise LearningError(f"powers are learned in two folds or more, not {self.folds}")
        seed = seed_of(self.random_state)
        values = _checked_numbers(data)
        self.bins_ = TargetBins.fitted(values, data.counts, self._bin_count(len(values)))
        names = tuple(f"bin {i}" for i in range(len(self.bins_.ends) + 1))
        outcome = Outcome(Variable(data.target.name, names), self.bins_.codes(values))
        binned = replace(data, outcome=outcome)
        if self.method == "bins":
            self.model_ = MultimodalClassifier(
                leaves=self.leaves,
                joint=self.joint,
                folds=self.folds,
                budget=self.budget,
                n_jobs=self.n_jobs,
                random_state=seed,
            ).fit(binned)
            return
        warn_of_groups(data)
        folds = inner_folds(binned, self.folds, seed)
        self.model_ = fit_normal_pool(data, _places(binned), folds)

    def _bin_count(self, rows: int) -> int:
        if self.bins is None:
            return int(np.clip(round(_BINS_OF_A_ROOT * rows**0.5), 3, _MOST_BINS))
        if not 2 <= self.bins <= max(rows // 2, 2):
            raise LearningError(
                f"{rows} rows are cut into two bins or more, of two rows or more, not {self.bins}"
            )
        return int(self.bins)

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        model: Any = self.model_
        return model.modalities_ if isinstance(model, MultimodalClassifier) else model.modalities

    def _densities(self, data: MultimodalData, asked: tuple[str, ...]) -> Densities:
        model: Any = self.model_
        if isinstance(model, MultimodalClassifier):
            return BinnedDensities(self.bins_, model._posterior(data, asked))
        return model.densities(data, asked)

    def predict(self, X: Any, given: Collection[str] | None = None) -> Float64[np.ndarray, " rows"]:
        """Return the expected number of each row.

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
            If nothing is there of a row (which): its answer is that of all training rows.
        """
        return self._densities(*self._asked(X, given)).mean()

    def predict_quantiles(
        self, X: Any, levels: Any, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows levels"]:
        """Return the numbers below which the target lies with some probabilities.

        Parameters
        ----------
        X, given
            As of :meth:`predict`.
        levels : float or sequence of float
            The probabilities, between 0 and 1.

        Raises
        ------
        LearningError
            If a level is not between 0 and 1; and as :meth:`predict`.
        """
        wanted = np.atleast_1d(np.asarray(levels, np.float64))
        if wanted.ndim != 1 or not ((wanted > 0) & (wanted < 1)).all():
            raise LearningError(f"levels of quantiles lie between 0 and 1, not {levels!r}")
        return self._densities(*self._asked(X, given)).quantiles(wanted)

    def log_density(
        self, X: Any, y: Any, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the logarithm of the density of a number in each row, in nats.

        Parameters
        ----------
        X, given
            As of :meth:`predict`.
        y : sequence of float
            The numbers.

        Raises
        ------
        LearningError
            If they are not one a row and finite; and as :meth:`predict`.
        """
        densities = self._densities(*self._asked(X, given))
        values = np.asarray(y, np.float64)
        if values.shape != densities.mean().shape or not np.isfinite(values).all():
            raise LearningError(
                f"a finite number for each of {len(densities.mean())} rows is expected, not an "
                f"array of shape {values.shape}"
            )
        return densities.log_density(values)


def _checked_numbers(data: MultimodalData) -> Float64[np.ndarray, " rows"]:
    """The target's numbers, all of which are there and not the same."""
    assert data.outcome is not None
    values = np.asarray(data.outcome.labels, np.float64)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise LearningError(f"the target of row {row} of {data.origin} is no number: {values[row]}")
    if len(values) < 2:
        raise LearningError(f"{data.origin} have one row (n_samples=1): nothing to tell")
    if values.min() == values.max():
        raise LearningError(
            f"the target is {values[0]:g} in every row of {data.origin}: nothing to tell"
        )
    return values


def _places(binned: MultimodalData) -> list[tuple[str, ...]]:
    """The modalities of each regression: one, or all of numbers together."""
    telling = telling_modalities(binned)
    numeric = tuple(m for m in telling if not isinstance(binned.block(m), Texts))
    for modality in telling:
        if modality not in numeric:
            warn_caller(
                f"the modality '{modality}' of {binned.origin} is of texts, which regressions do "
                "not look at: method='bins' does",
                SilentModalityWarning,
            )
    if not numeric:
        raise LearningError(f"{binned.origin} have texts alone: method='bins' looks at them")
    several = len(numeric) > 1 and rows_with(binned, numeric).sum() > 2
    return [*((m,) for m in numeric), *([numeric] if several else [])]
