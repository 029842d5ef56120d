import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import multigammaln

from tests.learning.structure.scored_families import data, records, scored


def drawn(seed, rows=80):
    """Two discrete variables, then four continuous ones that depend on them and each other."""
    random = np.random.default_rng(seed)
    codes = np.array([random.integers(0, 2, rows), random.integers(0, 3, rows)])
    a = random.normal(size=rows) * 3 + 5
    b = 2 * a + codes[0] + random.normal(size=rows)
    c = a - b * codes[1] + random.normal(size=rows)
    return codes, np.array([a, b, c, random.normal(size=rows)])


def standardised(values, weights):
    mean = np.average(values, weights=weights)
    scale = math.sqrt(np.average((values - mean) ** 2, weights=weights))
    return (values - mean) / scale, math.log(scale)


def squares(y, design, weights):
    """What least squares leave."""
    root = np.sqrt(weights)
    slopes = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    return (weights * (y - design @ slopes) ** 2).sum()


def likelihood(residuals, counts, coefficients):
    """Of regressions at the variances that fit, one row of the pooled one added to several."""
    total = counts.sum()
    if 2 * len(counts) * (coefficients + 1) > total:
        return -math.inf
    pooled = residuals.sum() / (total - len(counts) * coefficients)
    added = float(len(counts) > 1)
    residuals, counts = residuals[counts > 0], counts[counts > 0]
    variances = (residuals + added * pooled) / (counts + added)
    return -0.5 * (counts * np.log(2 * math.pi * variances) + residuals / variances).sum()


def referee(score, codes, values, weights, child, parents):
    """The score of a continuous family by least squares in each configuration."""
    states = (2, 3)
    y, log_scale = standardised(values[child - 2], weights)
    discrete = [p for p in parents if p < 2]
    design = [standardised(values[p - 2], weights)[0] for p in parents if p >= 2]
    design = np.stack([np.ones_like(y), *design], 1)
    configurations = math.prod(states[p] for p in discrete)
    number = np.zeros(len(y), int)
    for p in discrete:
        number = number * states[p] + codes[p]
    in_each = [number == q for q in range(configurations)]
    residuals = np.array([squares(y[some], design[some], weights[some]) for some in in_each])
    counts = np.array([weights[some].sum() for some in in_each])
    value = likelihood(residuals, counts, design.shape[1])
    price = math.log(weights.sum()) / 2 if score == "bic" else 1.0
    value -= price * configurations * (design.shape[1] + 1)
    return value - weights.sum() * log_scale


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    score=st.sampled_from(["bic", "aic"]),
    child=st.integers(2, 5),
    chosen=st.sets(st.integers(0, 5)),
    weighted=st.booleans(),
)
def test_scores_and_gains_are_those_of_least_squares(seed, score, child, chosen, weighted):
    codes, values = drawn(seed)
    weights = np.random.default_rng(seed).random(80) + 0.1 if weighted else np.ones(80)
    rows = records(data(codes, values, (2, 3), weights), score)
    parents = sorted(chosen - {child})
    value, gains = scored(rows, child, parents)
    assert value == pytest.approx(referee(score, codes, values, weights, child, parents))
    for v in set(range(6)) - {child}:
        changed = sorted(set(parents) ^ {v})
        changed_value = referee(score, codes, values, weights, child, changed)
        if np.isfinite(value):
            assert gains[v] == pytest.approx(changed_value - value, abs=1e-7)


def test_measurements_are_no_parents_of_labels():
    codes, values = drawn(1)
    _, gains = scored(records(data(codes, values, (2, 3)), "bic"), 0, [])
    assert np.isfinite(gains[1])
    assert (gains[2:] == -np.inf).all()


def evidence_of_all(values, strength):
    """The marginal likelihood of a complete Gaussian graph: a ratio of normalisers."""
    n, rows = values.shape
    freedom = n + strength + 1
    prior = strength * (freedom - n - 1) / (strength + 1)
    mean = values.mean(1)
    centred = values - mean[:, None]
    scatter = prior * np.eye(n) + centred @ centred.T
    scatter += rows * strength / (rows + strength) * np.outer(mean, mean)
    value = -rows * n / 2 * math.log(math.pi) + n / 2 * math.log(strength / (rows + strength))
    value += multigammaln((rows + freedom) / 2, n) - multigammaln(freedom / 2, n)
    value += freedom / 2 * n * math.log(prior)
    return value - (rows + freedom) / 2 * np.linalg.slogdet(scatter)[1]


def test_bge_of_a_complete_graph_is_the_marginal_likelihood_of_all():
    _, values = drawn(2)
    rows = records(data(values=values), "bge", strength=1.5)
    unit = np.array([standardised(v, np.ones(80))[0] for v in values])
    scale = sum(standardised(v, np.ones(80))[1] for v in values)
    expected = evidence_of_all(unit, 1.5) - 80 * scale
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        total = sum(scored(rows, v, order[:i])[0] for i, v in enumerate(order))
        assert total == pytest.approx(expected)
    value, gains = scored(rows, 0, [1])
    assert value + gains[3] == pytest.approx(scored(rows, 0, [1, 3])[0])
    assert value + gains[1] == pytest.approx(scored(rows, 0, [])[0])


def test_held_out_rows_are_scored_by_the_regression_of_the_others():
    codes, values = drawn(3)
    held = (np.random.default_rng(0).random(80) < 0.3).astype(float)
    rows = records(data(codes, values, (2, 3)), "held-out", held_out=held)
    unit = [standardised(v, np.ones(80)) for v in values]
    y, x = unit[1][0], np.stack([np.ones(80), unit[0][0]], 1)
    expected = -held.sum() * unit[1][1]
    learned = [(held == 0) & (codes[0] == state) for state in range(2)]
    fits = [np.linalg.lstsq(x[some], y[some], rcond=None) for some in learned]
    pooled = sum(fit[1][0] for fit in fits) / ((held == 0).sum() - 4)
    for state, (slopes, left, *_) in enumerate(fits):
        variance = (left[0] + pooled) / (learned[state].sum() + 1)
        tested = (held == 1) & (codes[0] == state)
        rest = y[tested] - x[tested] @ slopes
        expected -= 0.5 * (rest**2 / variance + math.log(2 * math.pi * variance)).sum()
    value, gains = scored(rows, 3, [0, 2])
    assert value == pytest.approx(expected)
    assert value + gains[4] == pytest.approx(scored(rows, 3, [0, 2, 4])[0])


def test_a_copy_adds_nothing():
    _, values = drawn(4)
    rows = records(data(values=[*values, values[0] * 2 - 1]), "bic")
    value, gains = scored(rows, 1, [0])
    assert gains[4] == -np.inf
    assert np.isfinite(value)


def test_scores_do_not_depend_on_units_but_by_the_density():
    _, values = drawn(5)
    plain = scored(records(data(values=values), "bic"), 1, [0, 2])[0]
    factor = np.array([1000.0, 0.01, 7.0, 1.0])[:, None]
    scaled = scored(records(data(values=values * factor + 3), "bic"), 1, [0, 2])[0]
    assert scaled == pytest.approx(plain - 80 * math.log(0.01))


def test_a_parent_that_moves_little_is_found_beside_one_that_moves_much():
    random = np.random.default_rng(0)
    label, first = random.integers(0, 2, 400), random.normal(size=400)
    for noise in (0.05, 0.02, 0.005):
        second = first + 0.6 * noise * label + noise * random.normal(size=400)
        rows = records(data([label], [first, second], (2,)), "bic")
        assert scored(rows, 2, [1])[1][0] > 0


def test_few_rows_are_not_fitted_by_as_many_parameters():
    values = np.random.default_rng(0).normal(size=(8, 10))
    rows = records(data(values=values), "bic")
    assert scored(rows, 0, [1, 2, 3])[0] > -np.inf
    assert scored(rows, 0, [1, 2, 3, 4])[0] == -np.inf
    assert scored(rows, 0, [1, 2, 3])[1][4] == -np.inf
