"""Distributions of durations: their maxima, segments that are cut off, labels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import gamma, nbinom, poisson

from mmgraph.inference.exact.chain.durations_passes import Counts
from mmgraph.learning.dynamic.durations import Durations, count_segments


def no_counts(states, longest):
    shapes = (states, states), (states, longest), (states, 3), (states, longest + 1)
    return Counts(*map(np.zeros, shapes))


def counted(lengths, longest):
    """Counts of whole segments of one state."""
    counts = no_counts(1, longest)
    for length in lengths:
        if length <= longest:
            counts.lengths[0, longest - length] += 1
        else:
            counts.tails[0, :2] += 1, length - longest
    return counts


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        ("poisson", poisson(6, loc=1)),
        ("negative_binomial", nbinom(4, 0.4, loc=1)),
        ("gamma", gamma(5, scale=1.5)),
    ],
)
def test_families(kind, law):
    lengths = np.ceil(law.rvs(4000, random_state=0)).astype(int)
    learned = Durations.initial(kind, 1, 9).learned(counted(lengths, 9))
    steps = np.arange(1, 10)
    expected = law.cdf(steps) - law.cdf(steps - 1)
    np.testing.assert_allclose(learned.table[0], expected, atol=0.01)
    assert learned.tail[0] == pytest.approx((lengths > 9).mean(), abs=0.02)
    beyond = lengths[lengths > 9] - 9
    assert learned.stay[0] == pytest.approx(1 - 1 / beyond.mean(), rel=1e-12)


def test_tables_are_frequencies_drawn_towards_a_family():
    counts = counted([2, 2, 3, 5, 5, 5, 9], 6)
    plain = Durations.initial("table", 1, 6).learned(counts)
    np.testing.assert_allclose(plain.table[0] * 7, [0, 2, 1, 0, 3, 0], atol=1e-12)
    assert plain.tail[0] == pytest.approx(1 / 7)
    assert plain.stay[0] == pytest.approx(2 / 3)
    heavy = Durations.initial("table", 1, 6, smoothing=1e9).learned(counts)
    family = Durations.initial("negative_binomial", 1, 6).learned(counts)
    np.testing.assert_allclose(heavy.probabilities, family.probabilities, atol=1e-6)


def test_what_is_cut_off_counts_as_longer():
    generator = np.random.default_rng(0)
    lengths = generator.geometric(0.1, 500)
    seen = generator.integers(1, 30, 500)
    whole = lengths[lengths < seen]
    counts = counted(whole, 8)
    for length in seen[lengths >= seen]:
        counts.cut[0, min(length, 9) - 1] += 1
        counts.tails[0, 2] += max(length - 8, 0)
    learned = Durations.initial("geometric", 1, 8).learned(counts, iterations=200)
    steps = (whole - 1).sum() + (seen[lengths >= seen] - 1).sum()
    assert 1 / learned.means[0] == pytest.approx(len(whole) / (len(whole) + steps), rel=1e-6)
    table = Durations.initial("table", 1, 8)
    for _ in range(300):
        table = table.updated(counts)
    # The product-limit estimate; what is cut off at a length may end there.
    alive = np.array([(np.minimum(lengths, seen - 1) >= d).sum() for d in range(1, 9)])
    ended = np.array([(whole == d).sum() for d in range(1, 9)])
    limit = np.cumprod(1 - ended / alive)
    np.testing.assert_allclose(1 - table.table[0].cumsum(), limit, atol=1e-6)


def test_labels_are_counted_by_segment():
    labels = np.array([0, 0, 1, 1, 1, -1, 1, 0, 0, 0, 0, 1, 1])
    counts = no_counts(2, 3)
    count_segments(labels, counts, np.array([3, 2]), False, True)
    np.testing.assert_array_equal(counts.transitions, [[0, 2], [1, 0]])
    np.testing.assert_array_equal(counts.lengths, [[0, 1, 0], [0, 0, 0]])  # two steps of 0
    np.testing.assert_array_equal(counts.tails, [[1, 1, 0], [0, 0, 1]])  # four of 0; three of 1
    np.testing.assert_array_equal(counts.cut, [[0, 0, 0, 0], [0, 1, 1, 0]])
    again = no_counts(2, 3)
    count_segments(labels, again, np.array([3, 2]), True, False)
    assert again.lengths.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_drawn_durations():
    durations = Durations.initial("poisson", 2, [4, 7]).staying([0.5, 0])
    durations = replace(durations, means=np.array([3.0, 6.0]))._evaluated()
    generator = np.random.default_rng(0)
    for state, longest in enumerate([4, 7]):
        drawn = np.array([durations.draw(state, generator) for _ in range(3000)])
        for steps in range(1, longest + 1):
            share = durations.table[state, steps - 1]
            assert (drawn == steps).mean() == pytest.approx(share, abs=0.03)
        assert drawn.max() > longest
