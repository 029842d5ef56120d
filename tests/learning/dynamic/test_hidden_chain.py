"""Parameters of hidden Markov models: checked, counted, learned."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError, ZeroProbabilityError
from mmgraph.learning.dynamic.emissions.categorical import CategoricalEmission
from mmgraph.learning.dynamic.hidden_chain import HiddenChain, distribution, normalised
from tests.inference.exact.chain.log_domain import smoothed
from tests.learning.dynamic.emissions.drawn_emissions import KINDS, drawn, drawn_rows

TABLE = np.array([[0.8, 0.2], [0.3, 0.7]])


def drawn_chain(kind="categorical", states=3, seed=0):
    generator = np.random.default_rng(seed)
    transition = generator.dirichlet(np.ones(states), states)
    transition[0, -1], transition[0, 0] = 0.0, transition[0, 0] + transition[0, -1]
    emission = drawn(generator, kind, states)
    return HiddenChain(generator.dirichlet(np.ones(states)), transition, emission)


@pytest.mark.parametrize("kind", KINDS)
def test_expected_counts_and_statistics_are_sums_over_sequences(kind):
    chain = drawn_chain(kind)
    generator = np.random.default_rng(1)
    lengths = [1, 30, 7]
    parts = [drawn_rows(generator, chain.emission, length) for length in lengths]
    truths = [smoothed(*chain.chain, chain.emission.log_densities(part)) for part in parts]
    counts, statistics = chain.expected(np.concatenate(parts), lengths)
    totals = [t.log_likelihood for t in truths]
    np.testing.assert_allclose(counts.log_likelihoods, totals, atol=1e-12)
    np.testing.assert_allclose(counts.transitions, sum(t.transitions for t in truths), atol=1e-12)
    np.testing.assert_allclose(counts.start, sum(t.marginals[0] for t in truths))
    every = [
        chain.emission.statistics(part, t.marginals) for part, t in zip(parts, truths, strict=True)
    ]
    for name, array in statistics.items():
        np.testing.assert_allclose(array, sum(s[name] for s in every), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("pseudo_counts", [0.0, 1.5])
def test_an_iteration_normalises_counts(pseudo_counts):
    chain = drawn_chain()
    chain = chain._replace(emission=CategoricalEmission(chain.emission.tables, pseudo_counts))
    rows = drawn_rows(np.random.default_rng(2), chain.emission, 40)
    ascent = chain.ascend(rows, [25, 15], None, pseudo_counts)
    counts, _ = chain.expected(rows, [25, 15])
    whole = counts.transitions + pseudo_counts * (chain.transition > 0)
    following = ascent.following
    np.testing.assert_allclose(following.transition, whole / whole.sum(1, keepdims=True))
    start = counts.start + pseudo_counts
    np.testing.assert_allclose(following.start, start / start.sum())
    assert following.transition[0, -1] == 0
    tables = (chain.start, chain.transition, *chain.emission.tables)
    prior = sum(np.log(table[table > 0]).sum() for table in tables)
    np.testing.assert_allclose(ascent.log_likelihood, counts.log_likelihoods.sum())
    np.testing.assert_allclose(ascent.objective - ascent.log_likelihood, pseudo_counts * prior)
    again = following.ascend(rows, [25, 15], None, pseudo_counts)
    assert again.objective >= ascent.objective


def test_known_states_are_certain():
    chain = drawn_chain()
    rows = drawn_rows(np.random.default_rng(3), chain.emission, 20)
    codes = np.full(20, -1)
    codes[[0, 5, 19]] = 1, 0, 2
    counts, _ = chain.expected(rows, [20], codes)
    np.testing.assert_allclose(counts.start, [0, 1, 0])
    logs = chain.densities(rows, codes)(slice(4, 7))
    assert np.isneginf(logs[1, 1:]).all()
    np.testing.assert_array_equal(logs[[0, 2]], chain.emission.log_densities(rows[[4, 6]]))
    codes[1:3] = 0, 2  # the chain cannot go there
    with pytest.raises(ZeroProbabilityError, match="sequence 0 is impossible from step 2 on"):
        chain.expected(rows, [20], codes)


def test_arrays_restore_a_chain():
    for kind in KINDS:
        chain = drawn_chain(kind)
        arrays = chain.arrays()
        again = chain.restored(arrays)
        assert all((again.arrays()[name] == array).all() for name, array in arrays.items())


def test_rows_without_counts_stay_and_zeros_stay_zeros():
    before = np.array([[0.5, 0.5, 0], [0.1, 0.2, 0.7], [1, 0, 0]])
    counts = np.array([[0.0, 3, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(normalised(counts, before), [[0, 1, 0], *before[1:]])
    found = normalised(counts, before, 1.0)
    np.testing.assert_allclose(found, [[0.2, 0.8, 0], [1 / 3] * 3, [1, 0, 0]])
    tiny = normalised(np.array([1e-280, 1.0]), np.array([0.5, 0.5]))
    np.testing.assert_array_equal(tiny, [1e-100, 1])


@pytest.mark.parametrize(
    ("start", "transition", "message"),
    [
        ([0.5, 0.4], TABLE, "start sums to 0.9, not to 1"),
        ([0.5, 0.5], [[0.8, 0.2], [0.3, 0.6]], "row 1 of transition sums to 0.9, not to 1"),
        ([0.5, 0.5, 0], TABLE, r"start is to be of shape \(2,\), not \(3,\)"),
        ([0.5, 0.5], np.eye(3), r"transition is to be of shape \(2, 2\), not \(3, 3\)"),
        ([1.5, -0.5], TABLE, "start holds what is no probability"),
        ([np.nan, 1], TABLE, "start holds what is no probability"),
        (["a", 1], TABLE, "start holds what is no number"),
        ([0.5, 0.5], [[1, 0], [1]], "transition holds what is no number"),
    ],
)
def test_bad_probabilities_are_named(start, transition, message):
    with pytest.raises(LearningError, match=message):
        HiddenChain.checked(start, transition, CategoricalEmission(TABLE))


def test_sums_are_one_to_the_last_digit():
    table = distribution([[1 / 3 + 1e-8, 2 / 3], [1, 0]], (2, 2), "table")
    np.testing.assert_allclose(table.sum(1), 1, rtol=1e-16)
    assert table[1, 1] == 0
