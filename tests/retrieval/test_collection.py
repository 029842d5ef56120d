import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.collection import Collection, Item, NewItems


def new(*ids: str | int, pictures: str = "", texts: str = "") -> NewItems:
    """Items, of which those named have a picture or a text."""
    generator = np.random.default_rng(len(ids))
    places = generator.normal(size=(2, len(ids), 3)).astype("f4")
    has = [np.array([str(name) in side for name in ids]) for side in (pictures, texts)]
    sides = ("images", "texts")
    return NewItems(
        list(ids),
        dict(zip(sides, places, strict=True)),
        dict(zip(sides, has, strict=True)),
        [Item(f"text of {name}", None) for name in ids],
    )


def test_items_have_a_picture_a_text_or_both():
    collection = Collection.empty(3)
    collection.add(new("a", "b", "c", pictures="ab", texts="bc"))
    assert len(collection) == 3
    assert list(collection.indices["images"].ids) == ["a", "b"]
    assert list(collection.indices["texts"].ids) == ["b", "c"]
    collection.delete(["b"])
    assert list(collection.items) == ["a", "c"]
    assert list(collection.indices["images"].ids) == ["a"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (new("d", "a", pictures="da"), "the id 'a' is indexed already"),
        (new("d", "d", pictures="d"), "the id 'd' is twice among the new items"),
        (new("d", "e", pictures="d"), "the item 'e' .row 1. has no picture and no text"),
    ],
)
def test_of_wrong_items_none_is_added(wrong, message):
    collection = Collection.empty(3)
    collection.add(new("a", "b", pictures="ab", texts="a"))
    with pytest.raises(LearningError, match=message):
        collection.add(wrong)
    assert list(collection.items) == ["a", "b"]
    assert [len(index) for index in collection.indices.values()] == [2, 1]


def test_where_one_index_refuses_the_other_is_as_before():
    collection = Collection.empty(3)
    wrong = new("a", "b", pictures="ab", texts="ab")
    wrong.places["texts"][1] = np.nan
    with pytest.raises(Exception, match="NaN"):
        collection.add(wrong)
    assert [len(index) for index in collection.indices.values()] == [0, 0]
    assert not collection.items


def test_of_ids_to_delete_one_that_is_unknown_keeps_all():
    collection = Collection.empty(3)
    collection.add(new("apple", "pear", pictures="apple pear"))
    with pytest.raises(LearningError, match="no item has the id 'aple'; did you mean 'apple'"):
        collection.delete(["pear", "aple"])
    assert list(collection.items) == ["apple", "pear"]
