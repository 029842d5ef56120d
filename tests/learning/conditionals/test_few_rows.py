"""Covariances that their rows do not determine: what is said of them, and what becomes of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.learning.conditionals.few_rows import FewRowsWarning
from tests.learning.networks import check_monotone, same_factors

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
    with pytest.warns(FewRowsWarning, match=r"30 features and .* rows at component [01]"):
        net.fit({"x": rows.numpy()}, max_iterations=5, tolerance=1e-2)


def hidden_classes(covariance: str, components: int, features: int = 6) -> mm.BayesianNetwork:
    x = mm.Variable("x", shape=(features,), family="gaussian")
    wide = {"full": (features, features), "shared": (features, features)}.get(
        covariance, (features,)
    )
    spread = np.ones(wide) if covariance == "diagonal" else np.eye(features)
    states = (2,) if components == 1 else (2, components)
    if covariance != "shared":
        spread = np.broadcast_to(spread, (*states, *wide))
    leaf: mm.GaussianLeaf | mm.GaussianMixtureLeaf
    if components == 1:
        leaf = mm.GaussianLeaf(x, [CLASS], np.zeros((2, features)), spread, covariance=covariance)
    else:
        weights = np.full(states, 1 / components)
        leaf = mm.GaussianMixtureLeaf(
            x, [CLASS], weights, np.zeros((*states, features)), spread, covariance
        )
    return mm.BayesianNetwork([CLASS, x], [mm.TableFactor([CLASS], [0.5, 0.5], child=CLASS), leaf])


@pytest.mark.filterwarnings("ignore::mmgraph.learning.conditionals.few_rows.FewRowsWarning")
@pytest.mark.parametrize("covariance", ["full", "shared", "diagonal"])
@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_few_rows_go_uphill(covariance: str, components: int, holes: float):
    """Shrunk anew in every iteration, 14 rows of 6 features fell by up to 59 nats at once."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(14, 6)) @ rng.normal(size=(6, 6)) + 2 * rng.integers(0, 2, (14, 1))
        x[rng.random(x.shape) < holes] = np.nan
        learned, report = mm.expectation_maximization(
            hidden_classes(covariance, components),
            {"x": x},
            generator=torch.Generator().manual_seed(seed),
            tolerance=1e-8,
            max_iterations=60,
        )
        check_monotone(report.objectives)
        found = float(mm.log_partition(learned, {"x": x}).sum())
        assert report.log_likelihood == pytest.approx(found)
        assert report.objectives[-1] <= report.log_likelihood + 1e-9


@pytest.mark.filterwarnings("ignore::mmgraph.learning.conditionals.few_rows.FewRowsWarning")
def test_a_run_of_few_rows_goes_on_from_its_checkpoint(tmp_path):
    """The prior of the start is found again."""
    x = np.random.default_rng(1).normal(size=(14, 6))
    options = {"tolerance": 0.0, "max_iterations": 6, "restarts": 2}

    def run(**more):
        generator = torch.Generator().manual_seed(0)
        return mm.expectation_maximization(
            hidden_classes("full", 1), {"x": x}, generator=generator, **options, **more
        )

    class Interrupted(Exception):
        pass

    def interrupt(iteration: int, _: float) -> None:
        if iteration == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(checkpoint=tmp_path, progress=interrupt)
    whole, again = run(), run(checkpoint=tmp_path)
    assert again[1].objectives == whole[1].objectives
    assert same_factors(again[0], whole[0])


@pytest.mark.filterwarnings("ignore::mmgraph.learning.conditionals.few_rows.FewRowsWarning")
def test_complete_data_is_fitted_alike_by_both_methods():
    data = sample_of(40, 10, 1)
    closed, iterated = network(10).fit(data), network(10).fit(data, method="em")
    for first, second in zip(closed.factors, iterated.factors, strict=True):
        a, b = (f.values if f.is_tabular else f.covariances for f in (first, second))
        torch.testing.assert_close(a, b)
