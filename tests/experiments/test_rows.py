"""Rows of data sets: aligned views with labels, and what tells a table of such rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import mmgraph as mm
from mmgraph import datasets
from mmgraph.experiments.rows import RowsModel, load_rows
from mmgraph.graph.errors import DatasetError

MODEL = RowsModel("m", "A model", "views")


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    tables = {"a": np.arange(12.0).reshape(4, 3), "b": np.ones((4, 1))}
    loaded = SimpleNamespace(views=tables, labels=np.array([7, 3, 7, 3]))
    monkeypatch.setattr(datasets, "load", lambda name: loaded)
    return tables


def test_all_views_with_a_schema_of_their_columns(views: dict[str, np.ndarray]):
    data = load_rows(MODEL)
    assert (data.modalities, data.target.name, data.target.labels) == (
        ("a", "b"), "label", ("3", "7"),
    )  # fmt: skip
    assert data.codes.tolist() == [1, 0, 1, 0]
    assert data.schema is not None
    table = {f"a[{i}]": column for i, column in enumerate(views["a"].T)}
    again = mm.MultimodalData.read(table, data.schema, partial=True)
    np.testing.assert_array_equal(again.numbers("a"), views["a"])
    assert again.block("b").missing.all()


def test_some_views_and_another_target(views: dict[str, np.ndarray]):
    data = load_rows(MODEL, "digit", ["b"])
    assert (data.modalities, data.target.name) == (("b",), "digit")


def test_a_view_that_is_not_there(views: dict[str, np.ndarray]):
    with pytest.raises(DatasetError, match="'views' has no modality 'c'"):
        load_rows(MODEL, modalities=["c"])


def test_data_without_modalities(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(datasets, "load", lambda name: SimpleNamespace(frame=None))
    with pytest.raises(DatasetError, match="'views' is no data set of modalities with a target"):
        load_rows(MODEL)
