"""Training that has led nowhere says so."""

import warnings

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import UselessLabelsWarning

RNG = np.random.default_rng(0)
Y = np.repeat(["a", "b", "c"], 40)  # in the order of the labels, as tables often are
X = RNG.normal(size=(120, 4)) + 4 * np.eye(4)[np.searchsorted(["a", "b", "c"], Y)]


def machine(**options) -> mm.RestrictedBoltzmannMachine:
    usual = {"objective": "multi_prediction", "batch_size": 20, "epochs": 25, "seed": 1}
    usual["learning_rate"] = 0.05
    return mm.RestrictedBoltzmannMachine(hidden=8, labels="kind", **(usual | options))


def test_labels_that_are_predicted_no_better_than_by_chance():
    with pytest.warns(UselessLabelsWarning, match=r"right in 0\.\d+ of them .*label: 0\.333"):
        machine(learning_rate=1e-7, epochs=2).fit(X, Y)


def test_labels_that_are_learned_call_for_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UselessLabelsWarning)
        assert machine().fit(X, Y).score(X, Y) > 0.95


def test_a_rare_label_calls_for_no_warning():
    """Sound probabilities that never reach a half are of use, and hit no more often than chance."""
    x = RNG.normal(size=(600, 4))
    y = np.where(RNG.random(600) < np.where(x[:, 0] > 0.5, 0.4, 0.02), "yes", "no")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UselessLabelsWarning)
        machine(batch_size=60).fit(x, y)
