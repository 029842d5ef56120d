"""Instruments: Wald's quotient, two-stage least squares, and intervals of Anderson and Rubin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mmgraph.graph.errors import CausalError, LearningError
from tests.causal.estimation.tables_of_models import arrows

TEXT = "z>x x>y x-y"


def sample(strength: float, rows: int = 1500, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    u, c = random.normal(size=(2, rows))
    z = random.integers(0, 2, rows)
    x = strength * z + u + 0.5 * c + random.normal(size=rows)
    return {"z": z, "x": x, "c": c, "y": 1.5 * x + u + c + random.normal(size=rows)}


def test_it_is_the_quotient_of_wald():
    data = sample(1.0)
    effect = arrows(TEXT).effect("y", {"x": 2.0}, {"x": 0.0}, data=data)
    moved = [data[n][data["z"] == 1].mean() - data[n][data["z"] == 0].mean() for n in "yx"]
    assert float(effect) == pytest.approx(2 * moved[0] / moved[1], abs=1e-9)
    t = stats.ttest_ind(data["x"][data["z"] == 1], data["x"][data["z"] == 0]).statistic
    assert effect.diagnostics["first_stage_f"] == pytest.approx(t**2, rel=1e-9)
    assert effect.interval_method == "Anderson-Rubin"
    assert effect.interval[0] < 3.0 < effect.interval[1]
    assert any("through 'x' alone" in text for text in effect.assumptions)
    wald = arrows(TEXT).effect("y", "x", data=data, interval="percentile")
    assert wald.interval_method == "percentile"


def test_given_controls_it_is_two_stage_least_squares():
    data = sample(1.0)
    data["c"] = data["c"] + data["z"]
    effect = arrows("z>x z>c c>x c>y x>y x-y").effect("y", "x", data=data)
    assert effect.adjustment == ("c",)
    ones = np.c_[np.ones(1500), data["c"]]
    first = np.c_[ones, data["z"]]
    fitted = first @ np.linalg.lstsq(first, data["x"], rcond=None)[0]
    second = np.linalg.lstsq(np.c_[ones, fitted], data["y"], rcond=None)[0]
    assert float(effect) == pytest.approx(second[2], abs=1e-8)


@pytest.mark.parametrize("states", [2, 3])
def test_ends_of_the_interval_are_what_the_test_just_rejects(states: int):
    data = sample(1.0)
    if states == 3:
        random = np.random.default_rng(5)
        data["z"] = np.where(random.random(1500) < 0.3, 2, data["z"])
    effect = arrows(TEXT).effect("y", "x", data=data)
    for end in effect.interval:
        left = data["y"] - end * data["x"]
        groups = [left[data["z"] == s] for s in range(states)]
        if states == 3:
            assert stats.f_oneway(*groups).pvalue == pytest.approx(0.05, abs=1e-9)
        else:
            assert stats.ttest_ind(*groups, equal_var=False).pvalue == pytest.approx(0.05, abs=1e-3)


def test_a_weak_instrument_is_told_of_and_leaves_the_line_open():
    effect = arrows(TEXT).effect("y", "x", data=sample(0.0))
    assert effect.diagnostics["first_stage_f"] < 10
    assert any("weak" in text for text in effect.assumptions)
    assert -math.inf in effect.interval or math.inf in effect.interval


def test_what_no_instrument_can_do_is_refused():
    data = sample(1.0)
    with pytest.raises(LearningError, match="the same in every row"):
        arrows(TEXT).effect("y", "x", data=data | {"z": np.ones(1500, int)})
    levels = data | {"x": np.digitize(data["x"], [-1, 1])}
    with pytest.raises(CausalError, match="3 states"):
        arrows(TEXT).effect("y", {"x": 2}, {"x": 0}, data=levels)
