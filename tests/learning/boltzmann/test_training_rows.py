"""Rows to train on: read once, checked, cut into batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, LearningError, UnknownStateError
from mmgraph.learning.boltzmann.training_rows import TrainingRows, check_same_layers
from tests.learning.boltzmann_machines import machine


def rows_of(family, given):
    graph = machine(family)
    return TrainingRows.of(graph, mm.Evidence.of(given, graph.variables), dtype=torch.float64)


def test_batches_means_and_checksums():
    values = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    rows = rows_of("bernoulli", {"v": values})
    assert rows.count == 3
    batch = rows.batch(torch.tensor([2, 0]))["v"]
    assert batch.values.tolist() == [[0, 0, 0], [0, 1, 1]]
    assert batch.known is None
    assert rows.means()["v"].tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 3])
    assert rows.some(slice(1, 3)).count == 2
    other = rows_of("bernoulli", {"v": 1 - values})
    assert rows.fingerprint() == rows_of("bernoulli", {"v": values}).fingerprint()
    assert rows.fingerprint() != other.fingerprint()


def test_missing_units_are_left_out_of_means():
    nan = float("nan")
    rows = rows_of("gaussian", {"v": np.array([[1.0, nan, 0.0], [3.0, 5.0, 1.0], [2.0, 4.0, nan]])})
    assert rows.means()["v"].tolist() == pytest.approx([2.0, 4.5, 0.5])
    assert rows.batch(slice(0, 1))["v"].known.tolist() == [[True, False, True]]


def test_lengths_of_documents():
    rows = rows_of("replicated_softmax", {"v": np.array([[3.0, 1, 0], [0, 1, 1], [2, 2, 2]])})
    assert rows.lengths()["v"].tolist() == [2, 4, 6]


@pytest.mark.parametrize(("family", "given", "message"), [
    ("bernoulli", None, "nothing is observed"),
    ("gaussian", {"v": [[1.0, 2, 0], [3, 2, 1]]}, r"'v\[1\]' has the same value \(2\)"),
    ("gaussian", {"v": [[1.0, 2, 0], [3, float("nan"), 1]]}, r"'v\[1\]' has the same value"),
    ("categorical", {"v": mm.soft(np.zeros((2, 2, 3)))}, "soft evidence for 'v'"),
    ("bernoulli", {"v": [[0, 1, 1], [-1, -1, -1]]}, "row 1 observes nothing"),
])  # fmt: skip
def test_rows_that_nothing_is_learned_from_are_refused(family, given, message):
    with pytest.raises(LearningError, match=message):
        rows_of(family, given if not isinstance(given, dict) else {
            k: v if not isinstance(v, list) else np.array(v) for k, v in given.items()
        })  # fmt: skip


def test_values_out_of_a_familys_range_are_refused():
    with pytest.raises((EvidenceError, UnknownStateError), match="7"):
        rows_of("bernoulli", {"v": np.array([[0, 1, 7]])})
    with pytest.raises(EvidenceError, match="document 'v' has no words in row 1"):
        rows_of("replicated_softmax", {"v": np.array([[1.0, 2, 0], [0, 0, 0]])})


def test_what_is_no_layer_is_refused():
    a, b = mm.Variable("a", shape=(2,), family="bernoulli"), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.BiasFactor(a, torch.zeros(2))])
    with pytest.raises(LearningError, match="'b' is no layer of units"):
        TrainingRows.of(graph, mm.Evidence.of({"b": [0, 1]}, graph.variables))


def test_validation_rows_observe_no_other_layer():
    with pytest.raises(LearningError, match=r"observe 'view', .* did you mean 'views'"):
        check_same_layers({"views": None}, {"view": None})
