"""A classifier that learns from copies of rows with modalities hidden, too."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.comparison.models.prior import class_shares
from mmgraph.data.blocks.block import Features
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.row_classifier import RowClassifier

with needs("data", "scikit-learn", "the models that others are compared with"):
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter


class MaskedCopiesClassifier(RowClassifier):
    """One estimator, fitted to rows and to copies of them with modalities hidden.

    Features of all modalities stand side by side, NaN where missing; the estimator takes NaN. What
    sums up sequences stands for them.

    Parameters
    ----------
    estimator : classifier
        Of scikit-learn, with ``predict_proba`` and weights; it is cloned.
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    copies : int
        How many copies of each row there are beside itself: one of each set of modalities where
        these are no more, else so many sets by lot for each row.
    random_state : int, RandomState or None

    Raises
    ------
    LearningError
        By ``fit``, if a modality is of texts, or the estimator takes no weights and rows have some.
    """

    def __init__(
        self,
        estimator: Any,
        modalities: Modalities | None = None,
        *,
        copies: int = 6,
        random_state: Any = 0,
    ) -> None:
        self.estimator = estimator
        self.modalities = modalities
        self.copies = copies
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        seed = seed_of(self.random_state)
        self.there_ = tuple(m for m in data.modalities if not data.block(m).missing.all())
        self.prior_ = class_shares(data)
        features = [data.numbers(m) for m in self.there_]
        shown = _shown(len(data), len(features), self.copies, seed)
        table = np.concatenate([_hidden(features, patterns) for patterns in shown])
        codes, weights = np.tile(data.codes, len(shown)), np.tile(data.counts, len(shown))
        # A copy of which nothing is left teaches the prior alone, and one that hides nothing of
        # what its row has is the row again.
        held = np.stack([~np.isnan(f).all(1) for f in features], 1)
        left = [patterns & held for patterns in shown]
        same = [(rest == held).all(1) & (place > 0) for place, rest in enumerate(left)]
        use = np.concatenate([rest.any(1) for rest in left]) & ~np.concatenate(same)
        self.estimator_ = None
        if len(np.unique(codes[use])) > 1:
            self.estimator_ = clone(self.estimator)
            if "random_state" in self.estimator_.get_params():
                self.estimator_.set_params(random_state=seed)
            weighing = {}
            if has_fit_parameter(self.estimator_, "sample_weight"):
                weighing = {"sample_weight": weights[use]}
            elif data.weights is not None:
                raise LearningError(f"{self.estimator!r} takes no weights of rows")
            self.estimator_.fit(table[use], codes[use], **weighing)

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.there_

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        answers = np.tile(self.prior_, (len(data), 1))
        seen = data.only(*asked)
        table = np.hstack([seen.numbers(m) for m in self.there_])
        rows = np.flatnonzero(~np.isnan(table).all(1))
        if len(rows) and self.estimator_ is not None:
            answers[rows] = 0.0
            said = self.estimator_.predict_proba(table[rows])
            answers[np.ix_(rows, self.estimator_.classes_)] = said
        return answers


def _shown(rows: int, count: int, copies: int, seed: int) -> list[Bool[np.ndarray, "rows sets"]]:
    """Which modalities each copy of each row shows; the first shows all."""
    everything = np.ones((rows, count), bool)
    sets = [np.array(s) for s in itertools.product([True, False], repeat=min(count, 8))][1:-1]
    if count <= 8 and len(sets) <= copies:
        return [everything, *(np.tile(s, (rows, 1)) for s in sets)]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(copies):
        # As many of each size as of any other, as subsets are asked for in a comparison.
        sizes = random.integers(1, count, rows)
        order = random.permuted(np.tile(np.arange(count), (rows, 1)), axis=1)
        drawn.append(order < sizes[:, None])
    return [everything, *drawn]


def _hidden(features: list[Features], shown: Bool[np.ndarray, "rows sets"]) -> Features:
    """Features side by side, NaN where their modality is not shown."""
    parts = [np.where(s[:, None], f, np.nan) for f, s in zip(features, shown.T, strict=True)]
    return np.hstack(parts)
