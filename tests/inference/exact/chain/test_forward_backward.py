"""Passes along chains against the log domain and all paths, however far densities lie apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.exact.chain import dense_kernels, forward_backward, pieces
from mmgraph.inference.exact.chain.forward_backward import Chain
from tests.inference.exact.chain.enumerated_paths import enumerated
from tests.inference.exact.chain.log_domain import smoothed

INF = np.inf


def answers(chain: Chain, parts: list[np.ndarray]):
    """Log-likelihoods, marginals, counts of a chain, for sequences of log-densities."""
    rows, lengths = np.concatenate(parts), [len(part) for part in parts]
    marginals = np.full_like(rows, np.nan)

    def write(part, found):
        marginals[part] = found

    counts = chain.smooth(lambda part: rows[part].copy(), lengths, write)
    totals = chain.log_likelihoods(lambda part: rows[part].copy(), lengths)
    np.testing.assert_allclose(totals, counts.log_likelihoods, rtol=1e-12)
    return totals, marginals, counts


def check(chain: Chain, parts: list[np.ndarray]) -> None:
    """Compare with the referee: to 1e-10 and 1e-9, and zeros exactly."""
    totals, marginals, counts = answers(chain, parts)
    truths = [smoothed(*chain, part) for part in parts]
    np.testing.assert_allclose(totals, [t.log_likelihood for t in truths], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        marginals, np.concatenate([t.marginals for t in truths]), rtol=0, atol=1e-9
    )
    transitions = sum(t.transitions for t in truths)
    scale = max(1.0, float(np.sum(transitions)))
    np.testing.assert_allclose(counts.transitions, transitions, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(counts.start, sum(t.marginals[0] for t in truths), atol=1e-9)
    assert not counts.transitions[chain.transition == 0].any()
    impossible = np.concatenate([np.isneginf(part) for part in parts])
    assert not marginals[impossible].any()


def distributions(generator, states, zeros, least=1e-2):
    """A start and a transition matrix, with exact zeros and probabilities as small as ``least``."""
    tables = np.exp(generator.uniform(np.log(least), 0, (states + 1, states)))
    tables[generator.random(tables.shape) < zeros] = 0.0
    tables[np.arange(states + 1), generator.integers(states, size=states + 1)] = 1.0
    tables /= tables.sum(1, keepdims=True)
    return Chain(tables[0], np.ascontiguousarray(tables[1:]))


@settings(max_examples=30)
@given(
    states=st.integers(1, 5),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    scale=st.sampled_from([1.0, 30.0, 800.0, 1e5]),
    zeros=st.sampled_from([0.0, 0.3, 0.6]),
    least=st.sampled_from([0.1, 1e-12, 1e-150, 1e-305]),
    excluded=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_answers_equal_those_of_the_log_domain(
    states, lengths, scale, zeros, least, excluded, seed
):
    generator = np.random.default_rng(seed)
    chain = distributions(generator, states, zeros, least)
    parts = [scale * generator.standard_normal((length, states)) for length in lengths]
    for part in parts:
        part[generator.random(part.shape) < excluded] = -INF
    truths = [smoothed(*chain, part).log_likelihood for part in parts]
    possible = np.isfinite(truths)
    rows = np.concatenate(parts)
    totals = chain.log_likelihoods(lambda part: rows[part].copy(), lengths)
    np.testing.assert_array_equal(totals > -INF, possible)
    np.testing.assert_allclose(totals[possible], np.array(truths)[possible], rtol=1e-10, atol=1e-10)
    assume(possible.any())
    check(chain, [part for part, fine in zip(parts, possible, strict=True) if fine])


@settings(max_examples=30)
@given(
    states=st.integers(1, 4),
    steps=st.integers(1, 6),
    scale=st.sampled_from([1.0, 800.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_answers_equal_those_of_all_paths(states, steps, scale, seed):
    generator = np.random.default_rng(seed)
    chain = distributions(generator, states, 0.3, 1e-150)
    logs = scale * generator.standard_normal((steps, states))
    logs[generator.random(logs.shape) < 0.15] = -INF
    with np.errstate(invalid="ignore"):
        truth = enumerated(*chain, logs)
    assume(truth.log_likelihood > -INF)
    totals, marginals, counts = answers(chain, [logs])
    np.testing.assert_allclose(totals[0], truth.log_likelihood, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(marginals, truth.probabilities, atol=1e-9)
    np.testing.assert_allclose(counts.transitions, truth.pairs, atol=1e-9)
    path, score = chain.best_paths(lambda part: logs[part].copy(), [steps])
    np.testing.assert_allclose(score[0], truth.scores.max(), rtol=1e-12)
    index = np.ravel_multi_index(tuple(path), (states,) * steps)
    np.testing.assert_allclose(truth.scores[index], truth.scores.max(), rtol=1e-12)


@pytest.mark.parametrize("stay", [0.5, 1 - 1e-6])
@pytest.mark.parametrize("features", [1, 39])
def test_outliers_of_fifty_standard_deviations(stay, features):
    generator = np.random.default_rng(features)
    states, steps = 6, 300
    transition = np.full((states, states), (1 - stay) / states) + stay * np.eye(states)
    means = 3 * generator.standard_normal((states, features))
    rows = means[generator.integers(states, size=steps)]
    rows = rows + generator.standard_normal((steps, features))
    rows[[0, 50, 51, 299]] += 50
    logs = -0.5 * ((rows[:, None] - means) ** 2).sum(2)
    check(Chain(np.full(states, 1 / states), transition), [logs])


def raising_chains():
    """Chains in which what explains the last step had been all but excluded before."""
    forwards = 0.5 * (np.eye(4) + np.eye(4, k=1)) + np.diag([0, 0, 0, 0.5])
    late = np.zeros((60, 4))
    late[:50, 1:], late[50:, :3] = -900.0, -INF
    yield "left to right", Chain(np.eye(4)[0], forwards), late
    fixed = np.zeros((8, 3))
    fixed[:6, 1], fixed[:6, 2], fixed[6:, 0] = -500.0, -500.3, -INF
    yield "nothing moves", Chain(np.full(3, 1 / 3), np.eye(3)), fixed
    sticky = np.eye(3) + 1e-90 * np.eye(3, k=1)
    hops = np.zeros((9, 3))
    hops[:, 1], hops[:5, 2], hops[6:, :2] = -300.0, -1.0, -INF
    yield "sticky", Chain(np.eye(3)[0], sticky), hops
    rare = np.array([[1, 3e-308, 0], [0, 1, 3e-308], [0, 0, 1]])
    last = np.array([[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [-INF, -INF, 0]])
    yield "rare", Chain(np.array([1.0, 0, 0]), rare), last


@pytest.mark.parametrize("case", list(raising_chains()), ids=lambda case: case[0])
def test_states_all_but_excluded_come_back(case, monkeypatch):
    _, chain, logs = case
    asked = []
    run = forward_backward.log_forward_backward
    monkeypatch.setattr(
        forward_backward, "log_forward_backward", lambda *a: asked.append(1) or run(*a)
    )
    usual = np.zeros((5, chain.states))
    check(chain, [usual, logs, usual, logs])
    assert asked  # the raised cells mattered


def test_raised_cells_that_do_not_matter_stay_out_of_the_log_domain(monkeypatch):
    monkeypatch.delattr(forward_backward, "log_forward_backward")
    generator = np.random.default_rng(0)
    logs = -5000 * generator.random((200, 5))
    assert np.exp(logs.min(1) - logs.max(1)).min() < dense_kernels.FLOOR
    check(Chain(np.full(5, 0.2), generator.dirichlet(np.ones(5), 5)), [logs])


@pytest.mark.parametrize("raised", [False, True])
def test_checkpoints_give_the_same_answers(monkeypatch, raised):
    generator = np.random.default_rng(3)
    chain = distributions(generator, 5, 0.2)
    lengths = [1, 200, 63, 64, 65, 1, 90]
    parts = [3 * generator.standard_normal((length, 5)) for length in lengths]
    if raised:
        parts[1][:100, 1:], parts[1][150, :4] = -800.0, -INF
        chain = Chain(np.full(5, 0.2), 0.999 * np.eye(5) + 0.0002)
    rows = np.concatenate(parts)

    def everything():
        totals, marginals, counts = answers(chain, parts)
        path, scores = chain.best_paths(lambda part: rows[part].copy(), lengths)
        drawn = chain.sample_paths(
            lambda part: rows[part].copy(), lengths, 3, np.random.default_rng(0)
        )
        return totals, marginals, counts.start, counts.transitions, path, scores, *drawn

    whole = everything()
    monkeypatch.setattr(pieces, "_CELLS", 1)
    assert len(pieces.Steps(lengths).pieces(5)) == 8
    stored = everything()
    monkeypatch.setattr(forward_backward, "_STORED_BYTES", 0)
    for one, two, three in zip(whole, stored, everything(), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(three, two)
    check(chain, parts)


def test_an_impossible_sequence_is_named():
    chain = Chain(np.array([1.0, 0]), np.array([[0.0, 1], [1, 0]]))
    fine = np.zeros((7, 2))
    bad = np.zeros((6, 2))
    bad[3, 1] = -INF  # the chain alternates: at odd steps it is in state 1
    rows = np.concatenate([fine, bad, fine, bad])
    lengths = [7, 6, 7, 6]

    def densities(part):
        return rows[part].copy()

    questions = {
        "smooth": lambda: chain.marginals(densities, lengths),
        "decode": lambda: chain.best_paths(densities, lengths),
        "draw": lambda: chain.sample_paths(densities, lengths, 2, np.random.default_rng(0)),
    }
    for ask in questions.values():
        with pytest.raises(ZeroProbabilityError, match="sequence 1 is impossible from step 3 on"):
            ask()
    np.testing.assert_array_equal(chain.log_likelihoods(densities, lengths), [0, -INF, 0, -INF])


def test_impossible_sequences_cost_no_more_than_others():
    chain = Chain(np.array([1.0, 0]), np.eye(2))
    rows = np.tile([[0.0, 0.0], [-INF, 0.0]], (2000, 1))
    asked = []

    def densities(part):
        asked.append(part)
        return rows[part].copy()

    assert np.isneginf(chain.log_likelihoods(densities, [2] * 2000)).all()
    assert len(asked) <= 2


@pytest.mark.parametrize("case", ["usual", "all but excluded"])
def test_drawn_paths_are_as_frequent_as_probable(case):
    generator = np.random.default_rng(5)
    if case == "usual":
        chain = distributions(generator, 3, 0.2)
        logs = generator.standard_normal((5, 3))
    else:  # when it left the first state is decided by differences below the floor
        forwards = np.array([[0.4, 0.6, 0], [0, 0.5, 0.5], [0, 0, 1]])
        chain = Chain(np.array([1.0, 0, 0]), forwards)
        logs = np.zeros((5, 3))
        logs[:, 1], logs[1:4, 2], logs[4, :2] = -1000 + np.arange(5), -0.5, -INF
    truth = enumerated(*chain, logs)
    other = generator.standard_normal((2, 3))
    rows = np.concatenate([other, logs])
    _, drawn = chain.sample_paths(
        lambda part: rows[part].copy(), [2, len(logs)], 4000, np.random.default_rng(1)
    )
    index = np.ravel_multi_index(tuple(drawn.T), (3,) * len(logs))
    observed = np.bincount(index, minlength=len(truth.paths))
    expected = 4000 * np.exp(truth.scores - truth.log_likelihood)
    assert not observed[np.isneginf(truth.scores)].any()
    often = expected >= 5
    observed = np.append(observed[often], observed[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    keep = expected > 0
    assert keep.sum() > 2
    assert chisquare(observed[keep], expected[keep], sum_check=False).pvalue > 1e-3


def test_a_million_nats_are_no_trouble():
    logs = np.array([[0.0, -1e6], [-1e6, 0.0], [3e6, 3e6 - 1]])
    check(Chain(np.array([0.3, 0.7]), np.array([[0.9, 0.1], [0.2, 0.8]])), [logs])
