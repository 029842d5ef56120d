"""EM of hidden Markov models never falls: random fits, with cells missing and states collapsed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mmgraph.graph.errors import ConvergenceWarning
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel

EMISSIONS = (
    {"emission": "gaussian", "covariance": "diagonal"},
    {"emission": "gaussian", "covariance": "full"},
    {"emission": "gaussian", "covariance": "tied"},
    {"emission": "gaussian", "covariance": "spherical"},
    {"emission": "mixture", "covariance": "diagonal"},
    {"emission": "mixture", "covariance": "full"},
    {"emission": "categorical"},
    {"emission": "autoregressive"},
    {"emission": {"a": "gaussian", "b": "categorical"}},
    {"emission": {"a": "mixture", "b": "autoregressive"}, "covariance": "tied"},
)
MISSING = 0.2


def drawn_case(seed: int, longest: int):
    """A model and sequences for it: few states or many, copies of rows, a state of one visit."""
    generator = np.random.default_rng(seed)
    settings = dict(EMISSIONS[seed % len(EMISSIONS)])
    states, features = int(generator.integers(1, 6)), int(generator.integers(1, 4))
    if generator.random() < 0.3:
        settings["pseudo_counts"] = float(generator.uniform(0.1, 2))
    lengths = [1, *generator.integers(1, longest + 1, size=4), longest]
    trouble = generator.integers(4)

    def rows(length, kind):
        if kind == "categorical":
            made = generator.integers(4, size=(length, features)).astype(float)
        else:
            centres = 5 * np.random.default_rng(seed).standard_normal((4, features))
            label = np.minimum(generator.geometric(0.1, length).cumsum() // 10 % 4, 3)
            made = centres[label] * 10.0 ** generator.integers(-3, 4)
            made += generator.standard_normal(made.shape) * (trouble != 1)  # 1: all collapse
            if trouble == 2:  # a cluster of identical rows
                made[label == 0] = centres[0]
            if trouble == 3:  # one row that nothing else is like
                made[generator.integers(length)] = 1e3
        made[generator.random(made.shape) < MISSING] = np.nan
        return made

    kinds = settings["emission"]
    if isinstance(kinds, str):
        return HiddenMarkovModel(states, random_state=seed, **settings), [
            rows(length, kinds) for length in lengths
        ]
    return HiddenMarkovModel(states, random_state=seed, **settings), {
        name: [rows(length, kind) for length in lengths] for name, kind in kinds.items()
    }


def check(seed: int, longest: int, iterations: int) -> None:
    model, sequences = drawn_case(seed, longest)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(sequences, iterations=iterations, tolerance=0.0)
    assert all(issubclass(w.category, ConvergenceWarning) for w in said), said
    assert not any("fell" in str(w.message) for w in said)
    objectives = np.array(model.fit_report.objectives)
    assert np.isfinite(objectives).all()
    assert (np.diff(objectives) >= -1e-9 * np.abs(objectives[1:])).all()
    start, transition, emission = model.parameters
    np.testing.assert_allclose(start.sum(), 1)
    np.testing.assert_allclose(transition.sum(1), 1)
    assert all(np.isfinite(array).all() for array in emission.parameters().values())
    found = model.log_likelihood(sequences)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(), model.fit_report.log_likelihoods[-1], rtol=1e-9)
    for part in model.posterior(sequences):
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_em_never_falls(seed):
    check(seed, longest=20, iterations=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_em_never_falls_at_length(seed):
    check(seed, longest=500, iterations=15)
