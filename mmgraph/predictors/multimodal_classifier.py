"""A classifier of rows of several modalities, of which any may be missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError, needs, suggestion
from mmgraph.predictors.explanation import Explanation, explained
from mmgraph.predictors.inputs import (
    Modalities,
    labelled_rows,
    rows_of,
    schema_of,
)
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.pooled_leaves import PlacedLeaf, fit_pooled

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC
    from sklearn.utils.validation import check_is_fitted, validate_data

LEAVES: Mapping[str, Leaf] = {
    "mixture": MixtureLeaf(),
    "trees": EncoderLeaf(ExtraTreesClassifier(200)),
    "logistic": EncoderLeaf(LogisticRegression(C=0.1, max_iter=1000)),
    "kernel": EncoderLeaf(SVC(C=10, decision_function_shape="ovr"), quantiles=True),
    "perceptrons": PerceptronsLeaf(),
}
"""The kinds of leaves by name."""

LeafNames = Sequence[str | Leaf]


class MultimodalClassifier(ClassifierMixin, BaseEstimator):
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
        columns.
    leaves : sequence, or mapping of str to sequence
        The leaves of each modality: names of :data:`LEAVES`, or leaves such as
        ``EncoderLeaf(any_classifier)``.
    joint : sequence
        The leaves that see all modalities at once, where there are several.
    folds : int
        How many times leaves are fitted to a part of the rows, to learn the powers.
    random_state : int
        The seed.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    model_ : PooledLeaves
        What was learned.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Examples
    --------
    >>> clf = mm.MultimodalClassifier(modalities={"clinical": clinical, "genes": genes})
    >>> clf.fit(frame, y, groups=patients)                       # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["genes"])                # doctest: +SKIP
    """

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        leaves: LeafNames | Mapping[str, LeafNames] = ("mixture", "trees", "kernel", "perceptrons"),
        joint: LeafNames = ("trees", "kernel", "perceptrons"),
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.modalities = modalities
        self.leaves = leaves
        self.joint = joint
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, sample_weight: Any = None) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : data frame, array (rows, columns) or MultimodalData
            NaN and None are missing. MultimodalData have labels, groups and weights of their own.
        y : sequence, optional
            The label of each row.
        groups : sequence, optional
            What each row belongs to: powers are learned on rows of other groups.
        sample_weight : sequence of float, optional
            How much each row counts.

        Raises
        ------
        LearningError
            If labels are missing or of one class, a leaf is unknown, or a modality has no row.
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
                X = rows_of(X, schema_of(X, self.modalities), partial=False)
            data, self.classes_ = labelled_rows(X, y, groups, sample_weight)
            self.schema_ = data.schema
        if self.schema_ is not None and not hasattr(self, "n_features_in_"):
            names = [n for columns in self.schema_.modalities.values() for n in columns]
            self.feature_names_in_, self.n_features_in_ = np.array(names, object), len(names)
        self.model_ = fit_pooled(data, self._placed(data), self.folds, self.random_state)
        return self

    def _placed(self, data: MultimodalData) -> list[PlacedLeaf]:
        """The leaves of all modalities that have a number."""
        there = [m for m in data.modalities if not data.block(m).missing.all()]
        if not there:
            raise LearningError(f"every modality of {data.origin} is missing in every row")
        placed = []
        for modality in there:
            kinds = (
                self.leaves.get(modality, ()) if isinstance(self.leaves, Mapping) else self.leaves
            )
            placed += [PlacedLeaf(f"{modality}_{n}", (modality,), k) for n, k in _named(kinds)]
        if len(there) > 1:
            placed += [PlacedLeaf(f"joint_{n}", tuple(there), k) for n, k in _named(self.joint)]
        return placed

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
        return self.model_.predict_proba(self._rows(X), given)

    def predict(self, X: Any, given: Collection[str] | None = None) -> np.ndarray:
        """Return the most probable class of each row, as :meth:`predict_proba`."""
        table = self.predict_proba(X, given)
        return self.classes_[table.argmax(1)]

    def explain(self, X: Any, given: Collection[str] | None = None) -> Explanation:
        """Return how many nats each modality, and each leaf, gave for and against each class.

        As for :meth:`predict_proba`.
        """
        check_is_fitted(self)
        return explained(self.model_, self._rows(X), given)

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


def _named(kinds: LeafNames) -> list[tuple[str, Leaf]]:
    """Leaves by name; those that are given outright are called by their kind and place."""
    named = []
    for place, kind in enumerate(kinds):
        if isinstance(kind, Leaf):
            named.append((f"{kind.kind}_{place}", kind))
        elif kind in LEAVES:
            named.append((kind, LEAVES[kind]))
        else:
            hint = suggestion(kind, LEAVES)
            raise LearningError(f"no leaf is called {kind!r}{hint} (one of {', '.join(LEAVES)})")
    return named
