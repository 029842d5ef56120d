import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.metrics import mutual_info_score

from mmgraph.graph.errors import FormatError, LearningError
from mmgraph.retrieval.spaces.explanation import log_gains, reasons
from mmgraph.retrieval.spaces.space import Pairs
from mmgraph.retrieval.spaces.tag_network import (
    CLUSTER,
    FittedTagNetworkSpace,
    TagNetworkSpace,
)

TERMS = ("cat", "dog", "flag", "pet", "rare", "drawing")
WORDS = {"cat": ("cat", "pet"), "dog": ("dog", "pet"), "flag": ("flag",)}


def pairs(rows: int = 60) -> Pairs:
    """Pictures of three things, with their words, one of which is in one text and one in all."""
    generator = np.random.default_rng(0)
    things = generator.integers(0, 3, rows)
    pictures = np.eye(3, 6)[things] * 4 + generator.normal(size=(rows, 6))
    texts = np.zeros((rows, len(TERMS)))
    for row, thing in enumerate(things):
        for word in ("drawing", *WORDS[list(WORDS)[thing]]):
            texts[row, TERMS.index(word)] = word == "drawing" or generator.random() < 0.8
    texts[0, TERMS.index("rare")] = 1
    return Pairs(pictures.astype("f4"), (6,), (sp.csr_array(texts.astype("f4")),), 0)


@pytest.fixture(scope="module")
def fitted() -> FittedTagNetworkSpace:
    return TagNetworkSpace(clusters=5).fit(pairs())


def joint(space: FittedTagNetworkSpace) -> np.ndarray:
    """The probability of every cluster and state of the tags, by the product of all tables."""
    names = list(space.network.variables)
    shape = tuple(v.cardinality for v in space.network.variables.values())
    table = np.ones(shape)
    for states in itertools.product(*map(range, shape)):
        assigned = dict(zip(names, states, strict=True))
        for factor in space.network.factors:
            numbers = factor.parameters()["values"].numpy()
            table[states] *= numbers[tuple(assigned[v.name] for v in factor.scope)]
    return table


def test_tags_are_frequent_terms_in_the_tree_of_the_most_information(fitted):
    columns = fitted.columns[:, 1]
    assert [TERMS[column] for column in columns] == ["cat", "dog", "flag", "pet"]
    present = pairs().texts[0][:, columns].toarray()
    information = np.array([[mutual_info_score(a, b) for a in present.T] for b in present.T])
    tree = minimum_spanning_tree(-np.triu(information, 1))
    links = [[v.name for v in f.scope if v.name != CLUSTER] for f in fitted.network.factors]
    found = [[fitted.tags.index(name) for name in link] for link in links if len(link) == 2]
    assert sum(information[a, b] for a, b in found) == pytest.approx(-tree.sum())


def test_places_and_gains_are_those_of_enumeration(fitted):
    table, known = joint(fitted), pairs().pictures[:5]
    assert table.sum() == pytest.approx(1)
    memberships = fitted.memberships(known)
    # Given its picture, a cluster is as probable as the picture's membership says.
    likelihoods = memberships / table.sum((1, 2, 3, 4))
    given = np.einsum("pc,c...->pc...", likelihoods, table)
    ratios = [
        np.log(np.take(given, 1, tag + 2).sum((1, 2, 3, 4)) / np.take(table, 1, tag + 1).sum())
        for tag in range(4)
    ]
    places = np.stack(ratios, 1) / np.linalg.norm(ratios, axis=0)[:, None]
    np.testing.assert_allclose(fitted.pictures(known), places, atol=1e-6)
    both = np.log(given[:, :, 1, :, :, 1].sum((1, 2, 3)) / table[:, 1, :, :, 1].sum())
    found = [log_gains(fitted, membership, (0, 3)) for membership in memberships]
    np.testing.assert_allclose(found, np.stack([0 * both, ratios[0], both], 1), atol=1e-9)


def test_reasons_say_what_each_word_adds(fitted):
    known = pairs()
    cat = int(np.argmax(known.texts[0][:, [0]].toarray()))
    query = sp.csr_array(np.array([[1, 0, 1, 0, 1, 0]], "f4"))
    found = reasons(fitted, [TERMS], known.pictures[[cat]], [query])
    assert [reason.word for reason in found] == ["cat", "flag"]
    assert found[0].probability > found[0].usual
    assert found[1].probability < found[1].usual
    assert found[0].nats > 0 > found[1].nats
    assert "cat" in found[0].looks_like
    assert str(found[0]).startswith("'cat' is likely in this picture (0.")
    assert "'flag' is unlikely" in str(found[1])
    total = log_gains(fitted, fitted.memberships(known.pictures[[cat]])[0], (0, 2))[-1]
    assert sum(reason.nats for reason in found) == pytest.approx(total)
    assert not reasons(fitted, [TERMS], known.pictures[[cat]], [query * 0])


def test_pairs_lie_nearer_than_others_and_files_hold_all(fitted):
    known = pairs()
    pictures, texts = fitted.pictures(known.pictures), fitted.texts(known.texts)
    scores = pictures @ texts.T
    assert (np.diag(scores) > scores.mean(1)).mean() > 0.8
    restored = FittedTagNetworkSpace.restored(fitted.parts())
    np.testing.assert_array_equal(restored.pictures(known.pictures), pictures)
    np.testing.assert_array_equal(restored.texts(known.texts), texts)


def test_each_language_has_its_tags():
    known = pairs()
    other = known.texts[0].copy()
    other.data[other.indptr[10] :] = 0
    other.eliminate_zeros()
    space = TagNetworkSpace(clusters=5).fit(known._replace(texts=(*known.texts, other)))
    languages = space.columns[:, 0]
    assert set(languages) == {0, 1}
    texts = space.texts([known.texts[0], other * 0])
    assert texts[:, languages == 0].any()
    assert not texts[:, languages == 1].any()


def test_texts_without_frequent_words_are_refused():
    with pytest.raises(LearningError, match=r"70 texts \('least_texts'\)"):
        TagNetworkSpace(least_texts=70).fit(pairs())


def test_a_network_of_other_clusters_is_refused(fitted):
    parts = replace(fitted, centres=fitted.centres[:2]).parts()
    with pytest.raises(FormatError, match="not one of these clusters"):
        FittedTagNetworkSpace.restored(parts)
