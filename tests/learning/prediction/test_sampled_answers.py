"""Intervals of answers over parameters that are drawn from their posterior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, MmgraphError, NotFittedError
from mmgraph.learning.prediction import sampled_answers


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    source = np.random.default_rng(0)
    x = source.normal(size=40)
    kind = source.choice(["a", "b"], 40)
    return pd.DataFrame({"kind": kind, "x": x, "y": 2 * x + (kind == "a") + source.normal(size=40)})


@pytest.fixture(scope="module")
def net(frame) -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_data(frame, [("kind", "y"), ("x", "y")], posterior=True)


def test_intervals_of_a_share_are_those_of_its_beta_distribution():
    net = mm.BayesianNetwork.from_data({"rain": ["yes"] * 7 + ["no"] * 3}, [], posterior=True)
    answer = net.predict_proba(
        {"rain": [None]}, "rain", parameters="sample", draws=2000, generator=seeded()
    )
    assert answer.mean.shape == answer.low.shape == (1, 2)
    beta = stats.beta(8, 4)
    np.testing.assert_allclose(answer.mean[:, 1], beta.mean(), atol=0.015)
    np.testing.assert_allclose(answer.low[:, 1], beta.ppf(0.05), atol=0.025)
    np.testing.assert_allclose(answer.high[:, 1], beta.ppf(0.95), atol=0.025)
    np.testing.assert_allclose(answer.low[:, 1], 1 - answer.high[:, 0])


def test_intervals_of_expected_values_are_those_of_the_regression():
    source = np.random.default_rng(1)
    x = source.normal(size=30)
    rows = pd.DataFrame({"x": x, "y": 1 + 0.5 * x + source.normal(size=30)})
    net = mm.BayesianNetwork.from_data(rows, [("x", "y")], "maximum_likelihood", posterior=True)
    new = pd.DataFrame({"x": [-1.0, 0.0, 1.5]})
    answer = net.predict(new, "y", parameters="sample", draws=300, level=0.9, generator=seeded())
    fit = stats.linregress(rows.x, rows.y)
    residual = rows.y - fit.intercept - fit.slope * rows.x
    error = np.sqrt(np.square(residual).sum() / 28)
    error = error * np.sqrt(1 / 30 + (new.x - x.mean()) ** 2 / np.square(x - x.mean()).sum())
    centre, reach = fit.intercept + fit.slope * new.x, stats.t.ppf(0.95, 28) * error
    np.testing.assert_allclose(answer.mean, centre, atol=0.06)
    np.testing.assert_allclose(answer.low, centre - reach, atol=0.12)
    np.testing.assert_allclose(answer.high, centre + reach, atol=0.12)


def test_answers_lie_within_and_blocks_of_rows_change_nothing(net, frame, monkeypatch):
    rows = frame.drop(columns="kind")
    whole = net.predict_proba(rows, "kind", parameters="sample", draws=60, generator=seeded())
    fitted = net.predict_proba(rows, "kind")
    assert ((whole.low <= fitted) & (fitted <= whole.high)).mean() > 0.9
    assert bool((whole.high > whole.low).all())
    monkeypatch.setattr(sampled_answers, "_CELLS", 60 * 2 * 7)
    parts = net.predict_proba(rows, "kind", parameters="sample", draws=60, generator=seeded())
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    narrow = net.predict_proba(
        rows, "kind", parameters="sample", draws=60, level=0.5, generator=seeded()
    )
    assert bool((narrow.high - narrow.low < whole.high - whole.low).all())


def test_files_are_read_and_columns_passed_over(net, frame, tmp_path):
    rows = frame.assign(other=1)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    options = {"parameters": "sample", "draws": 5, "extra": "ignore"}
    one = net.predict(rows, "y", generator=seeded(), **options)
    other = net.predict(tmp_path / "rows.csv", "y", generator=seeded(), **options)
    np.testing.assert_allclose(one.mean, other.mean)


def test_bad_questions_are_refused(net, frame):
    rows = frame.drop(columns="y")
    for options, message in (
        ({"parameters": "draw"}, "unknown parameters 'draw'"),
        ({"parameters": "sample", "level": 1.0}, "between 0 and 1, not at 1.0"),
        ({"parameters": "sample", "draws": 0}, "draws must be a whole number"),
        ({"parameters": "sample", "generator": 3}, "'generator' is torch.Generator"),
        ({"parameters": "sample", "lines": 3}, "no option 'lines'"),
        ({"draws": 3}, "'draws' goes with parameters="),
    ):
        with pytest.raises(MmgraphError, match=message):
            net.predict(rows, "y", **options)
    for target in (None, "kind", ["x", "y"]):
        with pytest.raises(EvidenceError, match="one continuous variable"):
            net.predict(rows, target, parameters="sample")
    with pytest.raises(NotFittedError, match="posterior=True"):
        mm.read("asia").predict_proba({"smoke": ["yes"]}, "lung", parameters="sample")


def test_impossible_rows_are_numbered_by_the_table_or_left_out(monkeypatch):
    monkeypatch.setattr(sampled_answers, "_CELLS", 4)
    a, b, c = (mm.Variable(name, 2) for name in "abc")
    tables = [
        mm.TableFactor((a,), [0.5, 0.5], child=a),
        mm.Deterministic(b, [a], lambda a: a),
        mm.TableFactor((a, c), [[0.5, 0.5]] * 2, child=c),
    ]
    net = mm.BayesianNetwork([a, b, c], tables)
    codes = [0, 1, 0, 1, 1, 0] * 5
    with pytest.warns(UserWarning, match="Deterministic"):
        net.fit({"a": codes, "b": codes, "c": codes[::-1]}, posterior=True)
    rows = {"a": [0, 1, 0, 1], "b": [0, 1, 0, 0]}
    with pytest.raises(mm.graph.errors.ZeroProbabilityError) as raised:
        net.predict_proba(rows, "c", parameters="sample", draws=2)
    assert raised.value.rows == (3,)
    answer = net.predict_proba(rows, "c", "nan", parameters="sample", draws=2)
    assert np.isnan(answer.mean).any(1).tolist() == [False, False, False, True]
