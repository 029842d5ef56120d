"""Switching linear systems beside the joint normal densities of all paths of regimes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    FormatError,
    GraphError,
    LearningError,
)
from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from mmgraph.networks.dynamic.switching_linear_system import SwitchingLinearSystem
from tests.inference.gaussian.state_space.dense_systems import random_system


def random_switching(seed: int, regimes: int, states: int, features: int) -> SwitchingLinearSystem:
    generator = np.random.default_rng(seed)
    systems = [random_system(generator, states, features) for _ in range(regimes)]
    transition = generator.dirichlet(np.ones(regimes), regimes)
    return SwitchingLinearSystem(systems, transition, generator.dirichlet(np.ones(regimes)))


def missing(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(rows.shape) < 0.2, np.nan, rows)


def by_paths(system: SwitchingLinearSystem, rows: np.ndarray):
    """Marginals, means, second moments and log-likelihood, from noise to states to rows by path."""
    steps, n = len(rows), system.systems[0].system.states
    there = ~np.isnan(rows.ravel())
    weights, means, spreads, paths = [], [], [], []
    for path in itertools.product(range(len(system.systems)), repeat=steps):
        p = [system.systems[k].system for k in path]
        # States are linear in the start and the noises: (I - shifted transitions) x = u.
        lower = np.eye(steps * n)
        drive = [p[0].start_mean] + [q.transition_offset for q in p[1:]]
        noise, seen = np.zeros((2, steps * n, steps * n)), np.zeros((rows.size, steps * n))
        error = np.zeros((rows.size, rows.size))
        for t, q in enumerate(p):
            own, cells = slice(t * n, t * n + n), slice(t * rows.shape[1], (t + 1) * rows.shape[1])
            noise[0, own, own] = q.transition_covariance if t else q.start_covariance
            if t:
                lower[own, t * n - n : t * n] = -q.transition
            seen[cells, own], error[cells, cells] = q.observation, q.observation_covariance
        inverse = np.linalg.inv(lower)
        mean, joint = inverse @ np.concatenate(drive), inverse @ noise[0] @ inverse.T
        offset = np.concatenate([q.observation_offset for q in p])
        seen, spread = seen[there], (seen @ joint @ seen.T + error)[np.ix_(there, there)]
        apart = rows.ravel()[there] - seen @ mean - offset[there]
        gain = np.linalg.solve(spread, seen @ joint).T
        chance = np.log(system.start[path[0]])
        chance += sum(np.log(system.transition[i, j]) for i, j in itertools.pairwise(path))
        chance -= 0.5 * apart @ np.linalg.solve(spread, apart)
        weights.append(chance - 0.5 * np.linalg.slogdet(2 * np.pi * spread)[1])
        means.append((mean + gain @ apart).reshape(steps, n))
        rest = (joint - gain @ seen @ joint).reshape(steps, n, steps, n)
        spreads.append([rest[t, :, t] for t in range(steps)])
        paths.append(path)
    total = logsumexp(weights)
    chances, means = np.exp(np.array(weights) - total), np.array(means)
    marginals = [np.bincount(k, chances, len(system.systems)) for k in np.array(paths).T]
    mean = np.einsum("p,pti->ti", chances, means)
    apart = means - mean
    spread = np.einsum(
        "p,ptij->tij", chances, np.array(spreads) + apart[..., None] * apart[..., None, :]
    )
    return np.array(marginals), mean, spread, total


@settings(max_examples=12)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4), st.integers(0, 2**20))
def test_enumeration_is_exact(regimes, states, steps, seed):
    system = random_switching(seed, regimes, states, 2)
    rows = missing(system.sample(steps, seed)[0], seed)
    found = system.smooth(rows)
    assert (found.method, found.is_exact) == ("enumeration", True)
    marginals, mean, spread, total = by_paths(system, rows)
    np.testing.assert_allclose(found.probabilities, marginals, atol=1e-8)
    np.testing.assert_allclose(found.means, mean, atol=1e-7)
    np.testing.assert_allclose(found.covariances, spread, atol=1e-7)
    assert found.log_likelihood == pytest.approx(total, rel=1e-8)
    filtered = system.filter(rows)
    np.testing.assert_allclose(filtered.means[-1], mean[-1], atol=1e-7)
    assert filtered.probabilities.shape == (steps, regimes)


@pytest.mark.parametrize(("method", "near"), [("gpb2", 0.03), ("imm", 0.04), ("particles", 0.03)])
def test_approximations_are_near_the_exact_answer(method, near):
    """Regimes that differ in the noise of states and rows, and a bit in how they move."""
    errors, gaps = [], []
    for seed in range(6):
        one = random_system(np.random.default_rng(seed), 2, 2).parameters()
        other = dict(one, transition=0.5 * one["transition"])
        other["transition_covariance"] = 9 * one["transition_covariance"]
        systems = [LinearGaussianSystem(**p) for p in (one, other)]
        system = SwitchingLinearSystem(systems, [[0.9, 0.1], [0.2, 0.8]])
        rows = missing(system.sample(8, seed)[0], seed)
        exact = system.smooth(rows, "enumeration")
        found = system.smooth(rows, method, particles=2000)
        assert (found.method, found.is_exact) == (method, False)
        np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-9)
        assert np.linalg.eigvalsh(found.covariances).min() > 0
        if method == "particles":
            assert (found.effective_sample_size > 100).all()
            assert (found.effective_sample_size <= 2000 + 1e-6).all()
        errors.append(np.abs(found.probabilities - exact.probabilities).mean())
        gaps.append(abs(found.log_likelihood - exact.log_likelihood))
    assert np.mean(errors) < near
    assert np.mean(gaps) < 0.2


def test_first_steps_of_merged_pairs_are_exact():
    system = random_switching(3, 3, 2, 1)
    rows = system.sample(2, 0)[0]
    exact, merged = system.filter(rows, "enumeration"), system.filter(rows, "gpb2")
    assert merged.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(merged.means, exact.means, atol=1e-10)
    np.testing.assert_allclose(merged.covariances, exact.covariances, atol=1e-10)


@pytest.mark.parametrize("method", ["enumeration", "gpb2", "imm", "particles"])
def test_one_regime_is_a_linear_system(method):
    system = random_system(np.random.default_rng(1), 2, 2)
    rows = missing(system.sample(9)[0][0], 1)
    found = SwitchingLinearSystem([system], [[1.0]]).smooth(rows, method, particles=3)
    expected = system.smooth(rows)
    np.testing.assert_allclose(found.means, expected.means, atol=1e-8)
    np.testing.assert_allclose(found.covariances, expected.covariances, atol=1e-8)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)


def test_long_sequences_find_their_regimes():
    calm, wild = (LinearGaussianSystem([[0.95]], [[1.0]], [[q]], [[0.1]]) for q in (0.01, 4.0))
    system = SwitchingLinearSystem([calm, wild], [[0.98, 0.02], [0.05, 0.95]])
    rows, _, regimes = system.sample(120, 2)
    assert system.smooth(rows).method == "gpb2"
    for method in ("gpb2", "imm", "particles"):
        assert (system.predict(rows, method) == regimes).mean() > 0.9
    both = system.log_likelihood([rows, rows[:3]])
    assert both.shape == (2,)


def test_parameters_go_round():
    system = random_switching(4, 2, 2, 1)
    again = SwitchingLinearSystem.restored(*system.stored())
    rows = system.sample(5)[0]
    assert again.log_likelihood(rows) == system.log_likelihood(rows)


def test_bad_input():
    one, other = (random_system(np.random.default_rng(0), n, 1) for n in (1, 2))
    with pytest.raises(GraphError, match=r"regimes differ in \(states, features\)"):
        SwitchingLinearSystem([one, other], np.eye(2))
    with pytest.raises(GraphError, match="row 1 of the transition is no distribution"):
        SwitchingLinearSystem([one, one], [[0.5, 0.5], [0.5, 0.6]])
    with pytest.raises(GraphError, match="2 regimes take a transition of shape"):
        SwitchingLinearSystem([one, one], [[1.0]])
    with pytest.raises(GraphError, match="at least one regime"):
        SwitchingLinearSystem([], [])
    system = SwitchingLinearSystem([one, one], np.eye(2))
    with pytest.raises(EvidenceError, match="too many paths in 17 steps"):
        system.smooth(np.zeros((17, 1)), "enumeration")
    with pytest.raises(EvidenceError, match="did you mean 'gpb2'"):
        system.smooth(np.zeros((3, 1)), "gpb")
    exact = LinearGaussianSystem([[1.0]], [[1.0]], [[0.0]], [[0.0]])
    with pytest.raises(GraphError, match="give its cells some noise"):
        SwitchingLinearSystem([exact], [[1.0]]).smooth(np.zeros((3, 1)))


def two_regimes(slopes: tuple[float, float] = (0.95, -0.8)) -> SwitchingLinearSystem:
    systems = [LinearGaussianSystem(slope, 1, 0.2, observation_covariance=0.1) for slope in slopes]
    return SwitchingLinearSystem(systems, [[0.9, 0.1], [0.1, 0.9]])


@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_learning_by_all_paths_never_falls_and_finds_the_systems():
    true = two_regimes()
    sequences = [missing(true.sample(5, seed)[0], seed) for seed in range(12)]
    model = two_regimes((0.5, -0.5)).fit(sequences, iterations=8)
    objectives = model.fit_report.objectives
    assert np.diff(objectives).min() > 0
    np.testing.assert_allclose(model.log_likelihood(sequences).sum(), objectives[-1])
    assert model.log_likelihood(sequences).sum() > true.log_likelihood(sequences).sum()
    slopes = [s.system.transition.item() for s in model.systems]
    np.testing.assert_allclose(slopes, [0.95, -0.8], atol=0.3)


@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_one_regime_learns_as_a_linear_system():
    alone = LinearGaussianSystem(0.5, 1, 1, observation_covariance=1)
    rows = missing(alone.sample(30, random_state=1)[0][0], 1)
    both = SwitchingLinearSystem([alone], [[1.0]]).fit(
        rows, method="gpb2", iterations=5, tolerance=0
    )
    alone.fit(rows, iterations=5, tolerance=0)
    for name, array in alone.parameters().items():
        np.testing.assert_allclose(both.parameters()[name][0], array, atol=1e-9)


def test_learning_by_merging_returns_the_best_iteration():
    rows = two_regimes().sample(40, 3)[0]
    model = two_regimes((0.3, -0.3))
    with pytest.warns(ConvergenceWarning):
        model.fit(rows, method="imm", iterations=3, floor=0.5)
    objectives = model.fit_report.objectives
    assert model.log_likelihood(rows, "imm") == pytest.approx(max(objectives)) == objectives[-1]
    with pytest.raises(EvidenceError, match="unknown method 'particles'"):
        model.fit(rows, method="particles")
    with pytest.raises(LearningError, match="'transitin'; did you mean 'transition'"):
        model.fit(rows, learn="transitin")


@pytest.mark.parametrize("method", ["gpb2", "imm"])
def test_a_step_at_a_time_is_filtering_and_smoothing_goes_on_from_a_file(method, tmp_path):
    system = random_switching(3, 2, 2, 1)
    rows = missing(system.sample(6, 3)[0], 4)
    whole, smooth = system.filter(rows, method), system.smooth(rows, method)
    online, lagged = system.filter(method=method), system.filter(method=method, lag=5)
    for t, row in enumerate(rows):
        found, late = online.step(row), lagged.step(row)
        np.testing.assert_allclose(found.probabilities, whole.probabilities[t], atol=1e-12)
        np.testing.assert_allclose(found.mean, whole.means[t], atol=1e-12)
        online.save(tmp_path / "state")
        online = system.filter(method=method, state=tmp_path / "state")
    np.testing.assert_allclose(late.covariance, smooth.covariances[0], atol=1e-12)
    assert online.steps == 6
    assert online.log_likelihood == pytest.approx(whole.log_likelihood)
    with pytest.raises(FormatError, match="another model, or of another lag"):
        system.filter(method=method, lag=1, state=tmp_path / "state")
    with pytest.raises(EvidenceError, match="takes rows one by one"):
        system.filter(rows, lag=1)


def test_forecasts_are_what_missing_rows_are_answered():
    system = random_switching(5, 2, 1, 1)
    rows = system.sample(4, 1)[0]
    ahead = system.forecast([rows], 2)[0]
    longer = system.smooth(np.concatenate([rows, np.full((2, 1), np.nan)]))
    np.testing.assert_allclose(ahead.probabilities, longer.probabilities[-2:])
    np.testing.assert_allclose(ahead.means, longer.means[-2:], atol=1e-12)
    drawn = system.forecast(rows, 2, method="particles")
    np.testing.assert_allclose(drawn.probabilities, ahead.probabilities, atol=0.05)
