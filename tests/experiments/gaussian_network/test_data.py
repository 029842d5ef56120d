"""Measurements as a declaration wants them: logarithms, groups, a graph without a cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments.gaussian_network import data
from mmgraph.experiments.gaussian_network.data import load_measurements, measurements, values_of
from mmgraph.experiments.gaussian_network.declaration import (
    AffectedColumns,
    GaussianNetworkDeclaration,
    read_gaussian_network,
)
from mmgraph.graph.errors import DatasetError
from tests.experiments.gaussian_network.measured import (
    EXPERIMENTS,
    GRAPH,
    SMALL,
    small_measurements,
    table,
)


@pytest.fixture
def declaration(tmp_path: Path) -> GaussianNetworkDeclaration:
    path = tmp_path / "three.toml"
    path.write_text(SMALL)
    return read_gaussian_network(path)


def test_logarithms_experiments_and_graph(declaration: GaussianNetworkDeclaration):
    measured = small_measurements(declaration)
    columns, experiment = table()
    np.testing.assert_allclose(values_of(measured.data)[:, 1], np.log(columns["b"]))
    assert measured.columns == ("a", "b", "c")
    assert measured.edges == (("a", "b"), ("b", "c"), ("a", "c"))
    assert measured.data.target.labels == EXPERIMENTS
    assert measured.data.groups is not None
    assert (measured.data.groups.codes == experiment).all()


def test_what_does_not_fit_is_named(declaration: GaussianNetworkDeclaration):
    columns, experiment = table()

    def made(columns=columns, edges=GRAPH, **changes):
        return measurements(
            columns, experiment, EXPERIMENTS, edges, replace(declaration, **changes)
        )

    with pytest.raises(DatasetError, match=r"cycle .*'turned'"):
        made(turned=())
    with pytest.raises(DatasetError, match="no edge a -> c"):
        made(turned=(("a", "c"),))
    with pytest.raises(DatasetError, match="no column 'd'"):
        made(affected=(AffectedColumns("d", ("d",)),))
    for number in (0.0, -1.0, np.nan, np.inf, 1e6):
        wrong = {**columns, "b": np.where(np.arange(400) == 7, number, columns["b"])}
        with pytest.raises(DatasetError, match="row 7 of 'sachs': 'b' is"):
            made(wrong)


def test_a_data_set_without_experiments(declaration: GaussianNetworkDeclaration, monkeypatch):
    monkeypatch.setattr("mmgraph.datasets.load", lambda name: object())
    with pytest.raises(DatasetError, match="no table of measurements"):
        data.load_measurements(declaration)


def test_the_real_graph_has_its_one_cycle_broken():
    measured = load_measurements(read_gaussian_network("cell_signalling_gaussian"))
    assert len(measured.data) == 7466
    assert len(measured.edges) == 18
    assert ("PIP3", "PIP2") in measured.edges
