import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning, MmgraphError
from mmgraph.inference.exact.family_counts import expected_family_counts
from mmgraph.retrieval.alignment.align import align
from mmgraph.retrieval.alignment.part_clusters import PartClusters, checked_parts
from mmgraph.retrieval.alignment.translation import Translation, expected_counts


def network(parts, clusters, table, null):
    """Part (the last is none) → cluster (the last is none) → word, of one picture."""
    members = np.vstack([clusters.mixing([part[None]])[0] for part in parts])
    count, width = members.shape
    of_cluster = np.zeros((count + 1, width + 1))
    of_cluster[:count, :width], of_cluster[count, width] = members, 1
    tables = {
        "part": np.append(np.full(count, (1 - null) / count), null),
        "cluster": of_cluster,
        "word": table,
    }
    return mm.BayesianNetwork.from_tables([("part", "cluster"), ("cluster", "word")], tables)


def pictures(kind, rng):
    """Two to four parts for each of five pictures, and captions of five words."""
    sizes = rng.integers(2, 5, 5)
    if kind == "numbers":
        parts = [rng.choice([3, 7, 9], size) for size in sizes]
    else:
        parts = [rng.normal(size=(size, 3)) for size in sizes]
    return parts, [rng.choice(list("vwxyz"), size).tolist() for size in (3, 1, 4, 0, 5)]


@pytest.mark.parametrize("kind", ["numbers", "vectors"])
def test_counts_and_alignments_are_those_of_the_shared_inference(kind):
    rng = np.random.default_rng(0)
    parts, captions = pictures(kind, rng)
    clusters = PartClusters.of(checked_parts(parts), 4, 2.0, None, 0)
    table = rng.dirichlet(np.ones(5), len(clusters.names) + 1)
    bags = np.array([[caption.count(word) for word in "vwxyz"] for caption in captions], float)
    mixing = np.c_[0.7 * clusters.mixing(parts), np.full(5, 0.3)]
    counts, log_likelihood = expected_counts(mixing, table, bags)
    expected, total = np.zeros_like(table), 0.0
    learned = Translation(
        "em", table[:-1], np.empty((0, 2), int), 0.0, column_names=tuple("vwxyz"),
        clusters=clusters, null=0.3, null_words=table[-1],
    )  # fmt: skip
    for bag, caption, some in zip(parts, captions, bags, strict=True):
        net = network(bag, clusters, table, 0.3)
        counted = expected_family_counts(net, {"word": np.arange(5)}, weights=some)
        expected += counted["word"].numpy()
        total += some @ np.log(mm.query(net).marginal("word")[0].numpy())
        if caption:
            aligned = learned.of(bag, caption)
            evidence = {"word": ["vwxyz".index(word) for word in caption]}
            posterior = mm.query(net, evidence).marginal("part").numpy()
            got = np.vstack([aligned.probabilities, aligned.unmatched_columns])
            np.testing.assert_allclose(got, posterior.T, atol=1e-10)
    np.testing.assert_allclose(counts, expected, atol=1e-10)
    assert log_likelihood == pytest.approx(total, abs=1e-10)


def test_words_find_their_parts_though_no_caption_says_which():
    rng = np.random.default_rng(0)
    names = np.array(["cat", "dog", "sun", "tree"])
    parts, captions = [], []
    for _ in range(120):
        seen = rng.choice(4, 2, replace=False)
        parts.append(seen)
        captions.append([*names[seen], "nice" if rng.random() < 0.5 else "drawing"])
    learned = align(parts, captions, method="em", smoothing=1.0)
    assert learned.converged
    assert learned.column_names == ("cat", "dog", "drawing", "nice", "sun", "tree")
    found = {learned.column_names[j]: learned.row_names[i] for i, j in learned.pairs}
    assert found == {"cat": 0, "dog": 1, "sun": 2, "tree": 3}
    assert (learned.unmatched_columns[[2, 3]] > 0.5).all()
    assert learned.of([3, 0], ["cat", "tree", "never"]).pairs.tolist() == [[1, 0], [0, 1]]
    words = learned.words_for([[1], [0, 2], [99]])
    np.testing.assert_allclose(words.sum(1), 1)
    assert {learned.column_names[i] for i in words[1].argsort()[-2:]} == {"cat", "sun"}
    np.testing.assert_allclose(words[2], learned.null_words)


def test_em_reaches_the_maximum_of_a_concave_objective():
    parts, captions = pictures("numbers", np.random.default_rng(1))
    learned = align(parts, captions, method="em", max_iterations=2000, null=0.1, smoothing=2.0)
    tables = np.vstack([learned.probabilities, learned.null_words])
    bags = np.array(
        [[caption.count(word) for word in learned.column_names] for caption in captions], float
    )
    mixing = np.c_[0.9 * learned.clusters.mixing(checked_parts(parts)), np.full(5, 0.1)]
    counts, _ = expected_counts(mixing, tables, bags)
    grown = counts + 2.0 * bags.sum(0) / bags.sum()
    # A fixed point, which of a concave function is its maximum.
    np.testing.assert_allclose(grown / grown.sum(1, keepdims=True), tables, atol=2e-3)


def test_pictures_of_one_part_are_rows_of_a_matrix():
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(2, 8))
    kinds = rng.integers(0, 2, 40)
    rows = centres[kinds] + rng.normal(size=(40, 8))
    captions = [["cat", "red"] if kind else ["dog", "red"] for kind in kinds[:30]]
    for clusters in (None, 2):
        learned = align(rows[:30], captions, method="em", clusters=clusters)
        assert len(learned.row_names) == (clusters or 30)
        cat, dog, _ = learned.words_for(rows[30:]).T
        assert ((cat > dog) == (kinds[30:] == 1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"a": []}, "a is a list of bags of parts"),
        ({"a": [[0, 1], []]}, r"item 1 of a has shape"),
        ({"a": [[0, 1], [[0.5, 1.0]]]}, "item 1 of a are of another kind"),
        ({"a": [[[0.5]], [[np.nan]]]}, "item 1 of a is not finite in row 0"),
        ({"a": [[0]]}, "a has 1 pictures, b 2 captions"),
        ({"b": "cat"}, "b is a list of lists of words"),
        ({"b": [[], []]}, "has a word"),
        ({"b": [["cat"], "dog"]}, "caption 1 of b is no list of words: 'dog'"),
        ({"null": 1.0}, "null is a probability below one"),
        ({"smoothing": -1.0}, "smoothing are zero or more"),
        ({"clusters": 0}, "clusters must be a whole number"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(MmgraphError, match=message):
        align(**{"a": [[0, 1], [1]], "b": [["cat"], ["dog"]], "method": "em"} | options)


def test_what_is_asked_of_a_translation_is_checked():
    with pytest.warns(ConvergenceWarning, match="not converged in 1 iterations"):
        learned = align([[0], [1]], [["cat"], ["dog"]], method="em", max_iterations=1)
    with pytest.raises(MmgraphError, match="of another kind or width"):
        learned.words_for(np.ones((2, 3)))
    with pytest.raises(MmgraphError, match="a list of one word or more, not 'cat'"):
        learned.of([0], "cat")
