"""A fit without any options gets somewhere on small tables, and says so where it does not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import ConstantRepresentationWarning
from mmgraph.networks.boltzmann.options import LIKELIHOOD_DEFAULTS, fit_options, suited_to_rows


def deep(hidden=(8, 6), labels=None, features=6):
    variable = mm.Variable("x", shape=(features,), family="gaussian")
    generator = torch.Generator().manual_seed(0)
    return mm.DeepBoltzmannMachine(variable, hidden, labels, generator=generator)


@pytest.mark.parametrize(
    ("rows", "named", "batch", "epochs"),
    [
        (398, {}, 49, 63),
        (40, {}, 10, 125),
        (5, {}, 10, 500),
        (60_000, {}, 100, 50),
        (398, {"epochs": 7}, 49, 7),
        (398, {"batch_size": 398}, 398, 500),
        (40, {"blocks": 20}, 20, 250),
    ],
)
def test_epochs_and_batches_suit_the_rows(rows, named, batch, epochs):
    found = suited_to_rows(named, rows)
    assert (found["batch_size"], found["epochs"]) == (batch, epochs)


def test_what_is_named_is_not_replaced():
    machine = deep()
    chosen = fit_options({}, None, {}, machine.layers, 398)
    assert chosen.settings.optimiser == LIKELIHOOD_DEFAULTS["optimiser"]
    assert (chosen.pretrain, chosen.weight_scale, chosen.settings.epochs) == ("greedy", 0.1, 63)
    named = {"pretrain": None, "weight_scale": 0.5, "learning_rate": 0.5}
    chosen = fit_options({}, None, named, machine.layers, 398)
    assert (chosen.pretrain, chosen.weight_scale, chosen.settings.learning_rate) == (None, 0.5, 0.5)
    assert fit_options({}, None, {"optimiser": "sgd"}, machine.layers, 398).pretrain is None
    assert fit_options({}, None, {"warm_start": True}, machine.layers, 398).pretrain is None
    words = mm.Variable("words", shape=(4,), family="replicated_softmax")
    layers = mm.RestrictedBoltzmannMachine(words, 3).layers
    chosen = fit_options({}, None, {}, layers, 398)
    assert (chosen.weight_scale, chosen.settings.persistent, chosen.pretrain) == (None, False, None)


def clusters(rows=120):
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, rows)
    return np.where(y, 1.0, -1.0)[:, None] + 0.7 * generator.normal(size=(rows, 6)), y


def test_a_separable_label_is_learned():
    x, y = clusters()
    variable = mm.Variable("x", shape=(6,), family="gaussian")
    machine = mm.RestrictedBoltzmannMachine(variable, 8, mm.Variable("y", 2)).fit(x, y)
    assert (machine.predict(x) == y).mean() > 0.95


@pytest.mark.slow
def test_a_deep_machine_tells_rows_apart():
    x, y = clusters()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConstantRepresentationWarning)
        machine = deep().fit(x)
    joint = machine.represent(x).numpy()
    apart = np.abs(joint[y == 1].mean(0) - joint[y == 0].mean(0)).max()
    assert apart > 0.1


def test_a_constant_representation_is_warned_of():
    x, _ = clusters()
    with pytest.warns(ConstantRepresentationWarning, match="says the same of every row"):
        machine = deep().fit(x, optimiser="sgd", learning_rate=1e-3, epochs=2)
    assert float(machine.represent(x).std(0).max()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "seed"), [((16,), 0), ((32, 16), 1)])
def test_breast_cancer_by_default_fits(hidden, seed):
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline

    x, y = load_breast_cancer(return_X_y=True)
    train, test = train_test_split(np.arange(569), test_size=0.3, random_state=seed, stratify=y)
    pipeline = make_pipeline(deep(hidden, features=30), LogisticRegression(max_iter=1000))
    assert pipeline.fit(x[train], y[train]).score(x[test], y[test]) > 0.87
