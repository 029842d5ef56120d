"""Training by batches takes the steps that training by epochs takes, and goes on from its state."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training.online import OnlineTraining
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from tests.networks.boltzmann_machines import every_family, rows_of

SETTINGS = TrainingSettings(
    epochs=4, batch_size=6, chains=8, learning_rate=0.01, averaging=0.5, seed=3
)


def started() -> tuple[mm.FactorGraph, TrainingRows]:
    machine = every_family()
    rows = {name: array[:5] for name, array in rows_of(machine).items()}
    evidence = mm.Evidence.of(rows, machine.variables)
    return machine, TrainingRows.of(machine, evidence, dtype=torch.float64)


def online(state: dict[str, torch.Tensor] | None = None) -> tuple[OnlineTraining, TrainingRows]:
    machine, rows = started()
    return OnlineTraining(machine, rows, SETTINGS, None, rows.clamped, state), rows


def numbers(graph: mm.FactorGraph) -> list[torch.Tensor]:
    return [tensor.clone() for factor in graph.factors for tensor in factor.tensors()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_whole_data_as_a_batch_is_an_epoch():
    machine, rows = started()
    train(machine, rows, settings=SETTINGS)
    training, rows = online()
    for _ in range(SETTINGS.epochs):
        training.learn(rows, SETTINGS.learning_rate)
    assert same(numbers(training.graph), numbers(machine))


def test_a_state_goes_on_as_if_nothing_had_happened():
    training, rows = online()
    for _ in range(2):
        training.learn(rows, 0.01)
    state = training.state()
    other, _ = online(state)
    for one in (training, other):
        one.learn(rows, 0.02)
    assert same(numbers(training.graph), numbers(other.graph))
    again, _ = online(state)  # the state is a copy, which nothing has changed
    again.learn(rows, 0.02)
    assert same(numbers(again.graph), numbers(other.graph))
    assert again.batches == 3


def test_a_batch_that_diverges_changes_no_number():
    training, rows = online()
    training.learn(rows, 0.01)
    before = numbers(training.graph)
    with pytest.raises(LearningError, match="diverged in batch 2"):
        training.learn(rows, 1e9)
    assert same(numbers(training.graph), before)
