"""Bernoulli units take probabilities of being on, in place of states."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownStateError
from mmgraph.networks.boltzmann.inputs.grey_values import grey_in, read_with_grey
from tests.networks.boltzmann_machines import scattered

PIXELS = mm.Variable("pixels", shape=(3,), family="bernoulli", modality="camera")
LEVEL = mm.Variable("level", family="gaussian", modality="camera")
SWITCH = mm.Variable("switch", ("off", "on"), family="bernoulli")


def machine(*visible: mm.Variable, labels: mm.Variable | None = None):
    return scattered(
        mm.RestrictedBoltzmannMachine(visible or (PIXELS,), 4, labels, dtype=torch.float64)
    )


def test_hidden_units_hear_the_probabilities():
    grey = np.array([[0.2, 0.7, 1.0], [0.0, 0.5, 0.25]])
    found = machine()
    numbers = found.parameters()
    weights, bias = numbers["weights:pixels:hidden"].numpy(), numbers["bias:hidden"].numpy()
    expected = expit(grey @ weights + bias)
    np.testing.assert_allclose(found.represent(grey), expected)
    np.testing.assert_allclose(found.represent(csr_array(grey)), expected)
    np.testing.assert_allclose(found.represent({"pixels": grey}), expected)
    np.testing.assert_allclose(found.represent({"pixels": torch.tensor(grey)}), expected)
    np.testing.assert_allclose(found.represent(grey[0]), expected[:1])
    columns = [f"pixels[{i}]" for i in range(3)]
    np.testing.assert_allclose(found.represent(pandas.DataFrame(grey, columns=columns)), expected)
    theirs = BernoulliRBM(n_components=4)
    theirs.components_, theirs.intercept_hidden_ = weights.T, bias
    np.testing.assert_allclose(found.represent(grey), theirs.transform(grey))


def test_missing_grey_values_are_filled_in():
    labels = mm.Variable("y", ("b", "a"))
    found = machine(PIXELS, LEVEL, SWITCH, labels=labels)
    rows = {"pixels": [[0.5, np.nan, 1.0]], "switch": [0.3], "level": [0.1]}
    filled = found.impute(rows)["pixels"]
    np.testing.assert_allclose(filled[0, [0, 2]], [0.5, 1.0])
    assert 0 < filled[0, 1] < 1
    both = {"camera": np.array([[0.5, np.nan, 1.0, 0.1]]), "switch": ["on"]}
    assert found.predict_proba(both).shape == (1, 2)
    assert grey_in(read_with_grey(rows, found.variables)) == ("pixels", "switch")


def test_whole_numbers_are_states_as_ever():
    found = machine()
    states = np.array([[0, 1, 1]])
    for given in (states, states.astype(float), states.astype(bool)):
        assert grey_in(read_with_grey({"pixels": given}, found.variables)) == ()
        torch.testing.assert_close(found.represent(given), found.represent(states))


def test_the_likelihood_of_grey_values_bounds_that_of_states_drawn_from_them():
    found = machine()
    grey = np.array([[0.2, 0.7, 0.9]])
    bound = found.log_likelihood(grey)
    assert bound.kind == "lower bound"
    states = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    weights = np.prod(np.where(states == 1, grey, 1 - grey), axis=1)
    mean = float((weights * found.log_likelihood(states).value.numpy()).sum())
    assert mean - 1 < float(bound.value[0]) <= mean
    assert found.score(grey) == pytest.approx(float(bound.value[0]))


@pytest.mark.parametrize(
    "options",
    [
        {"optimiser": "adam", "learning_rate": 0.04, "persistent": False, "epochs": 8},
        {"objective": "multi_prediction", "learning_rate": 0.04, "epochs": 8},
    ],
    ids=lambda options: options.get("objective", "contrastive_divergence"),
)
def test_machines_learn_from_grey_images(options):
    loaded = load_digits(n_class=4)
    x, y = loaded.data / 16, loaded.target
    visible = mm.Variable("image", shape=(8, 8), family="bernoulli")
    found = mm.RestrictedBoltzmannMachine(
        visible, 24, mm.Variable("digit", 4), batch_size=50, **options
    ).fit({"image": x[:300].reshape(-1, 8, 8)}, y[:300])
    assert found.score({"image": x[500:].reshape(-1, 8, 8)}, y[500:]) > 0.85
    np.testing.assert_allclose(found.predict_proba(x[500:]).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda m: m.represent([[0.5, 2.0, 0.0]]), EvidenceError, r"row 0, element \[1\].*holds 2"),
        (lambda m: m.represent([[0.5, -1.0, 0.0]]), EvidenceError, r"element \[1\].*holds -1"),
        (lambda m: m.represent([[0.5, 0, 0]], method="gibbs"), EvidenceError, "'gibbs' cannot"),
        (lambda m: m.represent([[0.5, 0, 0]], method="auto"), EvidenceError, "'auto' cannot take"),
        (lambda m: m.sample(2, [[0.5, 0, 0]]), EvidenceError, "sampling cannot take"),
        (
            lambda m: m.impute([[0.5, np.nan, 0]], draws=2), EvidenceError, "sampling cannot take"
        ),
        (
            lambda m: m.log_likelihood([[0.5, 0, 0]], method="annealed_importance_sampling"),
            EvidenceError, "annealed_importance_sampling' cannot",
        ),
        (lambda m: mm.query(m, {"pixels": [[0.5, 0, 0]]}), UnknownStateError, "no state|0.5"),
    ],
)  # fmt: skip
def test_grey_values_where_states_are_needed(ask, error, message):
    with pytest.raises(error, match=message):
        ask(machine())


def test_labels_of_one_and_two_are_no_probabilities():
    numbered = mm.Variable("pixels", (1, 2), shape=(3,), family="bernoulli")
    with pytest.raises(UnknownStateError):
        machine(numbered).represent([[0.5, 1, 2]])
