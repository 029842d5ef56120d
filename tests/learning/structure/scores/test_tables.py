import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln

from tests.learning.structure.scored_families import data, records, scored

STATES = (2, 3, 2, 4)
SCORES = {"bic": 1.0, "aic": 1.0, "bdeu": 2.5, "bds": 2.5, "k2": 1.0}


def drawn(seed, rows=60, missing=0.0):
    random = np.random.default_rng(seed)
    codes = np.array([random.integers(0, n, rows) for n in STATES])
    codes[1] = np.where(random.random(rows) < 0.6, codes[0], codes[1])
    codes[random.random(codes.shape) < missing] = -1
    return codes


def referee(score, strength, codes, weights, child, parents, everything=None):
    """The score of a family by its definition, one configuration after the other."""
    family = codes[[*parents, child]]
    known = (family >= 0).all(0)
    total = weights.sum() if everything is None else everything
    groups = {}
    for column, weight in zip(family[:, known].T, weights[known], strict=True):
        counts = groups.setdefault(tuple(column[:-1]), np.zeros(STATES[child]))
        counts[column[-1]] += weight
    groups = {k: c for k, c in groups.items() if c.sum() > 0}
    configurations = math.prod(STATES[p] for p in parents)
    value = 0.0
    for counts in groups.values():
        if score in ("bic", "aic"):
            some = counts[counts > 0]
            value += (some * np.log(some / counts.sum())).sum()
        else:
            shared = configurations if score == "bdeu" else len(groups)
            cell = 1.0 if score == "k2" else strength / (shared * len(counts))
            value += gammaln(cell * len(counts)) - gammaln(cell * len(counts) + counts.sum())
            value += (gammaln(cell + counts) - gammaln(cell)).sum()
    counted = weights[known].sum()
    price = {"bic": math.log(counted) / 2, "aic": 1.0}.get(score, 0.0)
    return (value - price * configurations * (STATES[child] - 1)) * total / counted


@given(
    seed=st.integers(0, 10**6),
    score=st.sampled_from(list(SCORES)),
    child=st.integers(0, 3),
    chosen=st.sets(st.integers(0, 3)),
    missing=st.sampled_from([0.0, 0.2]),
    whole=st.booleans(),
)
def test_scores_and_gains_are_those_of_the_definition(seed, score, child, chosen, missing, whole):
    codes = drawn(seed, missing=missing)
    random = np.random.default_rng(seed + 1)
    weights = random.integers(0, 4, 60) if whole else random.random(60)
    weights = weights.astype(float)
    strength = SCORES[score]
    rows = records(data(codes, states=STATES, weights=weights), score, strength=strength)
    assert bool(rows.bits.size) == whole
    parents = sorted(chosen - {child})
    value, gains = scored(rows, child, parents)
    assert value == pytest.approx(referee(score, strength, codes, weights, child, parents))
    for v in set(range(4)) - {child}:
        changed = sorted(set(parents) ^ {v})
        # Both families are scored on the rows that have all of the larger one.
        full = (codes[[*parents, v, child]] >= 0).all(0)
        same = (score, strength, codes, weights * full, child)
        gain = referee(*same, changed, weights.sum()) - referee(*same, parents, weights.sum())
        # A parent whose price alone is more than can be won is not looked at.
        assert gains[v] == pytest.approx(gain, abs=1e-8) or (gains[v] == -np.inf and gain < 0)


def test_rows_in_which_the_child_was_set_do_not_count_for_it():
    codes = drawn(3)
    experiment = np.random.default_rng(4).integers(-1, 2, 60)
    is_set = np.zeros((2, 4), bool)
    is_set[0, 1] = is_set[1, 2] = True
    rows = records(data(codes, states=STATES, experiment=experiment, is_set=is_set), "bic")
    weights = np.ones(60)
    for child, set_by in ((0, []), (1, [0]), (2, [1])):
        free = ~np.isin(experiment, set_by)
        expected = referee("bic", 1.0, codes, weights * free, child, [3])
        assert scored(rows, child, [3])[0] == pytest.approx(expected)


def test_held_out_rows_are_scored_by_what_the_others_say():
    codes = drawn(5)
    held = (np.random.default_rng(6).random(60) < 0.3).astype(float)
    rows = records(data(codes, states=STATES), "held-out", strength=0.5, held_out=held)
    expected = 0.0
    for a in range(2):
        learned = codes[:, (held == 0) & (codes[0] == a)]
        shares = (np.bincount(learned[1], minlength=3) + 0.5) / (learned.shape[1] + 1.5)
        expected += np.log(shares[codes[1, (held == 1) & (codes[0] == a)]]).sum()
    assert scored(rows, 1, [0])[0] == pytest.approx(expected)


def test_a_table_too_large_is_not_scored():
    codes = np.zeros((12, 5), np.int8)
    rows = records(data(codes, states=(4,) * 12), "k2")
    value, gains = scored(rows, 0, list(range(1, 12)))
    assert value == -np.inf
    assert (gains == -np.inf).all()
