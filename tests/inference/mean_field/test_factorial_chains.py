"""The bound of structured mean field never falls, and is the one of its own distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.mean_field.factorial_chains import AdditiveRows, factorial_mean_field
from tests.inference.exact.chain.enumerated_paths import drawn_chains, enumerated, joint


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_bound_rises_to_that_of_a_product_of_chains(seed):
    generator = np.random.default_rng(seed)
    sizes, steps = (2, 2), 4
    starts, transitions = drawn_chains(generator, sizes, zeros=0)
    tables = [generator.normal(size=(k, 1)) for k in sizes]
    rows = generator.normal(size=(steps, 1))
    observed = AdditiveRows(
        rows, np.full((1, 1, 1), 2.0), np.zeros(steps, int), np.array([0.3]), tables
    )
    chains = [FactorialChain(s, [t]) for s, t in zip(starts, transitions, strict=True)]
    found = factorial_mean_field(chains, observed, sweeps=30, tolerance=0)
    assert np.diff(found.bounds).min() > -1e-12
    means = (tables[0][:, None, 0] + tables[1][None, :, 0]).ravel()
    densities = 0.3 - (rows - means) ** 2
    truth = enumerated(joint(starts), joint(transitions), densities)
    # The distribution found, path by path: each chain's exact posterior given its fields.
    own = [enumerated(s, t, f) for s, t, f in zip(starts, transitions, found.fields, strict=True)]
    log_q = sum(
        each.scores[(truth.paths // (2 - m) % 2) @ (2 ** np.arange(steps)[::-1])]
        - each.log_likelihood
        for m, each in enumerate(own)
    )
    bound = np.exp(log_q) @ (truth.scores - log_q)
    assert found.bounds[-1] == pytest.approx(bound, rel=1e-6, abs=1e-6)
    assert bound <= truth.log_likelihood + 1e-9
