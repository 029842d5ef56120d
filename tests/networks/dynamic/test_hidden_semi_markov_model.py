"""Hidden semi-Markov models: learning, answers, filters, files, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    FormatError,
    LearningError,
    NotFittedError,
    ZeroProbabilityError,
)
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
from mmgraph.networks.dynamic.hidden_semi_markov_model import HiddenSemiMarkovModel

MEANS = np.array([[0.0, 0], [2, 0], [0, 2]])
BELLS = np.exp(-0.5 * ((np.arange(1, 16) - np.array([[3], [6], [10]])) / 2) ** 2)


def drawn_model(**settings):
    """A model of three states that last for about 3, 6 and 10 steps."""
    model = HiddenSemiMarkovModel(3, durations="table", longest=15, **settings)
    return model.set_parameters(
        durations=0.98 * BELLS / BELLS.sum(1, keepdims=True),
        stay=[0.5] * 3,
        means=MEANS,
        covariances=np.full((3, 2), 0.4),
    )


@pytest.fixture(scope="module")
def drawn():
    sequences, labels = zip(*(drawn_model().sample(150, seed) for seed in range(4)), strict=True)
    sequences[1][20:30, 0] = np.nan
    sequences[2][50] = np.nan
    return list(sequences), list(labels)


@pytest.mark.parametrize("kind", ["table", "negative_binomial", "poisson", "gamma", "geometric"])
@pytest.mark.parametrize("smoothing", [None, 2.0])
@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_em_never_falls(drawn, kind, smoothing):
    model = HiddenSemiMarkovModel(
        3, durations=kind, longest=12, smoothing=smoothing, left_censored=smoothing is None
    )
    model.fit(drawn[0], iterations=6)
    objectives = np.array(model.fit_report.objectives)
    assert (np.diff(objectives) > -1e-9 * abs(objectives[-1])).all()
    learned = model.parameters
    for rows in (learned.start, learned.transition, learned.durations.probabilities):
        np.testing.assert_allclose(rows.sum(-1), 1)
    assert not learned.transition.diagonal().any()


@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_a_fit_goes_on_from_its_checkpoint(drawn, tmp_path):
    model = HiddenSemiMarkovModel(3, durations="poisson", longest=12)
    whole = model.fit(drawn[0], iterations=4).fit_report.objectives
    model.fit(drawn[0], iterations=2, checkpoint=tmp_path / "state")
    assert (
        model.fit(drawn[0], iterations=4, checkpoint=tmp_path / "state").fit_report.objectives
        == whole
    )


@pytest.mark.parametrize("kind", ["table", "negative_binomial", "gamma"])
def test_labels_give_counts(drawn, kind):
    sequences, labels = drawn
    model = HiddenSemiMarkovModel(3, durations=kind, longest=15).fit(sequences, labels)
    steps = np.arange(1, 17)
    np.testing.assert_allclose(
        model.parameters.durations.probabilities @ steps, [3, 6, 10], atol=1.6
    )
    np.testing.assert_allclose(model.parameters.emission.means, MEANS, atol=0.3)
    found = np.concatenate(model.predict(sequences))
    assert (found == np.concatenate(labels)).mean() > 0.9
    partly = [np.where(np.arange(150) < 100, states, -1) for states in labels]
    again = HiddenSemiMarkovModel(3, durations=kind, longest=15).fit(sequences, partly)
    assert (np.concatenate(again.predict(sequences)) == np.concatenate(labels)).mean() > 0.9


def test_durations_tell_states_apart_that_look_alike():
    rows = np.zeros((60, 2))
    model = HiddenSemiMarkovModel(["short", "long"], emission="scores", longest=10)
    model.set_parameters(start=[1, 0], durations=np.eye(10)[[2, 9]], stay=[0, 0])
    expected = np.resize(["short"] * 3 + ["long"] * 10, 60)
    assert (model.predict(rows) == expected).all()
    assert (model.posterior(rows).argmax(1) == (expected == "long")).all()
    assert (model.sample_paths(rows, 3) == expected).all()


def test_geometric_durations_are_a_markov_chain(drawn):
    rows = drawn[0][1]
    leave, switch = np.array([0.1, 0.3, 0.02]), np.array([[0, 0.5, 0.5], [1, 0, 0], [0.2, 0.8, 0]])
    table = leave[:, None] * (1 - leave[:, None]) ** np.arange(4)
    model = drawn_model().set_parameters(transition=switch, durations=table, stay=1 - leave)
    markov = HiddenMarkovModel(3).set_parameters(
        start=[1 / 3] * 3,
        transition=np.diag(1 - leave) + leave[:, None] * switch,
        emission=model.parameters.emission,
    )
    assert model.log_likelihood(rows) == pytest.approx(markov.log_likelihood(rows), rel=1e-12)
    np.testing.assert_allclose(model.posterior(rows), markov.posterior(rows), atol=1e-10)
    assert (model.predict(rows) == markov.predict(rows)).mean() > 0.95
    np.testing.assert_allclose(model.forecast(rows, 5), markov.forecast(rows, 5), atol=1e-10)
    online, other = model.filter(lag=2), markov.filter(lag=2)
    for row in rows:
        np.testing.assert_allclose(online.step(row), other.step(row), atol=1e-10)
    np.testing.assert_allclose(online.predict(3), other.predict(3), atol=1e-10)
    np.testing.assert_allclose(online.lagged(1), other.lagged(1), atol=1e-10)


@pytest.mark.parametrize("left_censored", [False, True])
def test_filters_go_on_from_a_file(drawn, tmp_path, left_censored):
    rows, model = drawn[0][1], drawn_model(left_censored=left_censored)
    online = model.filter()
    shares = [online.step(row) for row in rows]
    np.testing.assert_allclose(shares, model.posterior(rows, lag=0), atol=1e-12)
    assert online.log_likelihood == pytest.approx(model.log_likelihood(rows), rel=1e-12)
    first = model.filter(lag=4)
    for row in rows[:70]:
        first.step(row)
    first.save(tmp_path / "state")
    second = model.filter(lag=4, state=tmp_path / "state")
    for t in range(70, 75):
        expected = model.posterior(rows[: t + 1])[t - 4]
        np.testing.assert_allclose(second.step(rows[t]), expected, atol=1e-10)
    np.testing.assert_allclose(model.posterior(rows, lag=149), model.posterior(rows), atol=1e-10)
    with pytest.raises(FormatError, match="of another lag"):
        model.filter(lag=5, state=tmp_path / "state")
    numbers = load_file(tmp_path / "state")
    for name, wrong in (
        ("counters", numbers["counters"] + 999),
        ("newest", numbers["newest"] + 999),
    ):
        save_file(numbers | {name: wrong}, tmp_path / "damaged", {"filter": first._whose})
        with pytest.raises(FormatError, match="outside of its buffer"):
            model.filter(lag=4, state=tmp_path / "damaged")


def test_a_model_is_made_again_of_arrays_and_json(drawn):
    model = HiddenSemiMarkovModel(list("abc"), durations="gamma", longest=[4, 8, 12])
    model.fit(drawn[0], iterations=1, tolerance=1)
    document, arrays = model.stored()
    again = HiddenSemiMarkovModel.restored(json.loads(json.dumps(document)), arrays)
    np.testing.assert_array_equal(again.log_likelihood(drawn[0]), model.log_likelihood(drawn[0]))
    assert again.get_params() == model.get_params()
    assert repr(again) == repr(model)
    chances = arrays["durations/probabilities"]
    wrong = [
        ("probabilities", chances[:, 1:]),
        ("probabilities", chances * 2),
        ("longest", np.zeros(3, int)),
        ("stay", np.ones(3)),
        ("means", np.array([np.nan, 2, 2])),
        ("shapes", np.ones(4)),
        ("shapes", np.zeros(3)),
    ]
    for name, values in wrong:
        with pytest.raises(LearningError, match="durations"):
            HiddenSemiMarkovModel.restored(document, arrays | {f"durations/{name}": values})


def test_a_state_never_visited_keeps_its_values(drawn):
    sequences, labels = drawn
    model = HiddenSemiMarkovModel([0, 1, 2, "idle"], durations="poisson", longest=15)
    with pytest.warns(ConvergenceWarning, match="idle"):
        model.fit(sequences, labels)
    durations = model.parameters.durations
    assert durations.means[3] == 8.5 != durations.means[0]


def test_what_is_wrong_is_named(drawn):
    rows = drawn[0][0]
    with pytest.raises(LearningError, match="did you mean 'geometric'"):
        HiddenSemiMarkovModel(2, durations="geometrical")
    for longest in (0, [3, 4], 2.5):
        with pytest.raises(LearningError, match="longest"):
            HiddenSemiMarkovModel(3, longest=longest)
    with pytest.raises(NotFittedError):
        HiddenSemiMarkovModel(3).predict(rows)
    model = drawn_model()
    with pytest.raises(EvidenceError, match="sequence 1 has no steps"):
        model.fit([rows, np.empty((0, 2))])
    with pytest.raises(EvidenceError, match="sequence 0, step 4: variable 'state' has no state 7"):
        model.fit([rows], [np.where(np.arange(150) == 4, 7, 0)])
    for wrong in (np.ones((3, 2)), np.ones((2, 2)) / 2, np.full((3, 2), -0.1)):
        with pytest.raises(LearningError, match="durations are"):
            model.set_parameters(durations=wrong)
    with pytest.raises(LearningError, match="stay"):
        model.set_parameters(stay=[1.0, 0, 0])
    with pytest.raises(LearningError, match="row 0 of transition sums to"):
        model.set_parameters(transition=np.eye(3) * 2)
    with pytest.raises(LearningError, match="no table"):
        HiddenSemiMarkovModel(2, durations="gamma").set_parameters(durations=np.eye(2))
    with pytest.raises(LearningError, match=r"unknown setting .*'longets'; did you mean 'longest'"):
        model.set_params(longets=3)
    assert model.set_params(longest=3).longest == 3
    with pytest.raises(EvidenceError, match="a lag"):
        drawn_model().filter(lag=-1)
    with pytest.raises(EvidenceError, match="2 finite cells"):
        drawn_model().filter().step([1.0, 2, 3])


def test_what_is_impossible_is_named():
    model = HiddenSemiMarkovModel(2, emission="scores", longest=3)
    model.set_parameters(start=[1, 0], durations=[[0, 1, 0], [0, 1, 0]], stay=[0, 0])
    rows = np.zeros((6, 2))
    rows[3, 1] = -np.inf  # the second segment lasts from step 2 to 3
    assert model.log_likelihood([np.zeros((6, 2)), rows]).tolist() == [0, -np.inf]
    for ask in (model.posterior, model.predict, lambda given: model.posterior(given, lag=0)):
        with pytest.raises(ZeroProbabilityError, match="sequence 1 is impossible from step 3"):
            ask([np.zeros((6, 2)), rows])
    online = model.filter()
    for row in rows[:3]:
        online.step(row)
    with pytest.raises(ZeroProbabilityError, match="step 3 is impossible"):
        online.step(rows[3])
