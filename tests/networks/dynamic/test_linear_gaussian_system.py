"""Linear Gaussian systems beside the joint normal density of all their steps."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    FormatError,
    GraphError,
    LearningError,
    ZeroProbabilityError,
)
from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from tests.inference.gaussian.state_space.dense_systems import (
    dense_answer,
    dense_joint,
    drawn,
    precise_means,
    random_system,
)


def assert_close(found, expected):
    np.testing.assert_allclose(found.means, expected.means, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.covariances, expected.covariances, rtol=0, atol=1e-9)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9, abs=1e-9)


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**20))
def test_answers_are_those_of_the_joint_density(states, features, steps, seed):
    generator = np.random.default_rng(seed)
    system = random_system(generator, states, features)
    rows = drawn(system, steps, 0.3, generator)
    smoothed, filtered = system.smooth(rows), system.filter(rows)
    assert_close(smoothed, dense_answer(system, rows))
    assert system.log_likelihood(rows) == pytest.approx(smoothed.log_likelihood, rel=1e-12)
    cut = int(generator.integers(1, steps + 1))
    upto = dense_answer(system, rows[:cut])
    np.testing.assert_allclose(filtered.means[cut - 1], upto.means[-1], atol=1e-9)
    np.testing.assert_allclose(filtered.covariances[cut - 1], upto.covariances[-1], atol=1e-9)


@pytest.mark.slow  # compiles for other numbers of states
@pytest.mark.parametrize("states", [6, 8, 9, 13])
def test_more_states(states):
    generator = np.random.default_rng(states)
    system = random_system(generator, states, 3)
    rows = drawn(system, 15, 0.3, generator)
    assert_close(system.smooth(rows), dense_answer(system, rows))


def test_settled_covariances_answer_as_those_of_each_step():
    """Hundreds of steps of one pattern, then others; beside steps taken one by one."""
    generator = np.random.default_rng(3)
    system = random_system(generator, 3, 2)
    rows = drawn(system, 400, 0.0, generator)
    rows[200:203, 1] = np.nan
    whole, stepwise = system.filter(rows), system.filter()
    for t, row in enumerate(rows):
        state = stepwise.step(row)
        np.testing.assert_allclose(whole.means[t], state.mean, atol=1e-10)
        np.testing.assert_allclose(whole.covariances[t], state.covariance, atol=1e-11)
    assert stepwise.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    assert_close(system.smooth(rows[:300]), dense_answer(system, rows[:300]))


def test_sequences_of_unequal_lengths_answer_as_each_by_itself():
    generator = np.random.default_rng(4)
    system = random_system(generator, 2, 2)
    sequences = [drawn(system, n, 0.2 * (n != 5), generator) for n in (5, 1, 9, 5, 9)]
    together = system.smooth(sequences)
    assert system.log_likelihood(sequences).shape == (5,)
    for answer, rows in zip(together, sequences, strict=True):
        assert_close(answer, system.smooth(rows))
    assert together[0].covariances is together[3].covariances or np.shares_memory(
        together[0].covariances, together[3].covariances
    )


def test_lags_and_saved_filters(tmp_path):
    generator = np.random.default_rng(5)
    system = random_system(generator, 3, 2)
    rows = drawn(system, 12, 0.3, generator)
    lagged = system.filter(rows, lag=3)
    expected = dense_answer(system, rows[:7])
    np.testing.assert_allclose(lagged.means[3], expected.means[3], atol=1e-10)
    np.testing.assert_allclose(lagged.covariances[3], expected.covariances[3], atol=1e-10)
    np.testing.assert_allclose(lagged.means[-2:], system.smooth(rows).means[-2:], atol=1e-12)
    stepwise = system.filter(lag=3)
    for t, row in enumerate(rows):
        if t == 6:
            stepwise.save(tmp_path / "state")
            stepwise = system.filter(lag=3, state=tmp_path / "state")
        state = stepwise.step(row)
        if t >= 3:
            np.testing.assert_allclose(state.mean, lagged.means[t - 3], atol=1e-12)
            np.testing.assert_allclose(state.covariance, lagged.covariances[t - 3], atol=1e-12)
    for other in (system.filter(lag=1), random_system(generator, 5, 2).filter(lag=3)):
        with pytest.raises(FormatError, match="of another model, or of another lag"):
            other.load(tmp_path / "state")
    (tmp_path / "state").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="no state of a filter"):
        system.filter(lag=3, state=tmp_path / "state")


def test_predictions():
    generator = np.random.default_rng(6)
    system = random_system(generator, 2, 2)
    rows = drawn(system, 6, 0.2, generator)
    found = system.predict(rows, 3)
    expected = dense_answer(system, np.concatenate([rows, np.full((3, 2), np.nan)]))
    np.testing.assert_allclose(found.means, expected.means[-3:], atol=1e-10)
    # A row seen two steps ahead has the density that was predicted.
    seen = np.concatenate([rows, np.full((1, 2), np.nan), [[0.3, -0.2]]])
    error = seen[-1] - found.observation_means[1]
    spread = found.observation_covariances[1]
    density = -0.5 * (
        error @ np.linalg.solve(spread, error) + np.linalg.slogdet(2 * np.pi * spread)[1]
    )
    gain = system.log_likelihood(seen) - system.log_likelihood(rows)
    assert density == pytest.approx(gain, rel=1e-9)


def test_paths_drawn_given_rows():
    generator = np.random.default_rng(7)
    system = random_system(generator, 2, 1)
    rows = drawn(system, 5, 0.3, generator)
    paths = system.sample_states(rows, draws=20_000, random_state=1)
    expected = dense_answer(system, rows)
    for t in range(5):
        spread = expected.covariances[t]
        apart = (paths[:, t] - expected.means[t]).mean(0) / np.sqrt(np.diag(spread) / 20_000)
        assert np.abs(apart).max() < 4
        np.testing.assert_allclose(np.cov(paths[:, t].T), spread, atol=0.05 * np.trace(spread))
    # Neighbours hang together as the joint density says: that of a row that shows their difference.
    difference = np.cov((paths[:, 3] - paths[:, 2]).T)
    lagged = dense_joint(system, rows)[2:4][:, :, 2:4]
    expected_spread = lagged[0, :, 0] + lagged[1, :, 1] - lagged[0, :, 1] - lagged[1, :, 0]
    np.testing.assert_allclose(difference, expected_spread, atol=0.05 * np.trace(expected_spread))


@settings(max_examples=8)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(0, 2**20))
def test_singular_covariances(states, features, rank, seed):
    """Known starts, states that move as they must, cells free of noise; by 60 digits."""
    generator = np.random.default_rng(seed)
    system = random_system(generator, states, features, rank)
    rows = drawn(system, 6, 0.2, generator)
    found = system.smooth(rows)
    assert np.isfinite(found.means).all()
    assert np.linalg.eigvalsh(found.covariances).min() >= -1e-10
    np.testing.assert_allclose(found.means, precise_means(system, rows), atol=1e-3, rtol=1e-3)


def test_drawn_rows_do_not_contradict_singular_noise():
    """Rounding of a singular covariance is no noise, however different the scales of cells."""
    loading = np.array([1.2, 3e-7, -0.45])
    noise = np.outer(loading, loading)
    system = LinearGaussianSystem([[0.5]], [[0.8], [0.0], [-0.5]], [[1.0]], noise)
    rows, states = system.sample(400, 3)
    apart = rows - states @ system.system.observation.T
    assert np.ptp(apart / loading, axis=2).max() < 1e-12
    assert np.isfinite(system.log_likelihood(list(rows))).all()


def test_rows_that_contradict_what_is_certain():
    system = LinearGaussianSystem(
        transition=[[1.0]],
        observation=[[1.0]],
        transition_covariance=[[0.0]],
        observation_covariance=[[0.0]],
        start_mean=[0.0],
        start_covariance=[[1.0]],
    )
    assert system.smooth(np.full((4, 1), 0.5)).means.ravel().tolist() == [0.5] * 4
    with pytest.raises(ZeroProbabilityError, match="sequence 1, step 2"):
        system.log_likelihood([np.ones((3, 1)), np.array([[1.0], [1.0], [2.0]])])


@pytest.mark.slow
def test_a_million_steps_nearly_without_noise_keep_covariances_positive():
    generator = np.random.default_rng(8)
    parameters = random_system(generator, 4, 2).parameters()
    parameters["observation_covariance"] = 1e-12 * np.eye(2)
    system = LinearGaussianSystem(**parameters)
    rows = drawn(system, 1_000_000, 0.1, generator)
    for answer in (system.smooth(rows), system.filter(rows)):
        assert np.isfinite(answer.means).all()
        assert np.linalg.eigvalsh(answer.covariances).min() >= 0


@settings(max_examples=8)
@given(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(0, 2**20))
def test_learning_never_falls(states, features, diagonal, seed):
    generator = np.random.default_rng(seed)
    truth, system = (random_system(generator, states, features) for _ in range(2))
    lengths = generator.integers(1, 40, size=generator.integers(1, 5))
    sequences = [drawn(truth, int(n), 0.2, generator) for n in lengths]
    sequences[0][0, 0] = 1.0
    names = [n for n in system.parameters() if generator.random() < 0.7] or ["transition"]
    before = system.parameters()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        only = ["observation_covariance"] if diagonal else []
        system.fit(sequences, learn=names, diagonal=only, iterations=15, tolerance=0)
    objectives = np.array(system.fit_report.objectives)
    assert len(objectives) > 5
    assert (np.diff(objectives) >= -1e-9 * np.abs(objectives[:-1])).all()
    assert objectives[-1] == pytest.approx(system.log_likelihood(sequences).sum(), rel=1e-9)
    for name, array in system.parameters().items():
        assert (name in names) or np.array_equal(array, before[name])
    if diagonal and "observation_covariance" in names:
        assert np.count_nonzero(system.system.observation_covariance) <= features


def test_learning_finds_a_maximum():
    """No parameter that is moved a little makes the rows likelier."""
    generator = np.random.default_rng(9)
    truth = LinearGaussianSystem([[0.9]], [[1.0], [-0.5]], [[0.5]], np.eye(2))
    rows = drawn(truth, 150, 0.2, generator)
    system = LinearGaussianSystem([[0.1]], [[1.0], [-0.5]], [[2.0]], 3 * np.eye(2))
    names = ["transition", "transition_covariance", "observation_covariance"]
    system.fit(rows, learn=names, iterations=500, tolerance=1e-12)
    best = system.log_likelihood(rows)
    assert best > truth.log_likelihood(rows)
    for name, change in itertools.product(names, (-1e-3, 1e-3)):
        moved = system.parameters()
        moved[name] = moved[name] * (1 + change)
        assert LinearGaussianSystem(**moved).log_likelihood(rows) <= best + 1e-6


def test_parameters_go_round():
    system = random_system(np.random.default_rng(10), 2, 3)
    again = LinearGaussianSystem.restored(*system.stored())
    for name, array in system.parameters().items():
        assert np.array_equal(again.parameters()[name], array)


PLAIN = {
    "transition": [[1.0]],
    "observation": [[1.0]],
    "transition_covariance": [[1.0]],
    "observation_covariance": [[1.0]],
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"transition": [1.0]}, r"transition is to have the shape \(rows, columns\), not \(1,\)"),
        ({"observation": [[1.0, 2.0]]}, r"observation is to have the shape \(1, 1\)"),
        ({"transition_covariance": [[-1.0]]}, "transition_covariance is no covariance.*-1"),
        ({"observation_covariance": [[np.inf]]}, "observation_covariance .* not finite"),
        ({"start_mean": ["a"]}, "start_mean is an array of numbers"),
        (
            {"observation": np.ones((2, 1)), "observation_covariance": [[1.0, 0.5], [0.0, 1.0]]},
            "observation_covariance is not symmetric",
        ),
    ],
)
def test_parameters_that_are_none(changed, message):
    with pytest.raises(GraphError, match=message):
        LinearGaussianSystem(**{**PLAIN, **changed})


def test_sequences_that_are_none():
    system = LinearGaussianSystem(**PLAIN)
    for rows, message in (
        (np.zeros((0, 1)), "sequence 0 has no steps"),
        ([np.zeros((2, 1)), [[np.inf]]], "sequence 1, step 0: feature 0 is infinite"),
        (np.zeros((3, 2)), "2 features, and 1 are expected"),
    ):
        with pytest.raises(EvidenceError, match=message):
            system.smooth(rows)
    with pytest.raises(EvidenceError, match="1 finite cells"):
        system.filter().step([1.0, 2.0])
    with pytest.raises(EvidenceError, match="at least one step ahead"):
        system.predict(np.zeros((3, 1)), 0)
    with pytest.raises(LearningError, match=r"transitions.*did you mean 'transition'"):
        system.fit(np.zeros((3, 1)), learn=["transitions"])
    with pytest.raises(LearningError, match="every cell is missing"):
        system.fit(np.full((3, 1), np.nan))
    unstable = LinearGaussianSystem(**{**PLAIN, "transition": [[1e3]]})
    with pytest.raises(GraphError, match="unstable"):
        unstable.smooth(np.full((200, 1), np.nan))


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_belongs_to_its_first_values(tmp_path):
    generator = np.random.default_rng(7)
    rows = drawn(random_system(generator, 1, 1), 20, 0.0, generator)
    settings = {"iterations": 3, "tolerance": 0.0, "checkpoint": tmp_path}
    first = random_system(np.random.default_rng(1), 1, 1)
    whole = first.fit(rows, **settings).fit_report.objectives
    again = random_system(np.random.default_rng(1), 1, 1).fit(rows, **settings)
    assert again.fit_report.objectives == whole
    with pytest.raises(FormatError, match="the first values differ"):
        random_system(np.random.default_rng(2), 1, 1).fit(rows, **settings)
