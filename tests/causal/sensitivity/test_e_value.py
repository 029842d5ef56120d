"""E-values: published numbers, and the bound that they come from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import CausalError


def test_published_numbers():
    """VanderWeele and Ding (2017): infant deaths and bottle feeding, RR 3.9 (1.8 to 8.7)."""
    found = mm.e_value(3.9, (1.8, 8.7))
    assert found.estimate == pytest.approx(7.26, abs=0.005)
    assert found.limit == pytest.approx(3.0, abs=0.005)
    # The same paper's protective ratio: maternal breastfeeding and ovarian cancer 0.5 (0.3 to 0.8).
    found = mm.e_value(0.5, (0.3, 0.8))
    assert (found.estimate, found.limit) == pytest.approx((3.41, 1.81), abs=0.005)
    assert mm.e_value(1.5).estimate == pytest.approx(1.5 + math.sqrt(0.75))


def test_other_measures_are_risk_ratios_first():
    assert mm.e_value(4.0, measure="odds_ratio").risk_ratio == pytest.approx(2.0)
    assert mm.e_value(4.0, measure="odds_ratio", rare=True).risk_ratio == 4.0
    hazard = (1 - 0.5 ** math.sqrt(2)) / (1 - 0.5 ** math.sqrt(0.5))
    assert mm.e_value(2.0, measure="hazard_ratio").risk_ratio == pytest.approx(hazard)
    difference = mm.e_value(3.0, (1.0, 5.0), "mean_difference", standard_deviation=6.0)
    assert difference.risk_ratio == pytest.approx(math.exp(0.91 / 2))
    assert difference.limit == mm.e_value(math.exp(0.91 / 6)).estimate


@given(st.floats(1.01, 50))
def test_a_confounder_as_strong_as_the_e_value_just_explains_the_ratio(ratio):
    strength = mm.e_value(ratio).estimate
    assert strength * strength / (2 * strength - 1) == pytest.approx(ratio)
    assert mm.e_value(1 / ratio).estimate == pytest.approx(strength)


def test_nothing_is_needed_where_the_null_is_there():
    assert mm.e_value(1.0, (0.9, 1.2)) == (1.0, 1.0, 1.0)
    assert mm.e_value(1.4, (0.9, 2.2)).limit == 1.0
    assert mm.e_value(1.4, null=1.2).estimate == pytest.approx(mm.e_value(1.4 / 1.2).estimate)


def test_large_ratios_keep_their_figures():
    root_of_hazard = 1e20
    ratio = mm.e_value(1e40, measure="hazard_ratio").risk_ratio
    assert ratio == pytest.approx(root_of_hazard / math.log(2))
    assert mm.e_value(1e200).estimate == pytest.approx(2e200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimate": -1.0}, "risk ratio"),
        ({"estimate": math.nan}, "risk ratio"),
        ({"estimate": 2.0, "interval": (2.5, 3.0)}, "hold the estimate"),
        ({"estimate": 2.0, "interval": (1.0,)}, "two ends"),
        ({"estimate": 2.0, "interval": (0.3, None)}, "hold the estimate"),
        ({"estimate": 2.0, "interval": 3.0}, "two ends"),
        ({"estimate": [2.0, 3.0]}, "one number"),
        ({"estimate": 1000, "measure": "mean_difference"}, "1000.0 is beyond all risk ratios"),
        ({"estimate": -1000, "measure": "mean_difference"}, "-1000.0 is beyond"),
        ({"estimate": "x"}, "estimate"),
        ({"estimate": 2.0, "measure": "risk_ration"}, "'risk_ratio'"),
        ({"estimate": 2.0, "standard_deviation": 0.0}, "standard_deviation"),
    ],
)
def test_numbers_that_are_no_estimates(arguments, message):
    with pytest.raises(CausalError, match=message):
        mm.e_value(**arguments)
