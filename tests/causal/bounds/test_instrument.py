import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError, MemoryBudgetError

# P(x, y | z) of the trial of cholestyramine, rounded (Balke and Pearl 1997).
LIPIDS = [[[0.919, 0.081], [0.0, 0.0]], [[0.315, 0.073], [0.139, 0.473]]]


def random_table(seed, sizes):
    """The table of a random model of few units, and its P(y | do(x))."""
    generator = np.random.default_rng(seed)
    instruments, treatments, outcomes = sizes
    units = 5
    share = generator.dirichlet(np.ones(units))
    takes = generator.integers(treatments, size=(units, instruments))
    responds = generator.integers(outcomes, size=(units, treatments))
    table, effect = np.zeros(sizes), np.zeros(sizes[1:])
    for u in range(units):
        for z in range(instruments):
            table[z, takes[u, z], responds[u, takes[u, z]]] += share[u]
        for x in range(treatments):
            effect[x, responds[u, x]] += share[u]
    return table, effect


def lower_effect(p):
    """The lower bound of Balke and Pearl in closed form; ``p[z, x, y]``."""

    def q(y, x, z):
        return p[z, x, y]

    terms = [
        value
        for z, w in ((0, 1), (1, 0))
        for value in (
            q(1, 1, w) + q(0, 0, z) - 1,
            q(1, 1, z) - q(1, 1, w) - q(1, 0, w) - q(0, 1, z) - q(1, 0, z),
            -q(0, 1, z) - q(1, 0, z),
            q(0, 0, w) - q(0, 1, w) - q(1, 0, w) - q(0, 1, z) - q(0, 0, z),
        )
    ]
    return max(terms)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_binary_bounds_are_those_in_closed_form(seed):
    table, _ = random_table(seed, (2, 2, 2))
    found = mm.instrument_bounds(table)
    closed = [lower_effect(table), -lower_effect(table[..., ::-1])]
    assert np.allclose(found.effect, closed, atol=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.tuples(*[st.integers(2, 3)] * 3))
def test_the_truth_lies_within_and_bounds_sum_up(seed, sizes):
    table, truth = random_table(seed, sizes)
    found = mm.instrument_bounds(table)
    assert (found.lower <= truth + 1e-7).all()
    assert (truth <= found.upper + 1e-7).all()
    mean = truth @ np.arange(sizes[2])
    assert found.effect.lower - 1e-7 <= mean[-1] - mean[0] <= found.effect.upper + 1e-7
    # All that x lets through is in what is done: P(x, y | z) <= P(y | do(x)).
    assert (found.lower >= table.max(0) - 1e-7).all()


def test_the_published_bounds_of_cholestyramine():
    found = mm.instrument_bounds(LIPIDS)
    assert np.allclose(found.effect, [0.392, 0.780], atol=1e-3)
    flipped = mm.instrument_bounds(LIPIDS, values=[0, -2], contrast=(1, 0))
    assert np.allclose(flipped.effect, np.multiply(found.effect, 2), atol=1e-6)


def test_perfect_compliance_leaves_nothing_open():
    table = [[[0.7, 0.3], [0, 0]], [[0, 0], [0.4, 0.6]]]
    found = mm.instrument_bounds(table)
    assert np.allclose(found.lower, [[0.7, 0.3], [0.4, 0.6]])
    assert np.allclose(found.lower, found.upper)


def test_tables_that_no_model_explains_are_refused():
    with pytest.raises(CausalError, match=r"inequality at x = 0, .* 0.9 \+ 0.8 = 1.7 > 1"):
        mm.instrument_bounds([[[0.9, 0.0], [0.1, 0.0]], [[0.0, 0.8], [0.1, 0.1]]])
    with pytest.raises(GraphError, match=r"sums to 0\.9 at z = 1"):
        mm.instrument_bounds([[[0.9, 0.0], [0.1, 0.0]], [[0.0, 0.8], [0.1, 0.0]]])
    with pytest.raises(GraphError, match=r"axes are \(z, x, y\)"):
        mm.instrument_bounds([[0.5, 0.5]])
    with pytest.raises(GraphError, match="values"):
        mm.instrument_bounds(LIPIDS, values=[1])
    with pytest.raises(GraphError, match="contrast"):
        mm.instrument_bounds(LIPIDS, contrast=(0, 2))
    with pytest.raises(MemoryBudgetError, match="responses of x, y"):
        mm.instrument_bounds(np.full((8, 8, 8), 1 / 64))
