import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.retrieval.texts.captions import captions_of_items


def test_items_have_any_number_of_captions():
    assert captions_of_items(["a", None, ["b", None, "c"], ()]) == [["a"], [], ["b", "c"], []]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("red dress", r"one string; give \['red dress'\]"),
        (["a", 3.5], "text 1: expected a string, or None where it is missing, found float"),
        (["a", b"b"], "text 1: .* found bytes"),
        (["a", ["b", 3]], "text 1, caption 1: .* found int"),
        (["a", "sm\ud83d"], r"text 1: U\+D83D at character 2 is half of a surrogate pair"),
    ],
)
def test_what_is_no_text_is_named(texts, message):
    with pytest.raises(FormatError, match=message):
        captions_of_items(texts)
