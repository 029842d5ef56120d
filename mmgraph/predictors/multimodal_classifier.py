"""A classifier of rows of several modalities, of which any may be missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.leaves.named import PLAIN, LeafNames
from mmgraph.predictors.pooling.explanation import Explanation, explained
from mmgraph.predictors.pooling.fitting import fit_pooled
from mmgraph.predictors.pooling.placement import placed_leaves
from mmgraph.predictors.row_classifier import RowClassifier

with needs("data", "scikit-learn", "predictors"):
    from sklearn.utils.validation import check_is_fitted


class MultimodalClassifier(RowClassifier):
    """A target with leaves in each modality, which answers whatever modalities are there.

    Each leaf is a model of one modality, or of all of them together: a density, or a classifier as
    a tempered likelihood. Given the target leaves are taken to be independent, and each has a
    power, learned on training rows (of other groups, where there are groups) that it had not seen.
    A modality that is missing drops out, and powers are those of the others; nothing is fitted
    again.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns. A column of texts that is a modality alone is read as texts.
    leaves : str or sequence, or mapping of str to those
        The leaves of each modality: names of :data:`~mmgraph.predictors.leaves.named.LEAVES`, or
        leaves such as ``EncoderLeaf(any_classifier)``. Of sequences they see what sums them up.
        Texts have ``"words"``, and no others of those named for all modalities. ``"auto"`` tries
        shrunk logistic regression, then mixtures, trees, kernels and perceptrons; logistic
        regression answers alone where all together do not lower the log-loss of held-out rows by
        two standard errors.
    joint : str or sequence
        The leaves that see all modalities at once but texts, where there are several. ``"auto"``
        are those of single modalities, without mixtures.
    folds : int
        How many times leaves are fitted to a part of the rows, to learn the powers.
    budget : float
        Seconds within which leaves are fitted to these parts: where the table is so long that they
        would take more in all, the later kinds are left out.
    n_jobs : int, optional
        How many leaves are fitted at a time, as scikit-learn's: by default as many as there are
        cores. Answers do not depend on it.
    random_state : int, RandomState or None
        The seed; of None another one at each fit.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    model_ : PooledLeaves
        What was learned.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Warns
    -----
    SilentModalityWarning
        If a modality is constant, or missing in every row, or no rows have all modalities: it tells
        nothing.
    SplitWarning, CopiesWarning
        If groups are rows or all rows, or rows of two groups are copies.
    BudgetWarning
        If the budget does not suffice for some leaves (which).

    Examples
    --------
    >>> clf = mm.MultimodalClassifier(modalities={"clinical": clinical, "genes": genes})
    >>> clf.fit(frame, y, groups=patients)                       # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["genes"])                # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "multimodal classifier"
    """The name of the kind in files."""
    reads_texts: ClassVar[bool] = True

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        leaves: LeafNames | Mapping[str, LeafNames] = "auto",
        joint: LeafNames = "auto",
        folds: int = 5,
        budget: float = 600.0,
        n_jobs: int | None = -1,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.leaves = leaves
        self.joint = joint
        self.folds = folds
        self.budget = budget
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        if self.folds < 2:
            raise LearningError(f"powers are learned in two folds or more, not {self.folds}")
        seed = seed_of(self.random_state)
        warn_of_groups(data)
        leaves = placed_leaves(data, self.leaves, self.joint)
        plain = [leaf for leaf in leaves if self.leaves == "auto" and leaf.kind in PLAIN]
        self.model_ = fit_pooled(
            data, leaves, self.folds, seed, plain=plain, budget=self.budget, jobs=self.n_jobs
        )

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.model_.modalities

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        return self.model_.predict_proba(data, asked)

    def explain(
        self, X: Any, given: Collection[str] | None = None, *, features: bool = False
    ) -> Explanation:
        """Return how many nats each modality, and each leaf, gave for and against each class.

        As for :meth:`predict_proba`; with ``features``, also how many each column, element of an
        array, channel of a sequence and word of a text gave, at the cost of a prediction for each.
        Printed, it says of the first rows what spoke for their class.
        """
        check_is_fitted(self)
        explanation = explained(self.model_, self._rows(X), self._looked_at(given), features)
        return replace(explanation, classes=tuple(self.classes_.tolist()))
