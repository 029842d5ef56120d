"""A classifier of rows of several modalities, of which any may be missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.formats.resolve import write
from mmgraph.graph.errors import LearningError, needs, suggestion
from mmgraph.predictors.inputs import Modalities
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.leaves.words import WordsLeaf
from mmgraph.predictors.pooling.explanation import Explanation, explained
from mmgraph.predictors.pooling.pooled_leaves import PlacedLeaf, fit_pooled
from mmgraph.predictors.row_classifier import RowClassifier

with needs("data", "scikit-learn", "predictors"):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted

LEAVES: Mapping[str, Leaf] = {
    "mixture": MixtureLeaf(),
    "trees": EncoderLeaf(ExtraTreesClassifier(200)),
    "logistic": EncoderLeaf(LogisticRegression(C=0.1, max_iter=1000)),
    "kernel": EncoderLeaf(SVC(C=10, decision_function_shape="ovr"), quantiles=True),
    "perceptrons": PerceptronsLeaf(),
    "words": WordsLeaf(),
}
"""The kinds of leaves by name."""

LeafNames = Sequence[str | Leaf]


class SilentModalityWarning(UserWarning):
    """A modality by which no row can be told: constant, or missing throughout."""


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
        columns.
    leaves : sequence, or mapping of str to sequence
        The leaves of each modality: names of :data:`LEAVES`, or leaves such as
        ``EncoderLeaf(any_classifier)``. Of sequences they see what sums them up. Texts have
        ``"words"``, and no others of those named for all modalities.
    joint : sequence
        The leaves that see all modalities at once but texts, where there are several.
    folds : int
        How many times leaves are fitted to a part of the rows, to learn the powers.
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

    Examples
    --------
    >>> clf = mm.MultimodalClassifier(modalities={"clinical": clinical, "genes": genes})
    >>> clf.fit(frame, y, groups=patients)                       # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["genes"])                # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "multimodal classifier"
    """The name of the kind in files."""

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        leaves: LeafNames | Mapping[str, LeafNames] = ("mixture", "trees", "kernel", "perceptrons"),
        joint: LeafNames = ("trees", "kernel", "perceptrons"),
        folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.leaves = leaves
        self.joint = joint
        self.folds = folds
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        if self.folds < 2:
            raise LearningError(f"powers are learned in two folds or more, not {self.folds}")
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        warn_of_groups(data)
        self.model_ = fit_pooled(data, self._placed(data), self.folds, seed)

    def _placed(self, data: MultimodalData) -> list[PlacedLeaf]:
        """The leaves of all modalities that can tell something."""
        leaves = self.leaves
        for modality in leaves if isinstance(leaves, Mapping) else ():
            data.block(modality)
        telling = _telling(data)
        placed = []
        for modality in telling:
            chosen = _suited(leaves, modality, data.block(modality))
            placed += [PlacedLeaf(f"{modality}_{n}", (modality,), k) for n, k in chosen]
        numeric = tuple(m for m in telling if not isinstance(data.block(m), Texts))
        if len(numeric) > 1:
            joint = [PlacedLeaf(f"joint_{n}", numeric, k) for n, k in _named(self.joint)]
            if joint and not joint[0].can_learn(data):
                warnings.warn(
                    f"no rows of two classes have all of {', '.join(numeric)}: there are no joint "
                    "leaves",
                    SilentModalityWarning,
                    stacklevel=4,
                )
                joint = []
            placed += joint
        if not placed:
            raise LearningError("there are no leaves: name one for a modality that varies")
        return placed

    def _posterior(
        self, data: MultimodalData, given: Collection[str] | None
    ) -> Float64[np.ndarray, "rows classes"]:
        return self.model_.predict_proba(data, self._heard(given))

    def _heard(self, given: Collection[str] | None) -> Collection[str] | None:
        """The modalities to look at without those that never told anything."""
        if given is None:
            return None
        learned = self.model_.modalities
        silent = {*({} if self.schema_ is None else self.schema_.modalities)} - {*learned}
        return [m for m in ([given] if isinstance(given, str) else given) if m not in silent]

    def explain(
        self, X: Any, given: Collection[str] | None = None, *, features: bool = False
    ) -> Explanation:
        """Return how many nats each modality, and each leaf, gave for and against each class.

        As for :meth:`predict_proba`; with ``features``, also how many each column, element of an
        array, channel of a sequence and word of a text gave, at the cost of a prediction for each.
        Printed, it says of the first rows what spoke for their class.
        """
        check_is_fitted(self)
        explanation = explained(self.model_, self._rows(X), self._heard(given), features)
        return replace(explanation, classes=tuple(self.classes_.tolist()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted classifier, for :func:`mmgraph.read` to read without pickle.

        Parameters
        ----------
        path : str or path
            A directory ``NAME.mmgraph``, which is written whole or not at all. scikit-learn warns
            where it is read by another of its versions.

        Raises
        ------
        FormatError
            If the classifier is not fitted, the name has another ending, the place cannot be
            written, or a leaf is of a kind of its own or holds types other than those of
            scikit-learn, numpy and scipy that skops trusts.
        MissingExtraError
            If skops is not installed.
        """
        write(self, path)


def _telling(data: MultimodalData) -> tuple[str, ...]:
    """The modalities by which a row can be told; of others there is a warning, with the reason."""
    telling = []
    for modality, block in data.blocks.items():
        leaf = next(leaf for leaf in LEAVES.values() if leaf.suits(block))
        if block.missing.all():
            reason = "is missing in every row"
        elif not PlacedLeaf(modality, (modality,), leaf).can_learn(data):
            reason = "is constant, or there in rows of one class only"
        else:
            telling.append(modality)
            continue
        warnings.warn(
            f"the modality '{modality}' of {data.origin} {reason}: it tells nothing",
            SilentModalityWarning,
            stacklevel=5,
        )
    if not telling:
        raise LearningError(
            f"no modality of {data.origin} tells anything: each is missing or constant"
        )
    return tuple(telling)


def _suited(
    leaves: LeafNames | Mapping[str, LeafNames], modality: str, block: Block
) -> list[tuple[str, Leaf]]:
    """The leaves of a modality by name: of those meant for all modalities, what suits its rows."""
    if isinstance(leaves, Mapping):
        chosen = _named(leaves.get(modality, ()))
        for name, leaf in chosen:
            if not leaf.suits(block):
                raise LearningError(
                    f"the leaf '{name}' sees nothing of the modality '{modality}', which is of "
                    f"{type(block).__name__.lower()}"
                )
        return chosen
    suited = [(name, leaf) for name, leaf in _named(leaves) if leaf.suits(block)]
    return suited or (_named("words") if isinstance(block, Texts) else [])


def _named(kinds: LeafNames) -> list[tuple[str, Leaf]]:
    """Leaves by name; those that are given outright are called by their kind and place."""
    named = []
    for place, kind in enumerate([kinds] if isinstance(kinds, str | Leaf) else kinds):
        if isinstance(kind, Leaf):
            named.append((f"{kind.kind}_{place}", kind))
        elif kind in LEAVES:
            named.append((kind, LEAVES[kind]))
        else:
            hint = suggestion(kind, LEAVES)
            raise LearningError(f"no leaf is called {kind!r}{hint} (one of {', '.join(LEAVES)})")
    return named
