"""Completed tables: expected values, intervals and draws, of what is missing and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.learning.prediction import imputation

pandas = pytest.importorskip("pandas")


def line(noise=0.5):
    """A group, a measurement that depends on it, a second one, and a vector."""
    g = mm.Variable("g", ["a", "b"])
    x, y = (mm.Variable(n, family="gaussian") for n in "xy")
    v = mm.Variable("v", shape=(2,), family="gaussian")
    return mm.BayesianNetwork(
        [g, x, y, v],
        [
            mm.TableFactor([g], [0.4, 0.6], child=g),
            mm.LinearGaussian(x, [g], [[], []], [-1.0, 1.0], [1.0, 0.5]),
            mm.LinearGaussian(y, [x], [2.0], 0.5, noise),
            mm.LinearGaussian(v, [y], [[1.0], [-1.0]], [0.0, 1.0], [[1.0, 0.6], [0.6, 1.0]]),
        ],
    )


def table(rows=40, seed=0, missing=0.3):
    drawn = mm.sample(line(), rows, generator=torch.Generator().manual_seed(seed)).to_frame()
    gone = np.random.default_rng(seed).random(drawn.shape) < missing
    return drawn, drawn.mask(gone)


def test_missing_cells_get_their_expected_values_and_the_rest_stays():
    net, (_, gaps) = line(), table()
    completed = net.impute(gaps)
    assert list(completed.columns) == list(gaps.columns)
    assert not completed.isna().any().any()
    assert gaps.isna().any().any()  # the table itself is as it was
    there = gaps.notna()
    assert completed.where(there).equals(gaps.where(there))
    posterior = mm.query(net, gaps)
    for name in ("x", "y"):
        lacks = gaps[name].isna().to_numpy()
        np.testing.assert_allclose(completed[name][lacks], posterior.mean(name)[lacks])
    for i in range(2):
        lacks = gaps[f"v[{i}]"].isna().to_numpy()
        np.testing.assert_allclose(completed[f"v[{i}]"][lacks], posterior.mean("v")[lacks, i])
    lacks = gaps["g"].isna().to_numpy()
    assert completed["g"][lacks].tolist() == [
        "ab"[i] for i in posterior.mode("g")[torch.from_numpy(lacks)].tolist()
    ]


def test_intervals_hold_as_much_as_they_say():
    net, (whole, gaps) = line(), table(rows=3000)
    filled = net.impute(gaps, level=0.8)
    for name in ("x", "y", "v[0]", "v[1]"):
        lacks = gaps[name].isna()
        inside = (filled.low[name] <= whole[name]) & (whole[name] <= filled.high[name])
        assert abs(inside[lacks].mean() - 0.8) < 0.05
        assert (filled.low[name] <= filled.mean[name])[lacks].all()
        assert (filled.low[name] == filled.high[name])[~lacks].all()


def test_draws_are_seeded_keep_what_is_there_and_have_the_right_moments():
    net, (_, gaps) = line(), table(rows=12)
    draws = net.impute(gaps, draws=400, generator=torch.Generator().manual_seed(3))
    again = net.impute(gaps, draws=400, generator=torch.Generator().manual_seed(3))
    assert len(draws) == 400
    assert all(a.equals(b) for a, b in zip(draws, again, strict=True))
    there = gaps.notna()
    assert all(d.where(there).equals(gaps.where(there)) for d in draws[:20])
    expected, posterior = net.impute(gaps), mm.query(net, gaps)
    for name in ("x", "y"):
        values = np.stack([d[name].to_numpy() for d in draws])
        spread = posterior.variance(name).sqrt().numpy() / 20
        assert (np.abs(values.mean(0) - expected[name]) < 4.5 * spread + 1e-12).all()


def test_other_containers_and_absent_columns(tmp_path):
    net, (_, gaps) = line(), table(rows=6)
    arrays = net.impute({"x": [1.0, None], "g": ["a", None]})
    assert set(arrays) == set(net.variables)
    assert arrays["x"][0] == 1.0
    assert arrays["v"].shape == (2, 2)
    gaps.to_csv(tmp_path / "gaps.csv", index=False)
    completed = net.impute(gaps)
    from_file = net.impute(tmp_path / "gaps.csv")
    pandas.testing.assert_frame_equal(
        from_file[completed.columns], completed, check_dtype=False, atol=1e-12
    )
    narrow = net.impute(gaps[["x"]])
    assert {"g", "y", "v[0]", "v[1]"} <= set(narrow.columns)
    one = net.impute({"x": [0.3]}, draws=2)
    assert [float(d["x"][0]) for d in one] == [0.3, 0.3]


def test_columns_that_are_no_variables_stay(tmp_path):
    net, (_, gaps) = line(), table(rows=4)
    noted = gaps.assign(note=["one", "two", "three", "four"])
    assert net.impute(noted, extra="ignore")["note"].tolist() == noted["note"].tolist()
    noted.to_csv(tmp_path / "noted.csv", index=False)
    filled = net.impute(tmp_path / "noted.csv", level=0.9, extra="ignore")
    for part in filled:
        assert part["note"].tolist() == noted["note"].tolist()
        assert not part.isna().any().any()
    cells = {"note": ["p", "q"], "v[0]": [0.5, None], "v[1]": [None, None]}
    arrays = net.impute(cells, extra="ignore")
    assert set(arrays) == {"note", *net.variables}
    assert arrays["note"] == ["p", "q"]
    assert arrays["v"][0, 0] == 0.5
    drawn = net.impute(cells, draws=1, extra="ignore")
    assert drawn[0]["note"] == ["p", "q"]


def test_one_posterior_answers_for_means_and_intervals(monkeypatch):
    net, (_, gaps), asked = line(), table(rows=5), []
    ask = imputation.query
    monkeypatch.setattr(imputation, "query", lambda *a: (asked.append(a), ask(*a))[1])
    filled = net.impute(gaps, level=0.5)
    assert len(asked) == 1
    posterior, lacks = mm.query(net, gaps), gaps["v[1]"].isna().to_numpy()
    np.testing.assert_allclose(filled.low["v[1]"][lacks], posterior.quantile("v", 0.25)[lacks, 1])
    np.testing.assert_allclose(filled.high["v[1]"][lacks], posterior.quantile("v", 0.75)[lacks, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": -1}, "draws"),
        ({"level": 1.5}, "level"),
        ({"level": 0.9, "draws": 2}, "without draws"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(mm.graph.errors.EvidenceError, match=message):
        line().impute({"x": [1.0]}, **options)


def test_impossible_rows_are_named():
    net = line(noise=0.0)
    with pytest.raises(mm.graph.errors.ZeroProbabilityError, match=r"row 1.*x, y"):
        net.impute({"x": [0.0, 0.0], "y": [0.5, 0.6]})
