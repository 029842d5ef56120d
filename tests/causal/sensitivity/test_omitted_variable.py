"""Partial R² sensitivity: published numbers, and regressions with the omitted variable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm
from mmgraph.graph.errors import CausalError, UnknownVariableError

DARFUR = {"estimate": 0.09731582, "standard_error": 0.02325654, "degrees_of_freedom": 783}
"""Cinelli and Hazlett (2020), table 1: exposure to violence and support for peace."""

FEMALE = {("female",): (0.00908107, 0.109035)}
"""The covariate's own shares, which give the bounds that the paper prints for one as strong."""


def test_published_numbers_of_darfur():
    darfur = mm.OmittedVariableBias(**DARFUR, shares=FEMALE)
    assert darfur.t == pytest.approx(4.18, abs=0.005)
    assert darfur.partial_r2 == pytest.approx(0.022, abs=5e-4)
    assert darfur.robustness_value() == pytest.approx(0.139, abs=5e-4)
    assert darfur.robustness_value(level=0.05) == pytest.approx(0.076, abs=5e-4)
    # Confounders once, twice and three times as strong as the covariate female.
    for times, estimate, t in ((1, 0.075, 3.44), (2, 0.053, 2.60), (3, 0.030, 1.63)):
        found = darfur.benchmark("female", times)
        assert found.estimate == pytest.approx(estimate, abs=5e-4)
        assert found.t == pytest.approx(t, abs=5e-3)
    assert darfur.benchmark("female").r2_treatment == pytest.approx(0.0092, abs=5e-5)
    assert darfur.benchmark("female", 3).r2_outcome == pytest.approx(0.374, abs=5e-4)


def test_the_robustness_value_undoes_the_effect():
    bias = mm.OmittedVariableBias(-2.0, 0.4, 50)
    strength = bias.robustness_value()
    assert bias.adjusted_estimate(strength, strength) == pytest.approx(0, abs=1e-12)
    half = bias.robustness_value(0.5)
    assert bias.adjusted_estimate(half, half) == pytest.approx(-1.0)
    assert bias.adjusted_estimate(bias.partial_r2, 1.0) == pytest.approx(0, abs=1e-12)
    significant = bias.robustness_value(level=0.05)
    critical = -2.0095752  # of 49 degrees of freedom
    assert bias.adjusted_t(significant, significant) == pytest.approx(critical, rel=1e-6)
    assert mm.OmittedVariableBias(0.1, 0.4, 50).robustness_value(level=0.05) == 0
    # Where the effect outweighs the critical value so far, the treatment's share alone matters.
    strong = mm.OmittedVariableBias(9.0, 0.1, 5)
    f, critical = 90 / np.sqrt(5), 2.7764451 / 2
    assert strong.robustness_value(level=0.05) == pytest.approx(
        (f**2 - critical**2) / (1 + f**2), rel=1e-6
    )


def regression(rng, rows=200):
    x = rng.normal(size=(rows, 2))
    kind = rng.choice(["a", "b", "c"], rows)
    hidden = rng.normal(size=rows) + 0.3 * x[:, 0]
    d = x @ [0.5, -0.2] + 0.6 * hidden + (kind == "b") + rng.normal(size=rows)
    y = d + x @ [1.0, 0.4] + 0.8 * hidden - (kind == "c") + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "d": d, "x0": x[:, 0], "x1": x[:, 1], "kind": kind, "u": hidden})


def test_adjusting_by_the_true_shares_is_the_regression_with_the_variable():
    frame = regression(np.random.default_rng(0))
    names = ["x0", "x1", "kind"]
    without = mm.omitted_variable_bias(frame, "y", "d", names)
    whole = mm.omitted_variable_bias(frame, "y", "d", [*names, "u"])
    assert whole.degrees_of_freedom == without.degrees_of_freedom - 1 == 200 - 7
    shares = whole.shares["u",]
    assert without.adjusted_estimate(*shares) == pytest.approx(whole.estimate, rel=1e-9)
    assert without.adjusted_standard_error(*shares) == pytest.approx(whole.standard_error, rel=1e-9)
    assert without.adjusted_t(*shares) == pytest.approx(whole.t, rel=1e-9)


def test_the_regression_is_least_squares():
    frame = regression(np.random.default_rng(1))
    found = mm.omitted_variable_bias(frame, "y", "d", ["x0", "kind"], groups=[["x0", "kind"]])
    design = np.column_stack(
        [frame.d, np.ones(200), frame.x0, frame.kind == "b", frame.kind == "c"]
    ).astype(float)
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ frame.y
    residual = frame.y - design @ slopes
    error = np.sqrt(inverse[0, 0] * residual @ residual / 195)
    assert (found.estimate, found.standard_error) == pytest.approx((slopes[0], error))
    # A single covariate's partial R² is t² / (t² + df).
    t = slopes[2] / np.sqrt(inverse[2, 2] * residual @ residual / 195)
    assert found.shares["x0",][1] == pytest.approx(t**2 / (t**2 + 195))
    together = found.benchmark(["x0", "kind"], 0.5)
    assert together.r2_outcome > found.benchmark("x0", 0.5).r2_outcome


def test_a_covariate_without_a_share_is_a_benchmark_of_nothing():
    rng = np.random.default_rng(0)
    d, z = np.repeat([-1.0, 1.0], 100), np.tile([-1.0, 1.0], 100)
    for _ in range(5):
        y = rng.normal(size=200)
        y -= np.c_[d, z] @ np.linalg.lstsq(np.c_[d, z], y, rcond=None)[0] - d
        bias = mm.omitted_variable_bias({"y": y, "d": d, "z": z}, "y", "d", ["z"])
        assert bias.benchmark("z").estimate == pytest.approx(bias.estimate)
    assert np.isposinf(bias.adjusted_t(0.0, 1.0))


def test_what_is_no_regression():
    frame = regression(np.random.default_rng(2), 20)
    ask = mm.omitted_variable_bias
    with pytest.raises(UnknownVariableError, match="'x0'"):
        ask(frame, "y", "d", ["x00"])
    with pytest.raises(UnknownVariableError, match="'x1' is no column of the regression"):
        ask(frame, "y", "d", ["x0"], groups=[["x1"]])
    with pytest.raises(CausalError, match="'d' is named twice"):
        ask(frame, "y", "d", ["d"])
    with pytest.raises(CausalError, match="'kind' is to hold numbers"):
        ask(frame, "kind", "d")
    with pytest.raises(CausalError, match="'x0' has a cell"):
        ask(frame.assign(x0=np.nan), "y", "d", ["x0"])
    with pytest.raises(CausalError, match="'kind' has a missing"):
        ask(frame.assign(kind=[None, *frame.kind[1:]]), "y", "d", ["kind"])
    lacking = pd.array([pd.NA, *map(str, frame.kind[1:])], dtype="string")
    with pytest.raises(CausalError, match="'kind' has a missing"):
        ask(frame.assign(kind=lacking), "y", "d", ["kind"])
    with pytest.raises(CausalError, match="determine the treatment 'd'"):
        ask(frame.assign(x0=2 * frame.d + 1), "y", "d", ["x0"])
    with pytest.raises(CausalError, match="3 rows"):
        ask(frame[:3], "y", "d")
    with pytest.raises(CausalError, match="determine the outcome 'y'"):
        ask(frame.assign(y=frame.d), "y", "d")
    with pytest.raises(CausalError, match="'d' has 2 cells"):
        ask({"y": [1, 2, 4], "d": [1, 2]}, "y", "d")
    bias = mm.OmittedVariableBias(1.0, 0.5, 30, {("x",): (0.6, 0.2)})
    with pytest.raises(CausalError, match="2 times as strong as x"):
        bias.benchmark("x", 2)
    with pytest.raises(CausalError, match="9 times as strong as x with the outcome"):
        bias.benchmark("x", 0.1, times_outcome=9)
    with pytest.raises(UnknownVariableError, match="z"):
        bias.benchmark("z")
    with pytest.raises(CausalError, match="below 1"):
        bias.adjusted_estimate(1.0, 0.5)
    with pytest.raises(CausalError, match="share"):
        bias.robustness_value(0)
    with pytest.raises(CausalError, match="degrees of freedom"):
        mm.OmittedVariableBias(1.0, 0.5, 1)
    with pytest.raises(CausalError, match="standard error"):
        mm.OmittedVariableBias(1.0, 0.0, 10)
