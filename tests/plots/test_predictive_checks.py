"""Pictures of predictive checks: each statistic has a line, a point and its p-value."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.predictive_check import Comparison, PredictiveCheck
from mmgraph.plots import predictive_checks, save


def check(count: int) -> PredictiveCheck:
    source = np.random.default_rng(0)
    parts = [
        Comparison(f"x{i}", "mean", 9.0 if i == 1 else 0.0, source.normal(size=100))
        for i in range(count)
    ]
    parts.append(Comparison("y", "share of a", 1.0, np.ones(100)))  # nothing varies
    return PredictiveCheck(tuple(parts), 100)


def test_statistics_that_do_not_fit_stand_out(tmp_path):
    figure = predictive_checks(check(5), title="plants")
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        *(f"x{i}: mean" for i in range(5)),
        "y: share of a",
    ]
    near, far = axes.get_lines()
    assert len(near.get_xdata()) == 5
    assert far.get_ydata().tolist() == [4]
    assert float(far.get_xdata()[0]) > 7
    texts = [t.get_text() for t in axes.texts]
    assert texts[1] == "< 0.01"
    assert texts[5] == "1.00"
    assert figure.get_suptitle() == "plants"
    save(figure, tmp_path / "check.png")
    assert (tmp_path / "check.png").stat().st_size > 1000


def test_of_many_the_least_fitting_are_drawn():
    figure = predictive_checks(check(60), most=10)
    (axes,) = figure.axes
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert len(names) == 10
    assert "x1: mean" in names
    assert "10 of 61" in figure.get_suptitle()


def test_what_is_no_check_is_refused():
    with pytest.raises(MmgraphError, match="needs one, not 3"):
        predictive_checks(3)
    with pytest.raises(MmgraphError, match="at least one statistic is drawn, not 0"):
        predictive_checks(check(3), most=0)
