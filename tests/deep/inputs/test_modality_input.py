"""Rows of modalities as cells: scales, what is there, what does not vary."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import FURTHEST, cells_of, fitted_inputs
from mmgraph.graph.errors import LearningError, MemoryBudgetError


def data(**modalities) -> mm.MultimodalData:
    return mm.MultimodalData.of(modalities)


def test_columns_are_normal_quantiles_and_states_are_ones():
    random = np.random.default_rng(0)
    table = random.lognormal(size=(200, 2))
    table[3, 0] = np.nan
    rows = data(lab=table)
    cells = cells_of(rows, fitted_inputs(rows, ["lab"]))["lab"]
    assert cells.values.shape == (200, 2)
    assert cells.lengths is None
    assert not cells.there[3, 0]
    assert cells.values[3, 0] == 0
    assert int(cells.there.sum()) == 399
    assert abs(float(cells.values.mean())) < 0.05
    assert float(cells.values.abs().max()) <= FURTHEST


def test_channels_of_sequences_are_standardised_over_all_their_steps():
    random = np.random.default_rng(0)
    values = [5 + 2 * random.standard_normal((n, 2)) for n in (4, 9, 6)] + [None]
    values[0][1, 1] = np.nan
    rows = data(watch=values)
    inputs = fitted_inputs(rows, ["watch"])
    assert inputs["watch"].shape == (0, 2)
    cells = cells_of(rows, inputs)["watch"]
    assert cells.values.shape == (4, 9, 2)
    assert cells.lengths.tolist() == [4, 9, 6, 0]
    assert cells.present.tolist() == [True, True, True, False]
    assert not cells.there[0, 1, 1]
    assert not cells.there[0, 4:].any()
    kept = cells.values[..., 0][cells.there[..., 0]]
    np.testing.assert_allclose([kept.mean(), kept.std(correction=0)], [0, 1], atol=1e-5)
    assert cells.rows(torch.tensor([2, 0])).values.shape == (2, 6, 2)


def test_what_does_not_vary_is_not_there():
    random = np.random.default_rng(0)
    rows = data(image=np.ones((6, 3, 3)), lab=np.stack([random.standard_normal(6), np.ones(6)], 1))
    inputs = fitted_inputs(rows, ["image", "lab"])
    assert list(inputs) == ["lab"]
    assert inputs["lab"].shape == (1,)
    with pytest.raises(LearningError, match="no column of the data varies"):
        fitted_inputs(rows, ["image"])


def test_texts_are_refused_by_name():
    with pytest.raises(LearningError, match="the modality 'note' cannot be encoded"):
        fitted_inputs(data(note=["a b", "c"]), ["note"])


def test_memory_is_estimated_first(monkeypatch):
    rows = data(watch=[np.random.default_rng(0).standard_normal((50, 3)) for _ in range(4)])
    inputs = fitted_inputs(rows, ["watch"])
    monkeypatch.setattr("mmgraph.deep.inputs.modality_input.default_memory_budget", lambda: 1000)
    with pytest.raises(MemoryBudgetError, match="4 sequences of up to 50 steps would need"):
        cells_of(rows, inputs)


def test_hidden_rows_have_nothing():
    cells = Cells(torch.ones(3, 2), torch.tensor([[True, False], [True, True], [False, False]]))
    hidden = cells.hidden(torch.tensor([True, False, False]))
    assert hidden.present.tolist() == [False, True, False]
    assert hidden.values[0].tolist() == [0, 0]
    assert hidden.values[1].tolist() == [1, 1]
