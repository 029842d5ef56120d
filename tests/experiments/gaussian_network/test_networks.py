"""Densities by networks beside plain normal distributions, and beside sums over bins."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.experiments.gaussian_network.data import Measurements, values_of
from mmgraph.experiments.gaussian_network.declaration import (
    AffectedColumns,
    DiscretisedDeclaration,
    GaussianNetworkDeclaration,
    ValidationDeclaration,
)
from mmgraph.experiments.gaussian_network.networks import (
    DiscretisedNetworkDensity,
    GaussianNetworkDensity,
    learned_network,
)
from mmgraph.experiments.gaussian_network.normals import Normals
from tests.experiments.gaussian_network.measured import COLUMNS, small_measurements

EDGES = np.linspace(-8.0, 8.0, 9)


@pytest.fixture
def measured() -> Measurements:
    return small_measurements(
        GaussianNetworkDeclaration(
            "three",
            "three",
            "sachs",
            turned=(("c", "a"),),
            affected=(AffectedColumns("all", COLUMNS),),
            discretised=DiscretisedDeclaration((1e-6, 1e6), (8,), (10.0,)),
            validation=ValidationDeclaration(),
        )
    )


def gaussian(measured: Measurements, affected: tuple[str, ...]) -> GaussianNetworkDensity:
    data = measured.data
    network = learned_network(
        data, COLUMNS, measured.edges, affected, "maximum_likelihood", continuous=COLUMNS
    )
    return GaussianNetworkDensity(network, COLUMNS, data.target.labels)


def discretised(measured: Measurements) -> DiscretisedNetworkDensity:
    data = measured.data
    bins = dict.fromkeys(COLUMNS, EDGES)
    network = learned_network(
        data, COLUMNS, measured.edges, COLUMNS, "bdeu", bins=bins, equivalent_sample_size=10.0
    )
    return DiscretisedNetworkDensity(network, COLUMNS, data.target.labels, EDGES)


def test_a_complete_graph_is_a_full_covariance(measured: Measurements):
    """All three columns are joined: by experiment as each one's normal distribution."""
    values, codes = values_of(measured.data), measured.data.codes
    network, normals = gaussian(measured, COLUMNS), Normals.learned(values, codes)
    for told in (codes, None):
        np.testing.assert_allclose(
            network.log_density(values, told), normals.log_density(values, told), rtol=1e-9
        )
        for column in range(3):
            np.testing.assert_allclose(
                network.imputed(values, column, told),
                normals.imputed(values, column, told),
                rtol=1e-7,
                atol=1e-9,
            )


def test_an_experiment_that_affects_nothing(measured: Measurements):
    values, codes = values_of(measured.data), measured.data.codes
    network, normals = gaussian(measured, ()), Normals.learned(values)
    for told in (codes, None):
        np.testing.assert_allclose(network.log_density(values, told), normals.log_density(values))


def test_densities_over_bins_integrate_to_one(measured: Measurements):
    network = discretised(measured)
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    points = np.stack(np.meshgrid(centres, centres, centres), -1).reshape(-1, 3)
    volume = (EDGES[1] - EDGES[0]) ** 3
    for told in (None, np.full(len(points), 2)):
        assert np.exp(network.log_density(points, told)).sum() * volume == pytest.approx(1)


def test_a_column_is_imputed_from_the_bins_of_the_others(measured: Measurements):
    """The expected centre, whatever stands in the column itself."""
    network = discretised(measured)
    values = values_of(measured.data)[:5]
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    points = np.repeat(values, len(centres), axis=0)
    points[:, 1] = np.tile(centres, 5)
    weights = np.exp(network.log_density(points)).reshape(5, -1)
    expected = weights @ centres / weights.sum(1)
    np.testing.assert_allclose(network.imputed(values, 1), expected)
    np.testing.assert_allclose(network.imputed(values + np.array([0, 3, 0]), 1), expected)
