"""Chains side by side answer as all their joint paths do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import GraphError, ZeroProbabilityError
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
