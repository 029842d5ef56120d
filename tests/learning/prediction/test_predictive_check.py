"""Predictive checks: data from the network pass, others do not; missing cells are replicated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.learning.prediction.predictive_check import Comparison


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frame(skewed: bool = False) -> pd.DataFrame:
    source = np.random.default_rng(0)
    kind = source.choice(["a", "b", "c"], 200, p=[0.2, 0.3, 0.5])
    x = source.exponential(size=200) if skewed else source.normal(size=200)
    return pd.DataFrame(
        {"kind": kind, "x": x, "y": x * 2 + (kind == "a") + source.normal(size=200)}
    )


EDGES = [("kind", "y"), ("x", "y")]


def test_data_that_fit_pass():
    net = mm.BayesianNetwork.from_data(frame(), EDGES, posterior=True)
    check = net.predictive_check(frame(), draws=100, generator=seeded())
    table = check.to_frame()
    assert list(table.columns[:3]) == ["variable", "statistic", "observed"]
    assert len(check) == len(table) == 3 + 2 * 5
    assert (table.p_value > 0.02).all()
    inside = (table.low <= table.observed) & (table.observed <= table.high)
    assert inside.mean() > 0.8
    by_name = table.set_index(["variable", "statistic"]).observed
    assert by_name["kind", "share of b"] == (frame().kind == "b").mean()
    assert by_name["x", "standard deviation"] == pytest.approx(frame().x.std(ddof=0))
    assert by_name["y", "95% quantile"] == pytest.approx(frame().y.quantile(0.95))
    one, other = (net.predictive_check(frame(), draws=5, generator=seeded()) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


def test_a_skewed_variable_fails_in_its_quantiles():
    rows = frame(skewed=True)
    net = mm.BayesianNetwork.from_data(rows, EDGES, posterior=True)
    table = net.predictive_check(rows, draws=100, generator=seeded()).to_frame()
    p = table.set_index(["variable", "statistic"]).p_value
    assert p["x", "5% quantile"] < 0.02
    assert p["x", "mean"] > 0.1


def test_parameters_are_drawn_where_a_posterior_is_kept():
    rows = frame().iloc[:12]
    net = mm.BayesianNetwork.from_data(rows, [], variables=["x"], posterior=True)
    unsure = net.predictive_check(rows[["x"]], draws=200, generator=seeded())
    net.fit(rows[["x"]])
    fitted = net.predictive_check(rows[["x"]], draws=200, generator=seeded())
    spread = [check.comparisons[0].replicated.std() for check in (unsure, fitted)]
    assert spread[0] > 1.2 * spread[1]


def test_missing_cells_are_missing_in_replicas_and_variables_without_cells_left_out():
    rows = frame()
    net = mm.BayesianNetwork.from_data(rows, EDGES, posterior=True)
    holed = rows.drop(columns="kind")
    holed.loc[3:, "y"] = np.nan
    check = net.predictive_check(holed, draws=50, generator=seeded())
    assert {c.variable for c in check} == {"x", "y"}
    spread = {(c.variable, c.statistic): c.replicated.std() for c in check}
    assert spread["y", "mean"] > 4 * spread["x", "mean"]  # of three rows
    with pytest.raises(LearningError, match="no cell of any variable"):
        net.predictive_check(holed.assign(x=np.nan, y=np.nan))
    with pytest.raises(MmgraphError, match="draws must be"):
        net.predictive_check(rows, draws=0)
    with pytest.raises(MmgraphError, match="'z' is not a variable"):
        net.predictive_check(rows.assign(z=1))
    assert len(net.predictive_check(rows.assign(z=1), draws=2, extra="ignore")) == 13


def test_p_values_are_two_sided():
    replicas = np.arange(100.0)
    assert Comparison("x", "mean", 49.5, replicas).p_value == 1.0
    assert Comparison("x", "mean", 98.0, replicas).p_value == pytest.approx(0.04)
    assert Comparison("x", "mean", -1.0, replicas).p_value == 0.0
    assert Comparison("x", "mean", 0.0, np.zeros(5)).p_value == 1.0
    assert Comparison("x", "mean", 1.0, replicas).interval(0.5) == (24.75, 74.25)
