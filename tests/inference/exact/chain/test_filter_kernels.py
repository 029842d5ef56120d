"""Steps of filters against the log domain over whole sequences."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmgraph.inference.exact.chain.filter_kernels import filter_step, lagged_marginal
from mmgraph.inference.exact.chain.forward_backward import Chain
from tests.inference.exact.chain.log_domain import smoothed


@settings(max_examples=40)
@given(
    states=st.integers(1, 4),
    steps=st.integers(1, 8),
    scale=st.sampled_from([1.0, 3000.0]),
    lag=st.integers(0, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_steps_equal_filtered_and_lagged_marginals(states, steps, scale, lag, seed):
    generator = np.random.default_rng(seed)
    tables = generator.dirichlet(np.full(states, 0.3), states + 1)
    tables = np.where(tables < 0.05, 0.0, tables)
    tables /= tables.sum(1, keepdims=True)
    chain = Chain(tables[0], tables[1:])
    logs = scale * generator.standard_normal((steps, states))
    logs[generator.random(logs.shape) < 0.1] = -np.inf
    truth = smoothed(*chain, logs)
    assume(truth.log_likelihood > -np.inf)
    start, transition = chain.logarithms()
    stay = np.log(np.eye(states), where=np.eye(states) > 0, out=np.full((states,) * 2, -np.inf))
    before, total = start, 0.0
    filtered = np.empty_like(logs)
    for t in range(steps):
        total += filter_step(transition if t else stay, before, logs[t], filtered[t])
        before = filtered[t]
    np.testing.assert_allclose(total, truth.log_likelihood, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.exp(filtered), truth.filtered, atol=1e-12)
    first = max(steps - 1 - lag, 0)
    out = np.empty(states)
    lagged_marginal(transition, filtered[first], logs[first + 1 :], out)
    np.testing.assert_allclose(out, truth.marginals[first], atol=1e-9)


def test_an_impossible_step_writes_nothing_of_use():
    never = np.full(2, -np.inf)
    assert filter_step(np.zeros((2, 2)), np.log([0.5, 0.5]), never, np.empty(2)) == -np.inf
