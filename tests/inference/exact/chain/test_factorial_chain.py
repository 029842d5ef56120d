"""Chains side by side answer as all their joint paths do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mmgraph.graph.errors import EvidenceError, GraphError, ZeroProbabilityError
from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from tests.inference.exact.chain.enumerated_paths import drawn_chains, enumerated, joint

SHAPES = [
    ((2,), 12),
    ((3,), 6),
    ((2, 2), 5),
    ((2, 3), 4),
    ((2, 2, 2), 4),
    ((3, 2, 2), 3),
    ((4,), 1),
]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.floats(0.1, 1500))
def test_answers_equal_those_of_all_paths(seed, shape, spread):
    sizes, steps = shape
    generator = np.random.default_rng(seed)
    starts, transitions = drawn_chains(generator, sizes)
    log_densities = spread * generator.normal(size=(steps, np.prod(sizes)))
    chain = FactorialChain(joint(starts), transitions)
    truth = enumerated(joint(starts), joint(transitions), log_densities)
    answer = chain.smoothed(log_densities)
    assert answer.log_likelihood == pytest.approx(truth.log_likelihood, rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(answer.probabilities, truth.probabilities, atol=1e-9)
    assert not answer.probabilities[~truth.possible].any()
    pairs = truth.pairs.reshape(*sizes, *sizes)
    for m, counts in enumerate(answer.transitions):
        others = [a for a in range(2 * len(sizes)) if a % len(sizes) != m]
        np.testing.assert_allclose(counts, pairs.sum(tuple(others)), atol=1e-9)
    path, score = chain.decoded(log_densities)
    assert score == pytest.approx(truth.scores.max(), rel=1e-12, abs=1e-12)
    np.testing.assert_array_equal(path, truth.paths[truth.scores.argmax()])


def test_impossible_rows_and_wrong_shapes_are_named():
    chain = FactorialChain(np.array([1.0, 0.0]), [np.eye(2)])
    rows = np.zeros((5, 2))
    rows[3, 0] = -np.inf
    with pytest.raises(ZeroProbabilityError, match="step 3 of walk"):
        chain.smoothed(rows, "walk")
    with pytest.raises(ZeroProbabilityError, match="emitted walk"):
        chain.decoded(rows, "walk")
    with pytest.raises(GraphError, match="4 joint states"):
        FactorialChain(np.ones(2) / 2, [np.eye(2), np.eye(2)])
    with pytest.raises(GraphError, match="square"):
        FactorialChain(np.ones(2) / 2, [np.ones((2, 3))])


@pytest.mark.parametrize("least", [1e-90, 3e-308])
def test_products_of_small_transitions_and_messages_do_not_vanish(least):
    table = np.eye(3) + least * np.eye(3, k=1)
    log_densities = np.zeros((5, 9))
    log_densities[:4, 1:], log_densities[4, :8] = -100, -np.inf
    chain, truth = FactorialChain(np.eye(9)[0], [table] * 2), joint([table] * 2)
    truth = enumerated(np.eye(9)[0], truth, log_densities)
    answer = chain.smoothed(log_densities)
    assert answer.log_likelihood == pytest.approx(truth.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(answer.probabilities, truth.probabilities, atol=1e-9)


@pytest.mark.parametrize(("sizes", "steps"), [((3,), 5), ((2, 2), 3), ((2, 3, 2), 2)])
def test_frequencies_of_paths_equal_their_probabilities(sizes, steps):
    generator = np.random.default_rng(len(sizes))
    starts, transitions = drawn_chains(generator, sizes)
    log_densities = generator.normal(size=(steps, np.prod(sizes)))
    chain = FactorialChain(joint(starts), transitions)
    truth = enumerated(joint(starts), joint(transitions), log_densities)
    paths = chain.sample_paths(log_densities, 20_000, np.random.default_rng(1))
    index = np.ravel_multi_index(tuple(paths.T), (int(np.prod(sizes)),) * steps)
    observed = np.bincount(index, minlength=len(truth.paths))
    expected = 20_000 * np.exp(truth.scores - truth.log_likelihood)
    assert not observed[expected == 0].any()
    often = expected >= 5
    observed = np.append(observed[often], observed[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3


def test_a_seed_gives_the_same_paths():
    chain = FactorialChain(np.ones(2) / 2, [np.ones((2, 2)) / 2])
    one, two = (chain.sample_paths(np.zeros((9, 2)), 4, np.random.default_rng(3)) for _ in "ab")
    np.testing.assert_array_equal(one, two)
    with pytest.raises(EvidenceError, match="not negative, as -1"):
        chain.sample_paths(np.zeros((9, 2)), -1, np.random.default_rng(3))


def test_paths_through_states_all_but_excluded_are_as_frequent_as_probable():
    forwards = np.array([[0.4, 0.6, 0], [0, 0.5, 0.5], [0, 0, 1]])
    start = np.eye(6)[0]
    tables = [forwards, np.eye(2)]
    log_densities = np.zeros((5, 3, 2))
    log_densities[:, 1], log_densities[1:4, 2] = -1000 + np.arange(5)[:, None], -0.5
    log_densities[4, :2] = -np.inf
    log_densities = log_densities.reshape(5, 6)
    truth = enumerated(start, joint(tables), log_densities)
    chain = FactorialChain(start, tables)
    paths = chain.sample_paths(log_densities, 4000, np.random.default_rng(1))
    index = np.ravel_multi_index(tuple(paths.T), (6,) * 5)
    observed = np.bincount(index, minlength=len(truth.paths))
    expected = 4000 * np.exp(truth.scores - truth.log_likelihood)
    keep = expected > 0
    assert keep.sum() == 3
    assert chisquare(observed[keep], expected[keep], sum_check=False).pvalue > 1e-3
