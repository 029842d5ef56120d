import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

import mmgraph as mm
from mmgraph.graph.errors import LearningError


def rows(generator, count, how):
    """Correlated columns, cells of b and c missing at random or by the values of a."""
    a = generator.normal(size=count)
    frame = pd.DataFrame({"a": a, "b": a + generator.normal(size=count)})
    frame["c"] = frame["b"] - a + generator.normal(size=count)
    frame["d"] = np.where(generator.random(count) < 0.4, "yes", "no").astype(object)
    chance = 0.25 if how == "random" else 1 / (1 + np.exp(-a))
    for name in "bcd":
        frame.loc[generator.random(count) < chance, name] = None
    return frame


def test_p_values_are_uniform_where_cells_are_missing_at_random():
    generator = np.random.default_rng(0)
    values = [mm.mcar_test(rows(generator, 200, "random")).p_value for _ in range(100)]
    assert kstest(values, "uniform").pvalue > 0.01


def test_cells_missing_by_another_column_are_told():
    result = mm.mcar_test(rows(np.random.default_rng(1), 300, "by a"))
    assert result.p_value < 1e-6
    assert result.patterns == 8
    # Each pattern has as many means as columns: 4 + 3 * 3 + 3 * 2 + 1, less the four of all rows.
    assert result.degrees_of_freedom == 16


def test_the_statistic_of_two_patterns_is_that_of_the_complete_column():
    """Of a monotone pattern the estimates are explicit, and only the first column says anything."""
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, 80))
    lost = np.arange(80) < 30
    result = mm.mcar_test({"x": x, "y": np.where(lost, np.nan, x + y)})
    first, second = x[lost].mean() - x.mean(), x[~lost].mean() - x.mean()
    assert result.degrees_of_freedom == 1
    assert np.isclose(result.statistic, (30 * first**2 + 50 * second**2) / x.var(ddof=1))


def test_units_do_not_matter_and_complete_rows_leave_nothing_to_test():
    frame = rows(np.random.default_rng(3), 100, "random")
    other = frame.assign(a=1e6 * frame["a"] + 3, b=frame["b"] / 1e4)
    assert np.isclose(mm.mcar_test(frame).statistic, mm.mcar_test(other).statistic)
    assert mm.mcar_test(frame.dropna()) == (0.0, 0, 1.0, 1)


def test_columns_that_cannot_be_tested_are_refused():
    frame = rows(np.random.default_rng(4), 50, "random")
    with pytest.raises(LearningError, match="'e' is constant"):
        mm.mcar_test(frame.assign(e=1.0))
    with pytest.raises(LearningError, match="'a', 'f' determine one another"):
        mm.mcar_test(frame.assign(f=2 * frame["a"] - 1))
    with pytest.raises(LearningError, match="no values of 'g'"):
        mm.mcar_test(frame.assign(g=np.nan))
