import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmgraph.graph.errors import FormatError, LearningError
from mmgraph.learning.structure.bootstrap import Frequencies, bootstrap, consensus

ROWS = 40
VALUES = np.random.default_rng(1).normal(size=(ROWS, 4))
VALUES[:, 1] += VALUES[:, 0]
VALUES[:, 2] += 0.3 * VALUES[:, 1]


def strongest(weights):
    """The pairs that correlate most, as edges in the order of the columns."""
    correlation = np.corrcoef(np.repeat(VALUES, weights.astype(int), axis=0), rowvar=False)
    return np.triu(np.abs(correlation) > 0.35, 1)


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def test_shares_are_those_of_the_replicates_whatever_the_threads():
    weights = []

    def search(drawn):
        weights.append(drawn)
        return strongest(drawn)

    one = bootstrap(search, ROWS, 30, seeded(), threads=1)
    assert all(w.sum() == ROWS for w in weights)
    assert (one.arcs == np.mean([strongest(w) for w in weights], axis=0)).all()
    for threads in (2, 7):
        assert (bootstrap(strongest, ROWS, 30, seeded(), threads=threads).arcs == one.arcs).all()
    assert (bootstrap(strongest, ROWS, 30, seeded(1)).arcs != one.arcs).any()
    share = one.arcs[0, 1]
    assert one.confidence(("a", "b", "c", "d"))["a", "b"] == share > 0.5
    assert one.edges[1, 0] == share


def test_an_undirected_edge_counts_half_for_either_direction():
    either = np.array([[False, True], [True, False]])
    assert bootstrap(lambda _: either, 3, 4).arcs.tolist() == [[0, 0.5], [0.5, 0]]


def test_equal_rows_are_drawn_as_often_as_they_count():
    drawn = []

    def search(weights):
        drawn.append(weights)
        return np.zeros((2, 2), dtype=bool)

    bootstrap(search, np.array([1.0, 0.0, 6.0, 3.0]), 400, seeded(), threads=1)
    assert all(w.sum() == 10 and w[1] == 0 for w in drawn)
    np.testing.assert_allclose(np.mean(drawn, axis=0), [1, 0, 6, 3], atol=0.3)
    np.testing.assert_allclose(np.var(drawn, axis=0), [0.9, 0, 2.4, 2.1], rtol=0.25)
    drawn.clear()
    strata = np.array(["a", "b", "b", "a"])
    bootstrap(search, np.array([1.0, 2.0, 6.0, 3.0]), 20, seeded(), strata=strata, threads=1)
    assert all(w[0] + w[3] == 4 and w[1] + w[2] == 8 for w in drawn)
    drawn.clear()
    bootstrap(search, np.array([1.0, 0.0, 0.0, 3.0]), 20, seeded(), strata=strata, threads=1)
    assert all(w[0] + w[3] == 4 and w[1] == w[2] == 0 for w in drawn)
    strata = np.array(["a", "b", "b", "c"])
    bootstrap(search, np.array([1.0, 0.0, 0.0, 3.0]), 2, seeded(), strata=strata, threads=1)
    assert drawn[-1].tolist() == [1, 0, 0, 3]


def test_whole_groups_and_strata_are_drawn():
    groups = np.array(list("aaaabbbcccccdd"))
    strata = np.array([0] * 7 + [1] * 7)
    drawn = []

    def search(weights):
        drawn.append(weights)
        return np.zeros((2, 2), dtype=bool)

    bootstrap(search, 14, 20, seeded(), strata=strata, threads=1)
    assert all(w[:7].sum() == w[7:].sum() == 7 for w in drawn)
    assert len({w.tobytes() for w in drawn}) > 15
    drawn.clear()
    bootstrap(search, 14, 40, seeded(), groups=groups, threads=1)
    assert all(len(set(w[groups == g])) == 1 for w in drawn for g in "abcd")
    assert all(w[[0, 4, 7, 12]].sum() == 4 for w in drawn)
    assert any(w[[0, 4]].sum() != 2 for w in drawn)
    drawn.clear()
    bootstrap(search, 1.0 * (groups != "c"), 40, seeded(), groups=groups, threads=1)
    assert all(w[[0, 4, 12]].sum() == 3 and w[7] == 0 for w in drawn)
    drawn.clear()
    bootstrap(search, 14, 20, seeded(), groups=groups, strata=strata, threads=1)
    assert all(w[[0, 4]].sum() == 2 for w in drawn)
    with pytest.raises(LearningError, match="'b' lies in several strata"):
        bootstrap(search, 14, 20, groups=groups, strata=np.arange(14) < 5)
    with pytest.raises(LearningError, match="14 labels of groups for 15 rows"):
        bootstrap(search, 15, 20, groups=groups)


def test_an_interrupted_call_is_taken_up(tmp_path):
    whole = bootstrap(strongest, ROWS, 12, seeded())
    seen, calls = [], []

    def interrupt(done, replicates):
        seen.append((done, replicates))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap(strongest, ROWS, 12, seeded(), checkpoint=tmp_path, progress=interrupt, threads=2)
    assert seen == [(i, 12) for i in range(1, 6)]

    def search(weights):
        calls.append(weights)
        return strongest(weights)

    again = bootstrap(search, ROWS, 12, seeded(9), checkpoint=tmp_path)
    assert len(calls) == 7
    assert (again.arcs == whole.arcs).all()
    with pytest.raises(FormatError, match="replicates differ"):
        bootstrap(search, ROWS, 13, checkpoint=tmp_path)
    with pytest.raises(FormatError, match="score differ"):
        bootstrap(search, ROWS, 12, checkpoint=tmp_path, belongs_to={"score": "bic"})
    assert len(calls) == 7


def test_a_search_that_fails_is_heard():
    with pytest.raises(LearningError, match="no such thing"):
        bootstrap(failing, 3, 50, threads=2)


def failing(weights):
    raise LearningError("no such thing")


@pytest.mark.parametrize("numbers", [(0, 3), (3, 0), (np.zeros(4), 3)])
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(LearningError, match="at least 1, not 0"):
        bootstrap(strongest, *numbers)


shares = arrays(np.float64, (5, 5), elements=st.integers(0, 20).map(lambda i: i / 40))


@given(shares)
@settings(deadline=None)
def test_the_threshold_is_the_one_next_to_the_ideal_distribution(arcs):
    np.fill_diagonal(arcs, 0)
    frequencies = Frequencies(arcs, 40)
    strengths = np.sort(frequencies.edges[np.triu_indices(5, 1)])
    middles = (np.arange(2000) + 0.5) / 2000
    cdf = np.searchsorted(strengths, middles, side="right") / len(strengths)
    levels = np.arange(len(strengths) + 1) / len(strengths)
    distances = np.abs(cdf[None, :] - levels[:, None]).mean(1)
    level = levels[np.flatnonzero(distances <= distances.min() + 1e-12)[-1]]
    quantile = strengths[round(level * len(strengths)) - 1] if level > 0 else 0.0
    expected = strengths[strengths > quantile].min(initial=1.0)
    assert frequencies.chosen_threshold() == expected


@given(shares, st.sampled_from([None, 0.1, 0.5, 0.8]))
def test_a_consensus_is_acyclic_and_has_the_frequent_edges(arcs, threshold):
    np.fill_diagonal(arcs, 0)
    frequencies = Frequencies(arcs, 40)
    graph, threshold = consensus(frequencies, threshold)
    assert nx.is_directed_acyclic_graph(nx.from_numpy_array(graph, create_using=nx.DiGraph))
    assert (frequencies.edges[graph] >= threshold - 1e-9).all()
    assert (arcs[graph] > 0).all()
    either_way = (arcs > 0) & (arcs.T > 0) & (frequencies.edges >= threshold)
    assert (graph | graph.T)[either_way].all()


@given(shares, st.integers(0, 3))
def test_a_consensus_gives_no_node_more_than_its_most_parents(arcs, most):
    np.fill_diagonal(arcs, 0)
    free, _ = consensus(Frequencies(arcs, 40), 0.1)
    graph, _ = consensus(Frequencies(arcs, 40), 0.1, most)
    assert graph.sum(0).max() <= most
    if free.sum(0).max() <= most:
        assert (graph == free).all()
    arcs = np.array([[0, 0, 0.7], [0, 0, 0.9], [0.2, 0.1, 0]])
    assert np.argwhere(consensus(Frequencies(arcs, 10), 0.1, 1)[0]).tolist() == [[1, 2]]


def test_a_consensus_reverses_or_leaves_out_what_closes_a_cycle():
    arcs = np.zeros((3, 3))
    arcs[0, 1], arcs[1, 2], arcs[2, 0] = 1.0, 0.9, 0.7
    graph, threshold = consensus(Frequencies(arcs, 10))
    assert np.argwhere(graph).tolist() == [[0, 1], [1, 2]]
    assert threshold == 0.7
    arcs[0, 2] = 0.1
    assert consensus(Frequencies(arcs, 10))[0][0, 2]
    assert consensus(Frequencies(arcs, 10), 0.95)[0].sum() == 1
    for wrong in (0, 1.5, True):
        with pytest.raises(LearningError, match="threshold"):
            consensus(Frequencies(arcs, 10), wrong)
