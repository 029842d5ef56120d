"""Intervals of means over queries against scipy's bootstrap, with and without groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.measures.intervals import mean_intervals


@pytest.mark.parametrize("size", [1, 4])
def test_intervals_are_those_of_scipy(size: int):
    by_group = np.random.default_rng(0).exponential(size=60)
    values = np.repeat(by_group, size)  # of a group all alike: as many queries as groups
    groups = None if size == 1 else np.repeat(np.arange(60).astype(str), size)
    expected = stats.bootstrap((by_group,), np.mean, method="percentile", n_resamples=10_000, rng=1)
    found = mean_intervals({"a": values, "zero": values * 0}, groups, draws=10_000)
    tolerance = 0.07 * expected.standard_error
    assert found["a"].value == pytest.approx(by_group.mean())
    assert found["a"].low == pytest.approx(expected.confidence_interval.low, abs=tolerance)
    assert found["a"].high == pytest.approx(expected.confidence_interval.high, abs=tolerance)
    assert found["zero"] == (0, 0, 0, 0)


def test_figures_of_other_queries_are_refused():
    with pytest.raises(MmgraphError, match="different numbers of queries"):
        mean_intervals({"a": np.zeros(3), "b": np.zeros(4)})
    with pytest.raises(MmgraphError, match="different numbers of queries"):
        mean_intervals({"a": np.zeros(3)}, np.zeros(4))
