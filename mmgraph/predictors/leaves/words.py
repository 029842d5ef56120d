"""A leaf of texts: which words they hold, or which groups of letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows, scaled_likelihoods

_MOST_TERMS = 20_000
_LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True)
class WordsLeaf(Leaf):
    """A logistic regression on how often words stand in a text, as a scaled likelihood.

    Frequencies are logarithmic, rare words count more (TF-IDF; Salton and Buckley 1988,
    "Term-weighting approaches in automatic text retrieval"), and texts of any length weigh alike.

    Attributes
    ----------
    longest : int
        Words in a row that are one term: pairs are two. Of letters, five and more serve.
    letters : bool
        Whether terms are of letters and not of words: for languages without spaces, and spellings
        that vary.
    inverse_shrinkage : float
        The ``C`` of scikit-learn's ``LogisticRegression``.
    """

    kind: ClassVar[str] = "words"
    joins: ClassVar[bool] = False
    longest: int = 2
    letters: bool = False
    inverse_shrinkage: float = 1.0

    def suits(self, block: Block) -> bool:
        """As :meth:`Leaf.suits`: texts."""
        return isinstance(block, Texts)

    def features(self, blocks: Sequence[Block]) -> np.ndarray[Any, Any]:
        """Return the texts, an object a row and modality."""
        return np.array([b.values for b in blocks if isinstance(b, Texts)], object).T

    def varies(self, features: np.ndarray[Any, Any]) -> bool:
        """As :meth:`Leaf.varies`: whether two texts hold different terms."""
        split = vectoriser(self.longest, self.letters).build_analyzer()
        return len({tuple(split(text)) for text in joined(features)}) > 1

    def fit(self, rows: LeafRows, seed: int) -> FittedWords:
        """As :meth:`Leaf.fit`.

        Raises
        ------
        LearningError
            If no text holds a term.
        """
        from sklearn.linear_model import LogisticRegression

        terms = vectoriser(self.longest, self.letters, max_features=_MOST_TERMS)
        try:
            table = terms.fit_transform(joined(rows.features))
        except ValueError:
            raise LearningError("no text holds a word") from None
        classifier = LogisticRegression(C=self.inverse_shrinkage, max_iter=1000)
        classifier.fit(table, rows.codes, sample_weight=rows.weights)
        return FittedWords(terms, classifier, rows.log_shares())


@dataclass(frozen=True, eq=False)
class FittedWords(FittedLeaf):
    """A fitted classifier of texts.

    Attributes
    ----------
    terms : TfidfVectorizer
        Of scikit-learn, fitted.
    classifier : object
        Fitted to its tables; classes are indices of states.
    log_shares : ndarray, shape (states,)
        The logarithms of the states' shares that it was trained with.
    """

    terms: Any
    classifier: Any
    log_shares: Float64[np.ndarray, " states"]

    def log_likelihoods(self, features: np.ndarray[Any, Any]) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`; a text without any known term is as the prior."""
        probabilities = self.classifier.predict_proba(self.terms.transform(joined(features)))
        return scaled_likelihoods(
            probabilities.clip(_LEAST_PROBABILITY), self.classifier.classes_, self.log_shares
        )


def vectoriser(longest: int, letters: bool, **options: Any) -> Any:
    """Return scikit-learn's maker of tables of terms, not yet fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char_wb" if letters else "word",
        ngram_range=(1, longest),
        token_pattern=None if letters else r"(?u)\b\w+\b",
        sublinear_tf=True,
        **options,
    )


def joined(features: np.ndarray[Any, Any]) -> list[str]:
    """Return the texts of each row as one."""
    return ["\n".join(texts) for texts in features]
