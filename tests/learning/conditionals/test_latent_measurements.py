"""Continuous variables that no row observes: EM finds what explains their children best."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.learning.conditionals.fitting import LatentVariableWarning

ROWS = 300


def measurements(level: np.ndarray, seed: int = 1) -> dict[str, np.ndarray]:
    """Three that a level explains, in units of their own."""
    noise = np.random.default_rng(seed).normal(size=(3, len(level)))
    return {f"m{i}": 10.0**i * (level * (i + 1) + 0.5 * noise[i]) + 7 for i in range(3)}


def best_of_one_factor(columns: dict[str, np.ndarray]) -> float:
    """Three variables' covariance is that of one factor, so that factor analysis attains it."""
    rows = np.stack(list(columns.values()), 1)
    covariance = np.cov(rows.T, bias=True)
    return float(-0.5 * (3 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + 3))


def learned(columns, edges, seed=0, **options) -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_data(
        columns,
        edges,
        "em",
        generator=torch.Generator().manual_seed(seed),
        **options,
    )


EDGES = [("l", f"m{i}") for i in range(3)]


@pytest.mark.parametrize("seed", range(3))
def test_one_latent_variable_is_factor_analysis(seed):
    columns = measurements(np.random.default_rng(0).normal(size=ROWS))
    net = learned(columns, EDGES, seed, continuous=["l"], tolerance=1e-9, max_iterations=500)
    assert net.fit_report.converged
    best = best_of_one_factor(columns)
    assert best - 0.002 < net.fit_report.log_likelihoods[-1] / ROWS < best + 1e-9
    assert np.diff(net.fit_report.objectives).min() > -1e-6
    assert 0.2 < float(net.distribution("l").variance) < 5


def test_likelihood_alone_reaches_the_optimum_with_two_latent_variables_to_spare():
    columns = measurements(np.random.default_rng(0).normal(size=ROWS))
    edges = [*EDGES, *(("k", f"m{i}") for i in range(3))]
    net = learned(
        columns, edges, continuous=["l", "k"], shrinkage=0.0, tolerance=1e-10, max_iterations=2000
    )
    best = best_of_one_factor(columns)
    assert net.fit_report.log_likelihoods[-1] / ROWS == pytest.approx(best, abs=1e-4)


def test_a_latent_variable_has_levels_and_spreads_by_its_discrete_parent():
    source = np.random.default_rng(0)
    group = source.integers(0, 3, ROWS)
    level = np.array([0.0, 3.0, -2.0])[group] + np.array([1.0, 0.5, 2.0])[group] * source.normal(
        size=ROWS
    )
    columns = {"g": np.array(list("abc"))[group], **measurements(level)}
    net = learned(columns, [("g", "l"), *EDGES], continuous=["l"])
    assert net.fit_report.converged
    latent = net.distribution("l")
    deviation = latent.variance.sqrt()
    np.testing.assert_allclose(deviation / deviation[0], [1, 0.5, 2], rtol=0.25)
    apart = (latent.intercept - latent.intercept[0]) / deviation[0]
    apart = apart * torch.sign(net.distribution("m0").coefficients[0])
    np.testing.assert_allclose(apart, [0, 3, -2], atol=0.6)


def test_what_no_row_observes_is_said():
    columns = measurements(np.random.default_rng(0).normal(size=60))
    with pytest.warns(LatentVariableWarning, match="no row observes 'l'"):
        mm.BayesianNetwork.from_data(columns, EDGES, continuous=["l"])
    columns["l"] = np.full(60, np.nan)
    with pytest.warns(LatentVariableWarning, match="no row observes 'l'"):
        net = mm.BayesianNetwork.from_data(columns, EDGES, continuous=["l"])
    assert abs(float(net.distribution("m0").coefficients[0])) > 0.1


def test_a_latent_variable_that_no_edge_names_is_refused():
    columns = measurements(np.zeros(8))
    with pytest.raises(UnknownVariableError, match="continuous names 'ml', which is no column"):
        mm.BayesianNetwork.from_data(columns, [("m0", "m1")], continuous=["ml"])


@pytest.mark.parametrize("holes", [0, 5])
def test_a_constant_column_is_refused_with_and_without_missing_cells(holes):
    columns = measurements(np.random.default_rng(0).normal(size=60))
    columns["m1"] = np.full(60, 3.0)
    columns["m1"][:holes] = np.nan
    with pytest.raises(LearningError, match=r"'m1' has the same value \(3\)"):
        mm.BayesianNetwork.from_data(columns, [("m0", "m1")], continuous=["m1"])
