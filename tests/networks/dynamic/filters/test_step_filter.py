"""Filters of hidden Markov models, a row at a time, against answers about whole sequences."""

import numpy as np
import pytest

from mmgraph.graph.errors import EvidenceError, FormatError, ZeroProbabilityError
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
from tests.inference.exact.chain.log_domain import smoothed
from tests.learning.dynamic.emissions.drawn_emissions import KINDS, drawn

STEPS = 25


def drawn_model(kind, seed=0, zeros=True):
    """A model of three states, and a sequence of it with cells missing and an outlier."""
    generator = np.random.default_rng(seed)
    emission = drawn(generator, kind)
    transition = generator.dirichlet(np.ones(3), 3)
    if zeros:
        transition[0] = [0.9, 0.1, 0.0]
    model = HiddenMarkovModel(3, emission)
    model.set_parameters(generator.dirichlet(np.ones(3)), transition, emission)
    if kind == "scores":
        rows = 50 * generator.standard_normal((STEPS, 3))
        rows[4, 1] = -np.inf
    else:
        rows, _ = model.sample(STEPS, seed)
        if kind not in ("categorical", "modalities"):
            rows[7] += 50
    rows[generator.random(rows.shape) < 0.2] = np.nan
    rows[5] = np.nan
    return model, rows


@pytest.mark.parametrize("kind", [*KINDS, "scores"])
def test_steps_are_filtered_marginals(kind):
    model, rows = drawn_model(kind)
    chain = model.parameters
    logs = chain.emission.log_densities(chain.emission.prepared(rows))
    truth = smoothed(*chain.chain, logs)
    running = model.filter()
    for t, row in enumerate(rows):
        np.testing.assert_allclose(running.step(row), truth.filtered[t], rtol=1e-9, atol=1e-12)
        prefix = model.posterior(rows[: t + 1])[-1]
        np.testing.assert_allclose(truth.filtered[t], prefix, rtol=1e-9, atol=1e-12)
    assert running.steps == STEPS
    np.testing.assert_allclose(running.log_likelihood, model.log_likelihood(rows), rtol=1e-10)
    ahead = truth.filtered[-1]
    for steps in range(3):
        np.testing.assert_allclose(running.predict(steps), ahead)
        ahead = ahead @ chain.transition
    np.testing.assert_allclose(model.forecast(rows, 2)[-1], running.predict(2))


@pytest.mark.parametrize("lag", [1, 4, 40])
def test_a_lag_smooths_with_the_rows_after(lag):
    model, rows = drawn_model("full")
    running = model.filter(lag)
    for t, row in enumerate(rows):
        told = running.step(row)
        posterior = model.posterior(rows[: t + 1])
        np.testing.assert_allclose(told, posterior[max(t - lag, 0)], atol=1e-9)
        for back in range(min(lag, t) + 1):
            np.testing.assert_allclose(running.lagged(back), posterior[t - back], atol=1e-9)
    with pytest.raises(EvidenceError, match="steps are remembered, not one"):
        running.lagged(lag + 1)


@pytest.mark.parametrize("kind", ["diagonal", "autoregressive", "modalities"])
@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("cut", [0, 1, 10])
def test_a_saved_filter_goes_on(tmp_path, kind, lag, cut):
    model, rows = drawn_model(kind)
    whole, one = model.filter(lag), model.filter(lag)
    for row in rows[:cut]:
        one.step(row)
    one.save(tmp_path / "state")
    read = model.filter(lag, tmp_path / "state")
    used = model.filter(lag)
    for row in rows[5:20]:
        used.step(row)
    used.load(tmp_path / "state")  # what it had taken before is forgotten
    for t, row in enumerate(rows):
        truth = whole.step(row)
        if t >= cut:
            np.testing.assert_array_equal(read.step(row), truth)
            np.testing.assert_array_equal(used.step(row), truth)
    assert read.steps == used.steps == STEPS
    assert read.log_likelihood == used.log_likelihood == whole.log_likelihood


def test_states_of_other_filters_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "state"
    model, rows = drawn_model("diagonal")
    one = model.filter(2)
    for row in rows[:6]:
        one.step(row)
    one.save(path)
    four = HiddenMarkovModel(4).set_parameters(means=np.zeros((4, 3)), covariances=np.ones((4, 3)))
    others = [model.filter(lag) for lag in (0, 1, 3)]
    others += [four.filter(2), drawn_model("autoregressive")[0].filter(2)]
    for other in others:
        with pytest.raises(FormatError, match="another model, or of another lag"):
            other.load(path)
        assert other.steps == 0
        other.step(rows[0])  # it can still be used
    content = path.read_bytes()
    for damaged in (
        b"",
        content[:-1],
        content[:200],
        b"x" * 300,
        content.replace(b"rows", b"sows"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="is no state of a filter"):
            model.filter(2, path)
    path.write_bytes(content.replace(one._filtered[0].tobytes(), np.full(3, np.nan).tobytes()))
    with pytest.raises(FormatError, match="no number"):
        model.filter(2, path)
    with pytest.raises(FormatError, match="there is no file"):
        model.filter(2, tmp_path / "missing")


def test_impossible_rows_leave_a_filter_as_it_was():
    model = HiddenMarkovModel(2, "categorical").set_parameters(
        [1, 0], [[0.5, 0.5], [0, 1]], probabilities=[[1.0, 0], [0, 1]]
    )
    running = model.filter()
    running.step([0])
    running.step([1])
    before = running.log_likelihood
    with pytest.raises(ZeroProbabilityError, match="row of step 2 is impossible"):
        running.step([0])
    assert (running.steps, running.log_likelihood) == (2, before)
    np.testing.assert_array_equal(running.step([1]), [0, 1])


def test_what_is_wrong_is_named():
    model, rows = drawn_model("diagonal")
    with pytest.raises(EvidenceError, match="a lag is a number of steps, not -1"):
        model.filter(-1)
    running = model.filter()
    with pytest.raises(EvidenceError, match="remembered, not one 0 ago"):
        running.lagged(0)
    with pytest.raises(EvidenceError, match="some steps ahead, not -1"):
        running.predict(-1)
    np.testing.assert_array_equal(running.predict(1), model.parameters.start)
    for row, message in (
        (rows[0][:2], "3 finite cells, not 2"),
        ([0, np.inf, 0], "feature 1 of the row is infinite"),
        ([-np.inf, 0, 0], "feature 0 of the row is infinite"),
        (["a", 0, 0], "a row of 3 numbers is needed"),
    ):
        with pytest.raises(EvidenceError, match=message):
            running.step(row)
    assert running.steps == 0
