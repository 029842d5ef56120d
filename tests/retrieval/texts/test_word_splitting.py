import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.retrieval.texts.word_splitting import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red-dress, DRESS_2!", ["a", "red", "dress", "dress", "2"]),
        ("Straße ﬁsh Ｗide", ["strasse", "fish", "wide"]),
        ("Cafe\u0301 हिन्दी", ["café", "हिन्दी"]),
        ("soft\u00adened می\u200cخواهم", ["softened", "میخواهم"]),
        ("红色的iPhone手机。", ["红色的", "iphone", "手机"]),
        ("\x00\x1b\t… ?! ❤️", []),
    ],
)
def test_words_in_any_script(text, words):
    assert split_words(text) == words


@given(st.text(st.characters(codec="ascii")))
def test_ascii_words_are_runs_of_letters_and_digits(text):
    spaced = "".join(c if c.isalnum() else " " for c in text)
    assert split_words(text) == spaced.lower().split()
