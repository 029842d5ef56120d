import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError


def units(seed):
    """A distribution of units: axes x, the outcome without and the outcome with the treatment."""
    return np.random.default_rng(seed).dirichlet([0.6] * 8).reshape(2, 2, 2)


def tables(p):
    joint = np.stack([p[0].sum(1), p[1].sum(0)])
    return joint, np.stack([p.sum((0, 2)), p.sum((0, 1))])


def programme(target, joint, experimental=None):
    """The ends of the probability of some units by a linear programme over all of them."""
    x, without, with_ = np.indices((2, 2, 2)).reshape(3, -1)
    observed = np.where(x == 0, without, with_)
    rows = [(x == i) & (observed == j) for i in range(2) for j in range(2)]
    right = list(joint.reshape(-1))
    if experimental is not None:
        rows += [without == 1, with_ == 1]
        right += list(experimental[:, 1])
    costs = target.reshape(-1).astype(float)
    ends = [linprog(s * costs, A_eq=np.array(rows, float), b_eq=right) for s in (1, -1)]
    return ends[0].fun, -ends[1].fun


PNS = np.zeros((2, 2, 2))
PNS[:, 0, 1] = 1
BY_X = [PNS * np.array([i == 0, i == 1]).reshape(2, 1, 1) for i in range(2)]


@given(st.integers(0, 10**6), st.booleans())
def test_bounds_are_those_of_the_programme_over_units(seed, experiment):
    p = units(seed)
    joint, effects = tables(p)
    experimental = effects if experiment else None
    found = mm.necessity_sufficiency_bounds(joint, experimental)
    for got, target, share in (
        (found.pns, PNS, 1),
        (found.pn, BY_X[1], joint[1, 1]),
        (found.ps, BY_X[0], joint[0, 0]),
    ):
        assert np.allclose(
            np.multiply(got, share), programme(target, joint, experimental), atol=1e-6
        )
        assert got.lower - 1e-9 <= (target * p).sum() / share <= got.upper + 1e-9
    if experiment:
        shorter = mm.necessity_sufficiency_bounds(joint, effects[:, 1])
        assert np.allclose(shorter.pns, found.pns)


@given(st.integers(0, 10**6))
def test_assumptions_say_more(seed):
    p = units(seed)
    p[:, 1, 0] = 0
    p /= p.sum()
    joint, effects = tables(p)
    exact = mm.necessity_sufficiency_bounds(joint, effects, monotonic=True)
    assert np.allclose(exact.pns, (PNS * p).sum())
    assert np.allclose(exact.pn, (BY_X[1] * p).sum() / joint[1, 1])
    assert np.allclose(exact.ps, (BY_X[0] * p).sum() / joint[0, 0])
    independent = p.sum((1, 2), keepdims=True) * units(seed + 1).sum(0)
    joint, effects = tables(independent)
    exogenous = mm.necessity_sufficiency_bounds(joint, exogenous=True)
    assert np.allclose(exogenous.pns, mm.necessity_sufficiency_bounds(joint, effects).pns)
    assert np.allclose(exogenous.pns, np.array(exogenous.pn) * effects[1, 1])


def test_an_event_that_never_is_has_no_probability():
    found = mm.necessity_sufficiency_bounds([[0.5, 0.2], [0.3, 0.0]])
    assert found.pn is None
    assert found.ps == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0.3, 0.3], [0.2, 0.3]],), GraphError, "sums to 1.1"),
        (([[0.3, 0.3], [0.5, -0.1]],), GraphError, "-0.1 at x = 1, y = 1"),
        (([0.3, 0.7],), GraphError, r"shape \(2,\)"),
        (([[0.25, 0.25, 0], [0.25, 0.25, 0]],), GraphError, "two states"),
        (([["a", "b"]],), GraphError, "no array of numbers"),
        (([[0.3, 0.2], [0.2, 0.3]], [0.1, 0.5]), CausalError, r"0.1, outside of .* = 0.2 to .*0.7"),
        (([[0.3, 0.2], [0.2, 0.3]], [0.5, 0.4], False, True), CausalError, "not monotonic"),
        (([[0.3, 0.2], [0.2, 0.3]], [0.5, 0.4], True), CausalError, "say it again"),
        (([[0.0, 0.0], [0.7, 0.3]], None, True), CausalError, r"P\(x = 0\) is 0"),
        (([[0.3, 0.2], [0.2, 0.3]], [0.5, 0.4, 0.3]), GraphError, "axes are"),
    ],
)
def test_tables_that_no_model_explains_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        mm.necessity_sufficiency_bounds(*arguments)
