import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    FormatError,
    LearningError,
    MmgraphError,
    NotFittedError,
)
from mmgraph.retrieval.queries import UnknownWordsWarning
from mmgraph.retrieval.spaces.canonical import CanonicalSpace
from mmgraph.retrieval.spaces.machine import MachineSpace
from tests.retrieval.shapes import shape_pictures

PICTURES, CAPTIONS = shape_pictures(8)
OTHERS, SHOWN = shape_pictures(2, seed=1)
FEATURES = mm.Retriever().picture_features(PICTURES)
SPANISH = {"disc": "disco", "square": "cuadrado", "bar": "barra"}
IDS = [f"picture {number}" for number in range(len(OTHERS))]


@pytest.fixture(scope="module")
def learned() -> mm.Retriever:
    kinds = {"image": "pixels", "text": "words_and_letters"}
    return mm.Retriever("cca", **kinds, random_state=0).fit(PICTURES, CAPTIONS)


@pytest.fixture
def finder(learned) -> mm.Retriever:
    return learned.index(OTHERS, IDS, texts=SHOWN)


def test_words_find_pictures_never_seen(finder):
    for caption in set(SHOWN):
        assert set(finder.search(caption, k=2).captions) == {caption}


def test_a_picture_finds_words_and_pictures(finder):
    for picture, caption in zip(OTHERS[:6], SHOWN, strict=False):
        assert finder.search(image=picture, k=1).captions == [caption]
        assert set(finder.search(image=picture, k=2, find="images").captions) == {caption}


def test_a_picture_and_words_together_are_between_both(finder):
    red_disc, blue = OTHERS[SHOWN.index("red disc")], "blue"
    both = finder.search(blue, image=red_disc, k=24)
    alone = finder.search(blue, k=24)
    place = finder.picture_places([red_disc])[0]
    products = dict(zip(IDS, finder.picture_places(OTHERS) @ place, strict=True))
    expected = {n: (s + products[n]) / 2 for n, s in zip(alone.ids, alone.scores, strict=True)}
    assert dict(zip(both.ids, both.scores, strict=True)) == pytest.approx(expected, abs=1e-5)


def test_hits_are_in_order_and_probable(finder):
    hits = finder.search("red disc", k=24)
    assert len(hits) == 24
    assert (np.diff(hits.scores) <= 0).all()
    assert (np.diff(hits.probabilities) <= 1e-12).all()
    assert ((hits.probabilities >= 0) & (hits.probabilities <= 1)).all()
    # Two pictures of 24 show it.
    assert hits.probabilities[:2].sum() > 5 * hits.probabilities[2:].sum() / 11
    record = hits.records()[0]
    assert (record["rank"], record["id"], record["caption"]) == (1, hits.ids[0], "red disc")
    assert hits.to_frame()["id"].tolist() == hits.ids


def test_a_sheet_of_hits_is_drawn(finder, tmp_path):
    hits = finder.search("red disc", k=3)
    hits.draw(tmp_path / "hits.png", "red disc")
    hits.draw(tmp_path / "both.png", "red disc", image=OTHERS[0])
    sizes = [Image.open(tmp_path / name).size for name in ("hits.png", "both.png")]
    assert min(sizes[0]) > 100
    assert sizes[1][1] > sizes[0][1]
    with pytest.raises(MmgraphError):
        finder.search("red disc", k=1).draw(tmp_path / "hits.xyz")


def test_probabilities_do_not_depend_on_how_many_hits_are_asked_for(finder):
    many = finder.search("red disc", k=24).probabilities
    np.testing.assert_array_equal(finder.search("red disc", k=1).probabilities, many[:1])


def test_pictures_of_one_colour_are_not_all_alike(finder):
    plain = [np.full((9, 9, 3), colour, np.uint8) for colour in ((220, 0, 0), (0, 0, 220))]
    one, other = finder.picture_places(plain)
    assert one @ other < 0.9


def test_several_queries_are_answered_one_by_one(finder):
    together = finder.search(["red disc", "blue bar"], k=3)
    assert [hits.ids for hits in together] == [
        finder.search(query, k=3).ids for query in ("red disc", "blue bar")
    ]


def test_features_serve_in_place_of_pictures(learned, finder):
    features = learned.picture_features([*OTHERS[:3], None])
    assert np.isnan(features[3]).all()
    places = finder.picture_places(features)
    np.testing.assert_array_equal(places, finder.picture_places([*OTHERS[:3], None]))
    assert finder.search(image=features[:1]).ids == finder.search(image=OTHERS[0]).ids
    with pytest.raises(LearningError, match="features here, not 3"):
        finder.picture_places(np.zeros((2, 3), np.float32))


def test_the_same_seed_gives_the_same_answer(finder):
    again = mm.Retriever(random_state=0).fit(FEATURES, CAPTIONS).index(OTHERS, IDS, texts=SHOWN)
    np.testing.assert_array_equal(again.search("red disc").scores, finder.search("red disc").scores)


def test_items_come_and_go(finder):
    first = finder.search("red disc", k=1).ids[0]
    finder.delete([first])
    assert first not in finder.search("red disc", k=50).ids
    finder.add([OTHERS[IDS.index(first)]], [first])
    hits = finder.search("red disc", k=50)
    assert first in hits.ids[:2]
    assert hits.captions[hits.ids.index(first)] is None


def test_half_of_a_pair_may_be_missing():
    pictures = FEATURES.copy()
    pictures[0] = np.nan
    captions = [*CAPTIONS[:-1], None]
    finder = mm.Retriever().fit(pictures, captions)
    finder.index([None, OTHERS[0]], ["words", "picture"], texts=["red disc", None])
    assert finder.search("red disc").ids == ["picture"]
    assert finder.search("red disc", find="texts").ids == ["words"]
    assert finder.search(image=OTHERS[0]).ids == ["words"]


@pytest.mark.parametrize("representation", ["cca", CanonicalSpace(width=20, steepness=0.5)])
def test_a_file_gives_the_same_answers_to_the_bit(tmp_path, representation):
    finder = mm.Retriever(representation, image=["pixels"]).fit(FEATURES, CAPTIONS)
    finder.index(OTHERS, [*range(23), "last"], texts=SHOWN)
    finder.save(tmp_path / "shop.mmgraph")
    read = mm.read(tmp_path / "shop.mmgraph")
    assert read.representation == representation
    for question in ({"query": "red disc"}, {"image": OTHERS[3]}):
        hits, again = finder.search(**question), read.search(**question)
        assert (again.ids, again.captions) == (hits.ids, hits.captions)
        np.testing.assert_array_equal(again.scores, hits.scores)
        np.testing.assert_array_equal(again.probabilities, hits.probabilities)
    read.delete(["last"])
    read.save(tmp_path / "shop.mmgraph")
    assert len(mm.read(tmp_path / "shop.mmgraph").collection_) == 23


def test_an_index_of_another_retriever_is_refused(tmp_path, finder):
    finder.save(tmp_path / "one.mmgraph")
    finder.delete(IDS[:1])
    finder.save(tmp_path / "other.mmgraph")
    for name in ("images.json", "images.vectors"):
        (tmp_path / "one.mmgraph" / name).write_bytes(
            (tmp_path / "other.mmgraph" / name).read_bytes()
        )
    with pytest.raises(FormatError, match="not written together"):
        mm.read(tmp_path / "one.mmgraph")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, finder, monkeypatch):
    path = tmp_path / "shop.mmgraph"
    finder.save(path)
    finder.delete(IDS[:1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(FormatError, match="No space left"):
        finder.save(path)
    monkeypatch.undo()
    assert len(mm.read(path).collection_) == 24
    assert [p.name for p in tmp_path.iterdir()] == ["shop.mmgraph"]


@pytest.mark.parametrize("query", ["", "  \t", None])
def test_an_empty_query_is_refused(finder, query):
    with pytest.raises(EvidenceError, match="the query is empty"):
        finder.search(query)
    with pytest.raises(EvidenceError, match="the query is no text but 5"):
        finder.search(5)
    with pytest.raises(EvidenceError, match="'!!!' has no word"):
        finder.search("!!!")
    with pytest.raises(EvidenceError, match="the query 1 is empty"):
        finder.search(["red", ""])


def test_words_never_seen_are_named_and_found_by_their_letters(finder):
    with pytest.warns(UnknownWordsWarning, match="'reddish'"):
        hits = finder.search("reddish", k=6)
    assert hits.unknown_words == ("reddish",)
    assert all(caption.startswith("red") for caption in hits.captions)
    with pytest.warns(UnknownWordsWarning, match="'xxxx'"):
        assert len(finder.search("xxxx")) == 0


def test_what_is_wrong_is_named(finder, tmp_path):
    with pytest.raises(NotFittedError, match="call fit first"):
        mm.Retriever().search("red")
    with pytest.raises(LearningError, match="unknown representation 'ccca'; did you mean 'cca'"):
        mm.Retriever("ccca").fit(FEATURES, CAPTIONS)
    with pytest.raises(LearningError, match="96 images and 1 texts"):
        mm.Retriever().fit(FEATURES, ["red"])
    with pytest.raises(LearningError, match="96 rows and 1 groups"):
        mm.Retriever().fit(FEATURES, CAPTIONS, groups=["a"])
    with pytest.raises(LearningError, match="did you mean 'images'"):
        finder.search("red", find="image")
    with pytest.raises(LearningError, match="no items to index"):
        finder.index()
    with pytest.raises(LearningError, match="1 items and 2 ids"):
        finder.add(OTHERS[:1], ["a", "b"])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(FormatError, match=r"broken\.png"):
        finder.add([broken])
    assert len(finder.collection_) == 24
    with pytest.raises(LearningError, match="no images are indexed"):
        finder.index(texts=["red"]).search("red")


def test_rows_go_by_their_order_whatever_labels_frames_have(learned):
    frame = pd.DataFrame({"picture": list(OTHERS), "caption": SHOWN}).sample(frac=1, random_state=0)
    finder = learned.index(frame["picture"], frame.index.to_numpy(), texts=frame["caption"])
    for row in frame.index[:3]:
        hits = finder.search(image=OTHERS[row], find="images", k=1)
        assert (hits.ids, hits.captions) == ([row], [SHOWN[row]])
    assert type(hits.ids[0]) is int


def test_items_without_ids_are_numbered_on(learned):
    finder = learned.index(OTHERS[:3]).add(OTHERS[3:5])
    assert list(finder.collection_.items) == [0, 1, 2, 3, 4]
    finder.delete(1)
    finder.delete(name for name in (0, 4))
    assert list(finder.collection_.items) == [2, 3]


def test_several_languages_are_asked_by_name_or_by_their_words():
    colours = {"red": "rojo", "green": "verde", "blue": "azul", "yellow": "amarillo"}
    spanish = [
        f"{SPANISH[caption.split()[1]]} {colours[caption.split()[0]]}" for caption in CAPTIONS
    ]
    finder = mm.Retriever().fit(FEATURES, {"en": CAPTIONS, "es": spanish})
    finder.index(OTHERS, IDS, texts={"en": SHOWN, "es": [None] * len(SHOWN)})
    english = finder.search("red disc", k=2)
    for hits in (
        finder.search("disco rojo", k=2),
        finder.search("disco rojo", k=2, language="es"),
    ):
        assert set(hits.ids) == set(english.ids)
        assert hits.unknown_words == ()
    with pytest.raises(LearningError, match="unknown language 'esp'; did you mean 'es'"):
        finder.search("disco", language="esp")


def test_what_serves_scikit_learn_serves_here(learned):
    assert clone(learned).get_params() == learned.get_params()
    assert learned.get_params()["text"] == "words_and_letters"


@pytest.fixture(scope="module")
def network() -> mm.Retriever:
    return mm.Retriever("network", text="words").fit(FEATURES, CAPTIONS)


def test_a_network_of_tags_says_why(network, learned):
    words = [reason.word for reason in network.explain("red disc", PICTURES[0])]
    assert sorted(words) == ["disc", "red"]
    red = PICTURES[CAPTIONS.index("red disc")]
    first = network.explain("red disc", red)[0]
    assert first.nats > 0
    assert f"'{first.word}' is likely in this picture" in str(first)
    with pytest.raises(LearningError, match="by the representation 'network' alone"):
        learned.explain("red disc", red)


@pytest.mark.parametrize(
    "representation", ["network", pytest.param("joint", marks=pytest.mark.slow)]
)
def test_models_of_both_find_and_are_stored(representation, network, tmp_path):
    finder = (
        network
        if representation == "network"
        else mm.Retriever(MachineSpace(variates=8, joint=16, epochs=2, steps=100)).fit(
            FEATURES, CAPTIONS
        )
    )
    finder.index(OTHERS, IDS, texts=SHOWN)
    hits = finder.search("red disc", k=4)
    assert "red disc" in hits.captions
    finder.save(tmp_path / "shop.mmgraph")
    again = mm.read(tmp_path / "shop.mmgraph").search("red disc", k=4)
    assert again.ids == hits.ids
    np.testing.assert_array_equal(again.scores, hits.scores)
