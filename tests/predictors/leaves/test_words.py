"""The leaf of texts: it is scikit-learn's regression on terms, by the rule of Bayes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import LeafRows
from mmgraph.predictors.leaves.words import WordsLeaf

TEXTS = ("heavy cough", "cough, fever", "sleeps well", "well rested", "") * 6
CODES = np.array([0, 0, 2, 2, 0] * 6)


def rows(leaf: WordsLeaf) -> LeafRows:
    return LeafRows(leaf.features([Texts(TEXTS)]), CODES, np.ones(30), 3)


def test_it_is_a_regression_on_terms_by_the_rule_of_bayes():
    leaf = WordsLeaf()
    fitted = leaf.fit(rows(leaf), 0)
    terms = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\b\w+\b", sublinear_tf=True)
    regression = LogisticRegression().fit(terms.fit_transform(TEXTS), CODES)
    new = ("a heavy fever", "rested", "")
    expected = np.log(regression.predict_proba(terms.transform(new)))
    table = fitted.log_likelihoods(leaf.features([Texts(new)]))
    shares = np.log(np.array([18, 12]) / 30.5)
    np.testing.assert_allclose(table[:, [0, 2]], expected - shares)
    np.testing.assert_allclose(table[:, 1], table[:, [0, 2]].mean(1))
    assert table.argmax(1)[:2].tolist() == [0, 2]


def test_letters_tell_texts_without_spaces_apart():
    leaf = WordsLeaf(longest=2, letters=True)
    texts = Texts(("咳嗽发烧", "睡得很好", "发烧", "很好") * 8)
    codes = np.arange(32) % 2
    said = leaf.fit(LeafRows(leaf.features([texts]), codes, np.ones(32), 2), 0).log_likelihoods(
        leaf.features([Texts(("他发烧了", "她很好"))])
    )
    assert said.argmax(1).tolist() == [0, 1]


def test_which_modalities_and_texts_it_can_learn_from():
    leaf = WordsLeaf()
    assert leaf.suits(Texts(TEXTS))
    assert not leaf.suits(Columns.of_numbers("x", [[1.0]]))
    assert leaf.varies(rows(leaf).features)
    assert not leaf.varies(leaf.features([Texts(("A cough.", "a cough"))]))
    silent = leaf.features([Texts(("", "…"))])
    assert not leaf.varies(silent)
    with pytest.raises(LearningError, match="no text holds a word"):
        leaf.fit(LeafRows(silent, np.arange(2), np.ones(2), 2), 0)
