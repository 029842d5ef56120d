"""Covariances that their rows do not determine: what is said of them, and what becomes of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.learning.conditionals.few_rows import FewRowsWarning

CLASS = mm.Variable("class", ("a", "b"))


def sample_of(rows: int, features: int, seed: int) -> dict[str, np.ndarray]:
    """Two classes whose features depend on each other through a few factors."""
    loadings = np.random.default_rng(0).normal(size=(8, features))
    rng = np.random.default_rng(seed)
    codes = np.arange(rows) % 2
    noise = rng.normal(size=(rows, features))
    values = rng.normal(size=(rows, 8)) @ loadings + noise + 0.8 * codes[:, None]
    return {"class": codes, "x": values}


def network(features: int, covariance: str = "full") -> mm.BayesianNetwork:
    x = mm.Variable("x", shape=(features,), family="gaussian")
    shape = {"full": (2, features, features), "diagonal": (2, features)}.get(
        covariance, (features, features)
    )
    spread = (
        np.ones(shape) if covariance == "diagonal" else np.broadcast_to(np.eye(features), shape)
    )
    leaf = mm.GaussianLeaf(x, [CLASS], np.zeros((2, features)), spread, covariance=covariance)
    return mm.BayesianNetwork([CLASS, x], [mm.TableFactor([CLASS], [0.5, 0.5], child=CLASS), leaf])


def log_loss(net: mm.BayesianNetwork, data: dict[str, np.ndarray]) -> float:
    found = mm.query(net, {"x": data["x"]}, "class").marginal("class").numpy()
    return float(-np.log(np.maximum(found[np.arange(len(found)), data["class"]], 1e-300)).mean())


def test_forty_one_rows_of_76_features():
    """It fitted in silence: log-loss 7.1, held-out log-likelihood -5,270,485."""
    data, held_out = sample_of(82, 76, 1), sample_of(400, 76, 2)
    with pytest.warns(FewRowsWarning, match=r"'x' has 76 features and 41 rows at class=a \(and 1"):
        net = network(76).fit(data)
    assert log_loss(net, held_out) < 1.0
    likelihood = float(mm.log_partition(net, held_out).sum())
    assert likelihood > -400 * 76 * 4
    with pytest.warns(FewRowsWarning, match="shrunk by 0"):
        plain = network(76).fit(data, shrinkage=0.0)
    assert float(mm.log_partition(plain, held_out).sum()) < 10 * likelihood
    assert log_loss(plain, held_out) > 2 * log_loss(net, held_out)


@pytest.mark.parametrize(("covariance", "rows"), [("shared", 60), ("diagonal", 2)])
def test_other_kinds_say_so_too(covariance: str, rows: int):
    with pytest.warns(FewRowsWarning, match=f"too few for a {covariance} covariance"):
        net = network(76, covariance).fit(sample_of(rows, 76, 1))
    assert np.isfinite(float(mm.log_partition(net, sample_of(9, 76, 2)).sum()))


def test_rows_enough_are_no_cause():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(4).fit(sample_of(20, 4, 1))
        network(4, "diagonal").fit(sample_of(4, 4, 1))


def test_expectation_maximisation_says_so_once():
    data = sample_of(60, 40, 1)
    x = data["x"].copy()
    x[:7, :5] = np.nan
    with pytest.warns(FewRowsWarning, match=r"40 features and 30 rows at class=a") as seen:
        network(40).fit({"class": data["class"], "x": x}, max_iterations=5, tolerance=1e-2)
    assert sum(w.category is FewRowsWarning for w in seen) == 1


def test_mixtures_name_the_component():
    x = mm.Variable("x", shape=(30,), family="gaussian")
    rows = torch.from_numpy(sample_of(50, 30, 1)["x"])
    leaf = mm.GaussianMixtureLeaf.initialised(
        x, (), rows, torch.ones(50), torch.Generator().manual_seed(0), components=2
    )
    net = mm.BayesianNetwork([x], [leaf])
    with pytest.warns(FewRowsWarning, match=r"30 features and .* rows at component 0"):
        net.fit({"x": rows.numpy()}, max_iterations=5, tolerance=1e-2)
