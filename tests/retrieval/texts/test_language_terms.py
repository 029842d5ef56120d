import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.texts.language_terms import LanguageTerms, by_language, shown_text
from mmgraph.retrieval.texts.named import text_features

TEXTS = {
    "en": ["red dress", "blue hat", None, "red hat"],
    "es": ["vestido rojo", None, "sombrero azul", ("sombrero rojo", "gorro rojo")],
}


@pytest.fixture
def terms() -> LanguageTerms:
    return LanguageTerms.fitted(text_features("words"), TEXTS)


def filled(blocks) -> list[list[bool]]:
    return [(np.diff(block.indptr) > 0).tolist() for block in blocks]


def test_each_language_has_terms_of_its_own(terms):
    blocks = terms.features(TEXTS)
    assert [block.shape[0] for block in blocks] == [4, 4]
    assert filled(blocks) == [[True, True, False, True], [True, False, True, True]]


def test_texts_of_no_language_are_looked_for_in_those_that_know_them_best(terms):
    blocks = terms.features(["red dress", "sombrero azul", "red sombrero", "nothing"])
    assert filled(blocks) == [[True, False, True, False], [False, True, True, False]]


def test_a_language_that_lacks_in_a_query_is_silent(terms):
    blocks = terms.features({"es": ["vestido"]})
    assert filled(blocks) == [[False], [True]]


def test_one_language_needs_no_name():
    terms = LanguageTerms.fitted(text_features("words"), ["red", "blue"])
    assert filled(terms.features(["red", None])) == [[True, False]]
    assert terms.unknown_words("red car") == ("car",)


def test_a_word_is_unknown_if_no_language_has_it(terms):
    assert terms.unknown_words("red sombrero car") == ("car",)
    assert terms.unknown_words("red sombrero car", "es") == ("red", "car")


def test_wrong_languages_are_named(terms):
    with pytest.raises(LearningError, match="unknown language 'ese'; did you mean 'es'"):
        terms.features({"ese": ["x"]})
    with pytest.raises(LearningError, match="2 texts in 'en' and 1 in 'es'"):
        by_language({"en": ["a", "b"], "es": ["c"]})
    with pytest.raises(LearningError, match="texts of no language"):
        by_language({})
    with pytest.raises(LearningError, match="not one text"):
        by_language("red dress")


@pytest.mark.parametrize(
    ("text", "shown"),
    [(None, None), ("", None), ("a", "a"), (("a", "b"), "a; b"), ((None, "b"), "b"), ((), None)],
)
def test_several_captions_are_shown_as_one(text, shown):
    assert shown_text(text) == shown
