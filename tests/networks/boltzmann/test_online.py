"""Learning batch by batch: what is kept between calls."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.learning.boltzmann.settings import TrainingSettings
from tests.networks.boltzmann.test_fitting import labelled as coded
from tests.networks.boltzmann_machines import every_family

X = mm.Variable("x", shape=(6,), family="gaussian")
OBJECTIVES = pytest.mark.parametrize("objective", ["contrastive_divergence", "multi_prediction"])


def labelled(rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = coded(rows, seed)
    return x, np.array(["b", "c", "a"])[y]


def classifier(**options) -> mm.RestrictedBoltzmannMachine:
    usual = {"learning_rate": 0.02, "batch_size": 20, "chains": 20}
    return mm.RestrictedBoltzmannMachine(
        X, 20, mm.Variable("y", ("c", "a", "b")), **{**usual, **options}
    )


def numbers(machine: mm.RestrictedBoltzmannMachine) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in machine.parameters().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@OBJECTIVES
def test_batches_teach_what_epochs_do(objective):
    x, y = labelled()
    machine = classifier(objective=objective)
    for _ in range(50 if objective == "contrastive_divergence" else 15):
        for first in range(0, 120, 40):
            machine.partial_fit(x[first : first + 40], y[first : first + 40])
    held_out, truth = labelled(200, 1)
    assert machine.score(held_out, truth) > 0.9
    assert machine.fit_report is None
    machine.fit(x, y, epochs=1)
    assert machine.fit_report is not None


@OBJECTIVES
def test_the_same_rows_again_and_again_are_epochs(objective):
    x, y = labelled()
    options = {"objective": objective, "schedule": "constant", "momentum": 0.5}
    whole = classifier(**options).fit(x, y, epochs=3)
    machine = classifier(**options)
    for _ in range(3):
        machine.partial_fit(x, y)
    assert same(numbers(machine), numbers(whole))


@OBJECTIVES
@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_a_copy_goes_on_with_the_same_optimiser_and_chains(objective, copied):
    x, y = labelled()
    machine = classifier(objective=objective, averaging=0.9)
    for _ in range(3):
        machine.partial_fit(x[:60], y[:60])
    other = copied(copied(machine))
    afresh = classifier(objective=objective, averaging=0.9)
    afresh.adopt(copy.deepcopy(machine).factors)
    for _ in range(2):
        for one in (machine, other, afresh):
            one.partial_fit(x[60:], y[60:])
    assert same(numbers(machine), numbers(other))
    assert not same(numbers(machine), numbers(afresh))


def test_options_that_change_on_the_way():
    x, y = labelled()
    one, other = classifier(), classifier()
    for machine in (one, other):
        machine.partial_fit(x, y)
    kept = one.online
    one.partial_fit(x, y, learning_rate=0.01)
    other.set_params(learning_rate=0.01).partial_fit(x, y)
    assert one.online is kept
    assert same(numbers(one), numbers(other))
    one.partial_fit(x, y, momentum=0.0)
    assert one.online is not kept


def test_a_fitted_machine_goes_on_with_any_batch():
    x, y = labelled()
    machine = classifier(epochs=30).fit(x, y)
    before = machine.score(x, y)
    constant = np.repeat(x[:1], 4, 0)  # says nothing of how columns vary
    machine.partial_fit(constant, y[:1].repeat(4), learning_rate=1e-4)
    machine.partial_fit(x[:1], y[:1], learning_rate=1e-4, blocks=1)
    assert machine.score(x, y) >= before - 0.05
    moved = classifier()
    with pytest.raises(LearningError, match="same value"):
        moved.partial_fit(constant, y[:4])


def test_a_machine_of_every_family_and_batches_with_gaps():
    machine = every_family()
    generator = np.random.default_rng(0)
    for _ in range(3):
        batch = {
            "depth": generator.normal(size=(12, 2)),
            "words": generator.integers(1, 4, (12, 2)),
            "rate": generator.exponential(size=(12, 1)),
            "pixels": generator.random((12, 2)),
            "colour": generator.integers(0, 3, (12, 1)),
        }
        machine.partial_fit(batch, generator.choice(["a", "b", None], 12), learning_rate=1e-3)
    machine.partial_fit({**batch, "pixels": None}, [None] * 12, learning_rate=1e-3)
    assert all(t.isfinite().all() for t in machine.parameters().values())


def test_classes_that_come_later():
    x, y = labelled()
    machine = mm.RestrictedBoltzmannMachine(hidden=20, labels="y", batch_size=20, chains=20)
    first = y != "c"
    machine.partial_fit(x[first], y[first], classes=["a", "b", "c"])
    machine.partial_fit(x, y)
    assert machine.classes_.tolist() == ["a", "b", "c"]
    with pytest.raises(LearningError, match="classes has 'd', which is no label of 'y'"):
        machine.partial_fit(x, y, classes=["a", "d"])
    with pytest.raises(EvidenceError, match=r"X has 5 features, but \w+ is expecting 6"):
        machine.partial_fit(x[:, :5], y)
    with pytest.raises(LearningError, match="give y"):
        machine.partial_fit(x)


def test_divergence_leaves_the_numbers_of_the_batch_before():
    x, y = labelled()
    machine = classifier().partial_fit(x, y)
    before = numbers(machine)
    with pytest.raises(LearningError, match="diverged in batch 2"):
        machine.partial_fit(x, y, learning_rate=1e6)
    assert same(numbers(machine), before)
    machine.partial_fit(x, y)
    assert not same(numbers(machine), before)
    with pytest.raises(LearningError, match="1 rows cannot be cut into 2 blocks; set blocks=1"):
        machine.partial_fit(x[:1], y[:1])


A = mm.Variable("a", shape=(3,), family="gaussian")
B = mm.Variable("b", shape=(4,), family="bernoulli")
REALS = np.random.default_rng(1).normal(size=(40, 3))
BITS = (np.random.default_rng(2).random((40, 4)) < 0.5).astype(np.float64)


def two_layers(**options) -> mm.RestrictedBoltzmannMachine:
    return mm.RestrictedBoltzmannMachine([A, B], 5, **options)


@pytest.mark.parametrize("gap", [{"b": BITS}, {"a": REALS * np.nan, "b": BITS}])
def test_a_later_batch_may_lack_real_values(gap):
    machine = two_layers().partial_fit({"a": REALS, "b": BITS}).partial_fit(gap)
    assert machine.online.training.batches == 2
    after_fit = two_layers(epochs=2).fit({"a": REALS, "b": BITS}).partial_fit(gap)
    assert all(t.isfinite().all() for t in after_fit.parameters().values())
    watched = two_layers(epochs=2).fit({"a": REALS, "b": BITS}, validation=gap)
    assert len(watched.fit_report.history) == 2


@pytest.mark.parametrize("first", [{"b": BITS}, {"a": REALS[:1], "b": BITS[:1]}])
def test_the_first_batch_tells_the_units_of_real_values(first):
    with pytest.raises(LearningError, match=r"element \[0\] of 'a' in fewer than two rows"):
        two_layers(blocks=1).partial_fit(first)


def test_rectified_hidden_units_go_on():
    machine = mm.RestrictedBoltzmannMachine(A, 5, hidden_family="rectified_gaussian", epochs=2)
    machine.fit(REALS).partial_fit(REALS).partial_fit(REALS, momentum=0.3)
    assert machine.online.training.batches == 1  # other options begin anew


@pytest.mark.parametrize("made", [mm.RestrictedBoltzmannMachine, mm.DeepBoltzmannMachine])
def test_layers_of_the_data_and_options_without_effect_keep_the_state(made):
    machine = made(hidden=5)
    machine.partial_fit(BITS)
    first = machine.online
    machine.partial_fit(BITS).partial_fit(BITS, epochs=9, device="cpu", learning_rate=0.5)
    assert machine.online is first
    assert first.training.batches == 3


def test_settings_of_the_call_win():
    machine = two_layers(learning_rate=0.1)
    settings = TrainingSettings(learning_rate=0.5, chains=8)
    machine.partial_fit({"a": REALS, "b": BITS}, settings=settings)
    assert machine.online.options.settings == settings


@pytest.mark.parametrize("rate", [100.0, 1000.0])
def test_batches_that_end_below_biases_alone_are_an_error(rate):
    words = mm.Variable("words", shape=(30,), family="replicated_softmax")
    counts = np.random.default_rng(0).multinomial(1000, np.full(30, 1 / 30), 20)
    machine = mm.RestrictedBoltzmannMachine(words, 8, optimiser="sgd", learning_rate=rate)

    def learn() -> None:
        for _ in range(8):
            machine.partial_fit(counts)

    with pytest.raises(LearningError, match="by biases alone"):
        learn()
    if machine.is_fitted:  # with the numbers of the batch before
        assert float(machine.log_likelihood(counts).value.mean()) > -1000


def test_values_that_would_vanish_are_refused_as_in_fit():
    signs = 2 * BITS - 1
    y = np.array(["p", "q"] * 20)
    with pytest.raises(LearningError, match="-1"):
        mm.RestrictedBoltzmannMachine(B, 3, mm.Variable("y", ("p", "q"))).partial_fit(signs, y)
