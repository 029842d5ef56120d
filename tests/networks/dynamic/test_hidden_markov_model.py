"""Hidden Markov models: answers, learning from sequences and labels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    FormatError,
    LearningError,
    NotFittedError,
)
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
from tests.inference.exact.chain.enumerated_paths import enumerated
from tests.inference.exact.chain.log_domain import smoothed
from tests.learning.dynamic.emissions.drawn_emissions import KINDS, drawn

NAN = np.nan
EARLY = "ignore:expectation maximisation ended"
STICKY = 0.9 * np.eye(3) + 0.1 / 3
FAR = np.array([[0.0, 0], [8, 0], [0, 8]])


def set_model(**settings) -> HiddenMarkovModel:
    """Three states far apart, in each of which a chain stays for long."""
    model = HiddenMarkovModel(3, **settings)
    return model.set_parameters([1, 0, 0], STICKY, means=FAR, covariances=np.ones((3, 2)))


def drawn_sequences(lengths=(60, 1, 30), missing=0.2):
    sequences, labels = zip(
        *(set_model().sample(length, seed) for seed, length in enumerate(lengths)), strict=True
    )
    generator = np.random.default_rng(9)
    for rows in sequences:
        rows[generator.random(rows.shape) < missing] = NAN
    return list(sequences), list(labels)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_log_domain_and_of_all_paths(kind):
    generator = np.random.default_rng(1)
    emission = drawn(generator, kind)
    transition = np.array([[0.5, 0.5, 0], [0.2, 0.3, 0.5], [0, 0, 1]])
    model = HiddenMarkovModel(("a", "b", "c"), emission)
    model.set_parameters([0.7, 0.3, 0], transition, emission)
    sequences = [model.sample(length, length)[0] for length in (5, 1, 40)]
    for rows in sequences:
        rows[generator.random(rows.shape) < 0.2] = NAN
    found = zip(
        sequences,
        model.log_likelihood(sequences),
        model.posterior(sequences),
        model.predict(sequences),
        strict=True,
    )
    for rows, total, posterior, path in found:
        logs = emission.log_densities(np.ascontiguousarray(emission.prepared(rows)))
        truth = smoothed(*model.parameters.chain, logs)
        np.testing.assert_allclose(total, truth.log_likelihood, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(posterior, truth.marginals, atol=1e-9)
        assert not posterior[0, 2]
        assert set(path) <= {"a", "b", "c"}
        if len(rows) < 7:
            scores = enumerated(*model.parameters.chain, logs)
            codes = np.array([model.labels.index(label) for label in path])
            index = np.ravel_multi_index(tuple(codes), (3,) * len(rows))
            np.testing.assert_allclose(scores.scores[index], scores.scores.max())
    steps = sum(map(len, sequences))
    np.testing.assert_allclose(
        model.score(sequences), model.log_likelihood(sequences).sum() / steps
    )
    alone = model.posterior(sequences[0])  # one array: one answer
    np.testing.assert_allclose(alone, model.posterior(sequences)[0], atol=1e-12)
    assert isinstance(model.log_likelihood(sequences[0]), float)


def test_densities_of_many_features_lie_thousands_of_nats_apart():
    generator = np.random.default_rng(2)
    means = 30 * generator.standard_normal((4, 39))
    covariances = np.array([np.eye(39) * scale for scale in (0.01, 1, 0.1, 3)])
    model = HiddenMarkovModel(4, covariance="full")
    forwards = 0.7 * np.eye(4) + 0.3 * np.eye(4, k=1) + np.diag([0, 0, 0, 0.3])
    model.set_parameters([1, 0, 0, 0], forwards, means=means, covariances=covariances)
    rows = means[[0, 0, 1, 1, 2, 3, 3, 3]] + generator.standard_normal((8, 39))
    rows[3] += 50
    rows[6, ::2] = NAN
    logs = np.zeros((8, 4))
    for t, k in np.ndindex(8, 4):
        there = ~np.isnan(rows[t])
        logs[t, k] = multivariate_normal.logpdf(
            rows[t, there], means[k, there], covariances[k][np.ix_(there, there)]
        )
    assert np.ptp(logs, 1).max() > 5000
    truth = smoothed(*model.parameters.chain, logs)
    np.testing.assert_allclose(model.log_likelihood(rows), truth.log_likelihood, rtol=1e-10)
    np.testing.assert_allclose(model.posterior(rows), truth.marginals, atol=1e-9)


@pytest.mark.filterwarnings(EARLY)
def test_a_fit_finds_states_far_apart():
    sequences, labels = drawn_sequences((200, 1, 150), 0.1)
    model = HiddenMarkovModel(3).fit(sequences)
    order = [int(np.linalg.norm(model.parameters.emission.means - mean, axis=1).argmin())
             for mean in FAR]  # fmt: skip
    found = np.concatenate(model.predict(sequences))
    assert (found == np.array(order)[np.concatenate(labels)]).mean() > 0.98
    np.testing.assert_allclose(model.parameters.transition[np.ix_(order, order)], STICKY, atol=0.1)
    assert (np.diff(model.fit_report.objectives) > 0).all()


@pytest.mark.filterwarnings(EARLY)
def test_restarts_return_the_best():
    sequences, _ = drawn_sequences()
    model = HiddenMarkovModel(5, random_state=3).fit(sequences, iterations=4, restarts=3)
    report = model.fit_report
    assert len(set(report.restarts)) == 3
    assert report.objectives[-1] == max(report.restarts)
    again = HiddenMarkovModel(5, random_state=3).fit(sequences, iterations=4, restarts=3)
    for name, array in again.parameters.arrays().items():
        np.testing.assert_array_equal(array, model.parameters.arrays()[name])


@pytest.mark.parametrize("emission", ["gaussian", "mixture"])
@pytest.mark.filterwarnings(EARLY)
def test_an_interrupted_fit_goes_on_to_the_same_parameters(tmp_path, emission):
    sequences, _ = drawn_sequences()
    settings = {"iterations": 5, "tolerance": 0.0, "restarts": 2}
    whole = HiddenMarkovModel(3, emission, "full").fit(sequences, **settings)

    def interrupt(restart, iteration, objective):
        if (restart, iteration) == (1, 2):
            raise KeyboardInterrupt

    settings["checkpoint"] = tmp_path
    model = HiddenMarkovModel(3, emission, "full")
    with pytest.raises(KeyboardInterrupt):
        model.fit(sequences, progress=interrupt, **settings)
    with pytest.raises(NotFittedError):
        model.posterior(sequences)
    model.fit(sequences, **settings)
    for name, array in model.parameters.arrays().items():
        np.testing.assert_array_equal(array, whole.parameters.arrays()[name])
    assert model.fit_report.objectives == whole.fit_report.objectives
    unknown = [np.full(len(part), -1) for part in sequences]
    others = (
        (HiddenMarkovModel(3, "categorical"), [np.zeros(3)], None),
        (HiddenMarkovModel(3, "mixture", "full", random_state=1), sequences, None),
        (HiddenMarkovModel(3, emission, "full"), sequences[:2], None),
        (HiddenMarkovModel(3, emission, "full"), sequences, unknown),
    )
    for other, given, labels in others:
        with pytest.raises(FormatError, match="the state of another fit of sequences"):
            other.fit(given, labels, **settings)


def test_known_states_are_counted():
    rows = [np.array([[0.0], [2], [10], [NAN]]), np.array([[14.0], [12], [4]])]
    labels = [["a", "a", "b", "b"], ["b", "b", "a"]]
    model = HiddenMarkovModel(("a", "b"), floor=1e-9).fit(rows, labels)
    start, transition, emission = model.parameters
    np.testing.assert_allclose(start, [0.5, 0.5])
    np.testing.assert_allclose(transition, [[1 / 2, 1 / 2], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(emission.means, [[2], [12]])
    np.testing.assert_allclose(emission.covariances, [[8 / 3], [8 / 3]])
    assert model.fit_report.converged
    smooth = HiddenMarkovModel(("a", "b"), pseudo_counts=1.0).fit(rows, labels).parameters
    np.testing.assert_allclose(smooth.start, [0.5, 0.5])
    np.testing.assert_allclose(smooth.transition, [[2 / 4, 2 / 4], [2 / 5, 3 / 5]])
    table = HiddenMarkovModel(2, "categorical").fit(
        [np.array([0, 1, 1, 2])], [np.array([0, 0, 1, 1])]
    )
    np.testing.assert_allclose(table.parameters.emission.tables[0], [[0.5, 0.5, 0], [0, 0.5, 0.5]])


@pytest.mark.filterwarnings(EARLY)
def test_what_stays_hidden_where_states_are_known_is_learned_to_the_end():
    generator = np.random.default_rng(0)
    rows = generator.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 200)
    rows[100:, 1] = NAN  # the regression on what is there, from Anderson (1957)
    rows[100:, 0] += 2
    known = [np.zeros(200, int)]
    model = HiddenMarkovModel(1, covariance="full").fit(rows, known, tolerance=1e-12)
    slope, intercept = np.polyfit(rows[:100, 0], rows[:100, 1], 1)
    mean = model.parameters.emission.means[0]
    np.testing.assert_allclose(
        mean, [rows[:, 0].mean(), intercept + slope * rows[:, 0].mean()], 1e-3
    )
    mixed = HiddenMarkovModel(1, "mixture").fit(rows[:, :1], known, tolerance=1e-12)
    assert len(mixed.fit_report.objectives) > 3


def test_partly_known_states_hold_where_they_are():
    sequences, labels = drawn_sequences()
    partly = [np.where(np.arange(len(part)) % 3 == 0, part, -1) for part in labels]
    names = ("x", "y", "z")
    given = [[None if code < 0 else names[code] for code in part] for part in partly]
    model = HiddenMarkovModel(names).fit(sequences, given)
    for name, mean in zip(names, FAR, strict=True):
        index = names.index(name)
        np.testing.assert_allclose(model.parameters.emission.means[index], mean, atol=0.8)
    found = [[names.index(label) for label in path] for path in model.predict(sequences)]
    assert (np.concatenate(found) == np.concatenate(labels)).mean() > 0.95
    objectives = np.array(model.fit_report.objectives)
    assert (np.diff(objectives) >= -1e-9 * abs(objectives[1:])).all()


@pytest.mark.filterwarnings(EARLY)
def test_a_topology_stays_as_it_was_set():
    sequences, _ = drawn_sequences()
    forwards = 0.5 * (np.eye(3) + np.eye(3, k=1)) + np.diag([0, 0, 0.5])
    model = HiddenMarkovModel(3, pseudo_counts=0.5)
    model.set_parameters([1, 0, 0], forwards, means=FAR, covariances=np.ones((3, 2)))
    for start in ("data", "current"):
        model.fit(sequences, start=start, iterations=3)
        np.testing.assert_array_equal(model.parameters.start, [1, 0, 0])
        np.testing.assert_array_equal(model.parameters.transition > 0, forwards > 0)


def test_pseudo_counts_are_a_prior():
    rows = [np.array([0, 0, 1, NAN, 1.0]), np.array([1.0])]
    model = HiddenMarkovModel(2, "categorical", pseudo_counts=2.0).fit(rows, tolerance=1e-13)
    free = HiddenMarkovModel(2, "categorical").set_parameters(
        *model.parameters[:2], model.parameters.emission
    )
    assert all((table > 0.1).all() for table in model.parameters.arrays().values())

    def objective(start, transition, table):
        chain = HiddenMarkovModel(2, "categorical")
        chain.set_parameters(start, transition, probabilities=table)
        tables = (start, transition, table)
        return chain.log_likelihood(rows).sum() + 2 * sum(np.log(t).sum() for t in tables)

    best = (*model.parameters[:2], model.parameters.emission.tables[0])
    np.testing.assert_allclose(model.fit_report.objectives[-1], objective(*best))
    np.testing.assert_allclose(
        model.fit_report.log_likelihoods[-1], free.log_likelihood(rows).sum()
    )
    generator = np.random.default_rng(0)
    for _ in range(20):  # a maximum: nothing near is better
        near = [t * np.exp(0.01 * generator.standard_normal(t.shape)) for t in best]
        near = [t / t.sum(-1, keepdims=True) for t in near]
        assert objective(*near) <= objective(*best) + 1e-9


@pytest.mark.filterwarnings("ignore:the spread of state")
def test_states_without_visits_keep_their_values_and_are_named():
    rows = np.array([[0.0], [0.1], [-0.1], [0.0]])
    model = HiddenMarkovModel(("near", "far", "further"))
    model.set_parameters(means=[[0.0], [1e3], [2e3]], covariances=np.ones((3, 1)))
    with pytest.warns(ConvergenceWarning, match="learned from by state far, further, which keeps"):
        model.fit(rows, start="current")
    np.testing.assert_array_equal(model.parameters.emission.means[1:], [[1e3], [2e3]])
    np.testing.assert_allclose(model.parameters.transition[1:], 1 / 3)
    labels = [["near"] * 4]
    with pytest.warns(ConvergenceWarning, match="learned from by state far, further"):
        HiddenMarkovModel(("near", "far", "further")).fit(rows, labels)


@pytest.mark.filterwarnings("ignore:no step was learned from")
@pytest.mark.parametrize("covariance", ["diagonal", "full", "tied", "spherical"])
def test_spreads_at_their_floor_are_named(covariance):
    rows = np.repeat([[0.0, 1], [5, 6], [0, 9]], 5, 0)
    with pytest.warns(ConvergenceWarning, match="the spread of state .* is at its floor"):
        model = HiddenMarkovModel(3, covariance=covariance).fit(rows)
    assert np.isfinite(model.log_likelihood(rows))
    constant = HiddenMarkovModel(2, covariance=covariance)
    with pytest.warns(ConvergenceWarning, match="is at its floor"):
        constant.fit(np.full((9, 2), 7.0))
    assert np.isfinite(constant.log_likelihood(np.full((2, 2), 7.0)))


@pytest.mark.filterwarnings(EARLY)
def test_several_modalities_may_be_missing():
    generator = np.random.default_rng(4)
    states = generator.integers(2, size=80)
    sound = 10.0 * states[:, None] + generator.standard_normal((80, 1))
    word = np.where(generator.random(80) < 0.9, states, 1 - states)
    model = HiddenMarkovModel(2, {"sound": "gaussian", "word": "categorical"})
    model.fit({"sound": [sound, None], "word": [word, word[:5]]})
    found = model.predict({"sound": sound})
    match = (found == states).mean()
    assert max(match, 1 - match) > 0.95
    both, alone = model.posterior({"sound": [sound], "word": [word]}), model.parameters.emission
    logs = alone.parts["sound"].log_densities(sound)
    logs += alone.parts["word"].log_densities(word[:, None].astype(float))
    np.testing.assert_allclose(both[0], smoothed(*model.parameters.chain, logs).marginals)
    with pytest.raises(EvidenceError, match="no modality is called 'sounds'; did you mean 'sound'"):
        model.predict({"sounds": sound})
    with pytest.raises(EvidenceError, match="as many sequences each"):
        model.fit({"sound": [sound, sound], "word": [word]})


def test_drawn_sequences_have_the_distribution():
    model = set_model()
    rows, labels = model.sample(20_000, 1)
    counts = np.zeros((3, 3))
    np.add.at(counts, (labels[:-1], labels[1:]), 1)
    np.testing.assert_allclose(counts / counts.sum(1, keepdims=True), STICKY, atol=0.02)
    assert labels[0] == 0
    for k in range(3):
        np.testing.assert_allclose(rows[labels == k].mean(0), FAR[k], atol=0.1)
    again, _ = model.sample(20_000, 1)
    np.testing.assert_array_equal(again, rows)
    paths = model.sample_paths([rows[:50], rows[:1]], 200)
    chances = np.mean(paths[0][..., None] == np.arange(3), 0)
    np.testing.assert_allclose(chances, model.posterior(rows[:50]), atol=0.15)
    assert paths[1].shape == (200, 1)


@pytest.mark.filterwarnings(EARLY)
def test_settings_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.base")
    model = HiddenMarkovModel(2, covariance="full", floor=0.01)
    copy = sklearn.clone(model)
    assert copy.get_params() == model.get_params()
    rows = np.random.default_rng(0).standard_normal((30, 2))
    model.fit(rows, iterations=2)
    model.fit(rows[:, :1], iterations=2)  # other data: learned anew
    assert model.parameters.emission.features == 1
    with pytest.raises(NotFittedError, match="fit or set_parameters gives them"):
        model.set_params(states=3).predict(rows)
    assert model.labels == (0, 1, 2)
    with pytest.raises(LearningError, match="'covariances'"):
        model.set_params(covariances=1)


def test_labels_come_back_as_they_were_given():
    for states in (np.int64(2), np.array(["a", "b"]), ["a", 1], [True, "b"]):
        model = HiddenMarkovModel(states)
        model.set_parameters(means=[[0.0], [9]], covariances=np.ones((2, 1)))
        assert model.predict(np.array([[0.0], [9], [0]])).tolist() == [
            model.labels[i] for i in (0, 1, 0)
        ]


@pytest.mark.filterwarnings(EARLY)
def test_emissions_of_ones_own_are_learned_from_where_they_are():
    sequences, _ = drawn_sequences()
    parts = GaussianEmission(np.repeat(FAR, 2, 0), np.ones((6, 2)))
    own = MixtureEmission(np.full((3, 2), 0.5), parts)
    model = HiddenMarkovModel(3, own).fit(sequences, iterations=2)
    np.testing.assert_allclose(model.parameters.emission.components.means[::2], FAR, atol=1)
    with pytest.raises(EvidenceError, match="3 features, and 2 are expected"):
        HiddenMarkovModel(3, own).fit(np.zeros((4, 3)))
