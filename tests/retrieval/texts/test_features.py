import pickle
import string

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mmgraph.graph.errors import FormatError, LearningError, MemoryBudgetError
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.texts import features
from mmgraph.retrieval.texts.kinds import Letters, Subwords, Words, WordsAndLetters
from mmgraph.retrieval.texts.named import TEXT_FEATURES, restored_texts, text_features

CAPTIONS = ["a red dress", None, ["two cats", "两只猫"], "?!", "cats and dogs, dogs!", ["红色"]]
ANY_KIND = pytest.mark.parametrize("name", TEXT_FEATURES)
QUERIES = [*CAPTIONS, "dresses", "zzz", "", "dogs \x00" * 3000]


@ANY_KIND
def test_rows_have_length_one_or_are_zero_and_do_not_depend_on_others(name):
    fitted = text_features(name).fit(CAPTIONS)
    rows = fitted.features(QUERIES)
    assert (rows.shape, rows.dtype) == ((len(QUERIES), fitted.width), np.float32)
    lengths = np.linalg.norm(rows.toarray(), axis=1)
    known = [place not in (1, 3, 7, 8) for place in range(len(QUERIES))]
    known[6] = name != "words"
    np.testing.assert_allclose(lengths, known, atol=1e-6)
    for place, text in enumerate(QUERIES):
        assert (fitted.features([text]) != rows[[place]]).nnz == 0
    assert fitted.features([]).shape == (0, fitted.width)


@ANY_KIND
def test_stored_and_pickled_features_answer_to_the_bit(name):
    fitted = text_features(name).fit(CAPTIONS)
    parts = fitted.parts()
    for again in (restored_texts(parts), pickle.loads(pickle.dumps(fitted))):
        assert (again.features(QUERIES) != fitted.features(QUERIES)).nnz == 0
        assert (again.settings, again.known) == (fitted.settings, fitted.known)


@given(st.lists(st.lists(st.sampled_from(["red", "Dress", "cat"]), max_size=5), max_size=5))
def test_words_are_weighed_by_counts_and_rarity(captions):
    assume(any(captions))
    texts = [" ".join(words).lower() for words in captions]
    terms = sorted({word for text in texts for word in text.split()})
    counts = np.array([[text.split().count(term) for term in terms] for text in texts])
    rarity = 1 + np.log((1 + len(texts)) / (1 + (counts > 0).sum(0)))
    rows = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * rarity
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    items = [" ".join(words) for words in captions]
    np.testing.assert_allclose(Words().fit(items).features(items).toarray(), rows, atol=1e-6)
    both = Words().fit(items).features([items]).toarray()
    np.testing.assert_allclose(both[0], rows.sum(0) / np.linalg.norm(rows.sum(0)), atol=1e-6)


@pytest.mark.slow
@ANY_KIND
def test_a_text_of_a_million_characters_is_as_its_words(name):
    fitted = text_features(name).fit(CAPTIONS)
    once, often = fitted.features(["dogs", "dogs \x00" * 170_000]).toarray()
    np.testing.assert_allclose(once, often, atol=1e-6)


@given(st.text(string.ascii_lowercase + " ", max_size=30))
def test_letters_are_those_of_another_splitter(text):
    (split,) = Letters().splits(())
    other = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).build_analyzer()
    assert sorted(split(text)) == sorted(other(text))


def test_an_unknown_word_is_found_by_its_letters_and_said():
    items = ["red dress", "grey cat", "green tree", "斑马"]
    fitted = WordsAndLetters(letter_weight=0.5).fit(items)
    similar = fitted.features(items) @ fitted.features(["The DRESSES dresses", "马"]).T
    assert similar.toarray().argmax(0).tolist() == [0, 3]
    assert fitted.unknown_words("The red DRESSES dresses 马车") == ["the", "dresses", "车"]
    assert not Words().fit(items).features(["dresses"]).nnz
    with pytest.raises(FormatError, match=r"the text: U\+DC00"):
        fitted.unknown_words("\udc00")


def test_settings_that_mean_nothing_are_named():
    with pytest.raises(LearningError, match=r"'words'.*'most_terms' to be positive, found 0"):
        Words(most_terms=0)
    with pytest.raises(LearningError, match="'word_weight' to be positive, found nan"):
        WordsAndLetters(word_weight=float("nan"))
    with pytest.raises(LearningError, match="did you mean 'words'"):
        text_features("word")
    with pytest.raises(LearningError, match="no term stands in 3 of 2 captions"):
        Words(least_captions=3).fit(["a", "b"])
    for name in TEXT_FEATURES:
        with pytest.raises(LearningError, match="no text holds a word"):
            text_features(name).fit([None, "?!"])
    assert Words(most_terms=1).fit(["b a", "a"]).width == 1


def test_files_of_other_things_are_refused():
    damages = {"name": "word", "merges": ["a"], "terms.0": ["a", "a"], "symbols": 0}
    for name, value in damages.items():
        parts = Subwords().fit(CAPTIONS).parts()
        with pytest.raises(FormatError, match=name):
            restored_texts(Parts(parts.settings | {name: value}, parts.numbers))


def test_memory_is_estimated(monkeypatch):
    monkeypatch.setattr(features, "default_memory_budget", lambda: 1000)
    with pytest.raises(MemoryBudgetError, match="The terms of 1 captions would need"):
        Words().fit(["a long caption"])
