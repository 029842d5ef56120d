"""Chains of segments against all their segmentations, and against a chain of states and ages."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chisquare

from mmgraph.graph.errors import MemoryBudgetError
from mmgraph.inference.exact.chain import durations_passes
from mmgraph.inference.exact.chain.durations_chain import DurationChain

CENSORED = pytest.mark.parametrize("left", [False, True])


def drawn_parts(generator, states, longest):
    """A random start, transition and durations, with exact zeros and tables of several lengths."""
    sizes = generator.integers(1, longest + 1, states)
    table = generator.dirichlet(np.ones(longest), states) * (generator.random(longest) < 0.7)
    table[:, 0] += 1e-3
    table[np.arange(longest) >= sizes[:, None]] = 0
    tail = generator.random(states) * 0.3 * (generator.random(states) < 0.7)
    table *= (1 - tail[:, None]) / table.sum(1, keepdims=True)
    stay = generator.uniform(0, 0.9, states) * (generator.random(states) < 0.8)
    transition = generator.dirichlet(np.ones(states), states) * (1 - np.eye(states))
    transition /= transition.sum(1, keepdims=True)
    return generator.dirichlet(np.ones(states)), transition, table, tail, stay, sizes


def laws(parts):
    """The probability of each duration of each state, that of lasting as long, and of rests."""
    _, _, table, tail, stay, sizes = parts
    chances = np.zeros((len(tail), 400))
    for s, size in enumerate(sizes):
        chances[s, :size] = table[s, :size]
        chances[s, size:] = tail[s] * (1 - stay[s]) * stay[s] ** np.arange(400 - size)
    least = chances[:, ::-1].cumsum(1)[:, ::-1]
    return chances, least, least[:, ::-1].cumsum(1)[:, ::-1]


def segmentations(parts, rows, left, right):
    """Every list of (state, first, last) of a sequence, with its probability."""
    steps, states = rows.shape
    chances, least, rests = laws(parts)
    for cuts in itertools.product([False, True], repeat=steps - 1):
        edges = [0, *(t + 1 for t, cut in enumerate(cuts) if cut), steps]
        for path in itertools.product(range(states), repeat=len(edges) - 1):
            chance = parts[0][path[0]]
            for before, after in itertools.pairwise(path):
                chance *= parts[1][before, after]
            if not chance:
                continue
            segments = list(zip(path, edges, edges[1:], strict=False))
            for s, first, last in segments:
                begun, cut = left and first == 0, right and last == steps
                law = [[chances, least], [least, rests]][begun][cut]
                chance *= law[s, last - first - 1] / (rests[s, 0] if begun else 1)
                chance *= np.exp(rows[first:last, s].sum())
            if chance:
                yield segments, chance


def expected_counts(found, total, parts, left, right, rows):
    states, width = parts[2].shape
    marginals, transitions = np.zeros(rows.shape), np.zeros((states, states))
    lengths, tails, cut = (np.zeros((states, k)) for k in (width, 3, width + 1))
    for segments, chance in found:
        for number, (s, first, last) in enumerate(segments):
            share, length, table = chance / total, last - first, parts[5][s]
            marginals[first:last, s] += share
            if number:
                transitions[segments[number - 1][0], s] += share
            if left and not number:
                continue
            if right and last == len(rows):
                cut[s, min(length, table + 1) - 1] += share
                tails[s, 2] += share * max(length - table, 0)
            elif length <= table:
                lengths[s, width - length] += share
            else:
                tails[s, :2] += share, share * (length - table)
    return marginals, (transitions, lengths, tails, cut)


@CENSORED
@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [5, pytest.param(8, marks=pytest.mark.slow)])
def test_all_segmentations(left, right, seed, steps):
    generator = np.random.default_rng([seed, left, right])
    parts = drawn_parts(generator, 3, 4)
    rows = generator.normal(size=(steps, 3)) * 4
    rows[generator.random(rows.shape) < 0.1] = -np.inf
    chain = DurationChain(*parts, left_censored=left, right_censored=right)
    densities, length = (lambda part: rows[part].copy()), [steps]
    found = list(segmentations(parts, rows, left, right))
    total = sum(chance for _, chance in found)
    (log_likelihood,) = chain.log_likelihoods(densities, length)
    if not total:
        assert log_likelihood == -np.inf
        return
    assert log_likelihood == pytest.approx(np.log(total), rel=1e-10, abs=1e-12)
    marginals = np.empty_like(rows)
    _, start, counts = chain.smooth(densities, length, marginals.__setitem__)
    expected, numbers = expected_counts(found, total, parts, left, right, rows)
    np.testing.assert_allclose(marginals, expected, atol=1e-10)
    np.testing.assert_allclose(start, expected[0], atol=1e-10)
    assert (marginals[expected == 0] == 0).all()
    for count, number in zip(counts, numbers, strict=True):
        np.testing.assert_allclose(count, number, atol=1e-10)
    (path, score) = chain.best_paths(densities, length)
    assert score[0] == pytest.approx(np.log(max(chance for _, chance in found)), abs=1e-9)
    assert any(
        all((path[first:last] == s).all() for s, first, last in segments)
        for segments, chance in found
        if np.log(chance) > score[0] - 1e-9
    )
    if right:
        filtered = chain.filtered(densities, length)[0]
        np.testing.assert_allclose(filtered[-1], expected[-1], atol=1e-10)


@CENSORED
@pytest.mark.parametrize("seed", range(2))
def test_drawn_paths(left, seed):
    generator = np.random.default_rng([seed, left])
    parts = drawn_parts(generator, 3, 2)
    rows = generator.normal(size=(5, 3))
    chances = defaultdict(float)
    for segments, chance in segmentations(parts, rows, left, True):
        chances[tuple(s for s, first, last in segments for _ in range(first, last))] += chance
    chain = DurationChain(*parts, left_censored=left)
    drawn = chain.sample_paths(lambda part: rows[part].copy(), [5], 4000, generator)[0]
    counts = defaultdict(int)
    for path in map(tuple, drawn.tolist()):
        counts[path] += 1
    assert counts.keys() <= chances.keys()
    expected = np.array(list(chances.values())) * 4000 / sum(chances.values())
    observed = np.array([counts[path] for path in chances])
    rare = expected < 8
    pooled = [np.append(a[~rare], a[rare].sum() + 1) for a in (observed, expected)]
    assert chisquare(*pooled).pvalue > 1e-3


def aged(parts):
    """The same as a dense chain in the log domain: of states and ages, the last age the tail."""
    start, transition, table, tail, stay, sizes = parts
    places = [(s, d) for s in range(len(start)) for d in range(1, sizes[s] + 2)]
    matrix = np.zeros((len(places), len(places)))
    for i, (s, d) in enumerate(places):
        ends, on = 1 - stay[s], stay[s]
        if d <= sizes[s]:  # summed from behind, so that what is impossible is exactly zero
            beyond = table[s, d:].sum() + tail[s]
            least = table[s, d - 1] + beyond
            ends, on = (table[s, d - 1] / least, beyond / least) if least else (1.0, 0.0)
        for j, (r, k) in enumerate(places):
            if k == 1:
                matrix[i, j] += ends * transition[s, r]
            if r == s and k == min(d + 1, sizes[s] + 1):
                matrix[i, j] += on
    begin = np.array([start[s] if d == 1 else 0 for s, d in places])
    with np.errstate(divide="ignore"):
        return np.log(begin), np.log(matrix), np.array([s for s, _ in places])


@pytest.mark.parametrize("size", [1, 30, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_long_sequences_with_outliers(size, seed):
    generator = np.random.default_rng(seed)
    parts = drawn_parts(generator, 3, 6)
    rows = generator.normal(size=(150, 3)) * size
    rows[::40] -= 1250.0 * generator.random(3)  # 50 standard deviations off
    start, transition, state = aged(parts)
    forward, backward = np.empty((2, 150, len(state)))
    forward[0], backward[-1] = start + rows[0, state], 0
    for t in range(1, 150):
        forward[t] = logsumexp(forward[t - 1][:, None] + transition, axis=0) + rows[t, state]
        back = 149 - t
        backward[back] = logsumexp(transition + rows[back + 1, state] + backward[back + 1], axis=1)
    total = logsumexp(forward[-1])
    joint = np.exp(forward + backward - total)
    expected = np.stack([joint[:, state == s].sum(1) for s in range(3)], axis=1)
    marginals, found = DurationChain(*parts).marginals(lambda part: rows[part].copy(), [150])
    assert found[0] == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(marginals, expected, atol=1e-9)


def test_very_long_sequences_stay_exact():
    generator = np.random.default_rng(0)
    parts = drawn_parts(generator, 4, 30)
    rows = generator.normal(size=(20_000, 4)) * 3
    chain = DurationChain(*parts)
    marginals, found = chain.marginals(lambda part: rows[part].copy(), [20_000])
    assert chain.log_likelihoods(lambda part: rows[part].copy(), [20_000]) == found
    np.testing.assert_allclose(marginals.sum(1), 1, atol=1e-12)
    # Early steps do not depend on what is seen much later.
    early, _ = chain.marginals(lambda part: rows[:3000][part].copy(), [3000])
    np.testing.assert_allclose(marginals[:2000], early[:2000], atol=1e-9)


def test_memory_is_stated_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(durations_passes, "default_memory_budget", lambda: 10_000)
    chain = DurationChain(*drawn_parts(np.random.default_rng(0), 2, 3))
    with pytest.raises(MemoryBudgetError, match="a pass over 500 steps of 2 states would need"):
        chain.log_likelihoods(lambda part: np.zeros((500, 2)), [500])
