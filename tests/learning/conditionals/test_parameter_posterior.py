"""Posteriors of a network's parameters: kept by a fit, drawn, and refused where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import mmgraph as mm
from mmgraph.formats.resolve import PosteriorWarning
from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    MmgraphError,
    NotFittedError,
    UnknownVariableError,
)
from mmgraph.learning.conditionals.parameter_posterior import FixedParametersWarning

EDGES = [("soil", "height"), ("water", "height"), ("soil", "frost")]


def frame(rows: int = 80, seed: int = 0) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    soil = source.choice(["clay", "sand"], rows)
    water = source.normal(4.0, 1.0, rows)
    height = np.where(soil == "clay", water, 3 - water) + 0.5 * source.normal(size=rows)
    frost = np.where(source.random(rows) < np.where(soil == "clay", 0.7, 0.2), "yes", "no")
    return pd.DataFrame({"soil": soil, "frost": frost, "water": water, "height": height})


@pytest.mark.parametrize(
    ("options", "pseudo"), [({}, 1.0), ({"method": "bdeu", "equivalent_sample_size": 8}, 2.0)]
)
def test_tables_have_dirichlet_posteriors(options, pseudo):
    rows = frame()
    net = mm.BayesianNetwork.from_data(rows, EDGES, posterior=True, **options)
    posterior = net.parameter_posterior["frost"]
    counts = pd.crosstab(rows.soil, rows.frost).to_numpy()
    np.testing.assert_array_equal(posterior.counts, counts + pseudo)
    mean = (counts + pseudo) / (counts + pseudo).sum(1, keepdims=True)
    np.testing.assert_allclose(posterior.mean().values, mean)
    source = torch.Generator().manual_seed(0)
    drawn = np.stack([posterior.sample(source).values.numpy() for _ in range(3000)])
    np.testing.assert_allclose(drawn.sum(-1), 1)
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.01)
    low, high = np.moveaxis(posterior.interval(0.8), -1, 0)
    np.testing.assert_allclose((drawn < low).mean(0), 0.1, atol=0.02)
    np.testing.assert_allclose((drawn > high).mean(0), 0.1, atol=0.02)
    a, b = counts[0] + pseudo
    assert low[0, 0] == pytest.approx(stats.beta.ppf(0.1, a, b))
    with pytest.raises(LearningError, match="level lies between 0 and 1, not at 0"):
        posterior.interval(0)


def test_rows_without_counts_are_drawn_though_pseudo_counts_are_tiny():
    a = mm.Variable("a", ("x", "y"))
    b = mm.Variable("b", 30)
    net = mm.BayesianNetwork(
        [a, b],
        [
            mm.TableFactor((a,), [0.5, 0.5], child=a),
            mm.TableFactor((a, b), np.full((2, 30), 1 / 30), child=b),
        ],
    )
    net.fit({"a": ["x"] * 5, "b": [0] * 5}, "bdeu", equivalent_sample_size=1e-4, posterior=True)
    for seed in range(20):
        drawn = net.sample_parameters(torch.Generator().manual_seed(seed)).distribution("b").values
        np.testing.assert_allclose(drawn.sum(1), 1)


def test_networks_are_drawn_from_seeds_and_a_fit_without_forgets():
    rows = frame()
    net = mm.BayesianNetwork.from_data(rows, EDGES, posterior=True)
    assert list(net.parameter_posterior) == list(net.variables)
    one, same, other = (
        net.sample_parameters(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert isinstance(one, mm.BayesianNetwork)
    assert one.edges == net.edges
    first, again, second = (n.distribution("height").coefficients for n in (one, same, other))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    np.testing.assert_allclose(first, net.distribution("height").coefficients, atol=0.5)
    with pytest.raises(UnknownVariableError, match=r"no distribution of 'heigth'.* mean 'height'"):
        net.parameter_posterior["heigth"]
    net.fit(rows)
    assert net.parameter_posterior is None
    with pytest.raises(NotFittedError, match="posterior=True"):
        net.sample_parameters()


def test_what_has_no_posterior_is_said():
    rows = frame()
    net = mm.BayesianNetwork.from_data(rows, EDGES)
    holed = rows.copy()
    holed.loc[4, "height"] = np.nan
    with pytest.raises(LearningError, match=r"'height' is missing in row 4.*needs complete rows"):
        net.fit(holed, posterior=True)
    for options, message in (
        ({"method": "em"}, "none of EM"),
        ({"shrinkage": 0.5}, "shrinkage by 0.5 is no prior"),
    ):
        with pytest.raises(LearningError, match=message):
            net.fit(rows, posterior=True, **options)
    with pytest.raises(mm.graph.errors.MmgraphError, match="'posterior' is bool"):
        net.fit(rows, posterior="yes")
    net.fit(rows, "maximum_likelihood", posterior=True)
    clay = rows[rows.soil == "clay"]
    with pytest.raises(LearningError, match=r"'height' has too few rows at \(soil=sand\)"):
        net.fit(clay, "maximum_likelihood", posterior=True)
    counts = {"frost": [[0, 1], [0, 1]]}
    never = rows.assign(frost="yes")
    with pytest.raises(LearningError, match=r"a cell of TableFactor\(frost \| soil\) has neither"):
        net.fit(never, "dirichlet", pseudo_counts=counts, posterior=True)


def test_other_distributions_stay_as_they_were_fitted():
    rows = frame()[["soil", "height"]]
    soil = mm.Variable("soil", ("clay", "sand"))
    height = mm.Variable("height", family="gaussian")
    net = mm.BayesianNetwork(
        [soil, height],
        [
            mm.TableFactor((soil,), [0.5, 0.5], child=soil),
            mm.GaussianLeaf(height, [soil], [0, 1], [1, 1]),
        ],
    )
    with pytest.warns(FixedParametersWarning, match=r"GaussianLeaf\(height \| soil\)"):
        net.fit(rows, posterior=True)
    drawn = net.sample_parameters()
    assert drawn.distribution("height") is net.distribution("height")
    assert net.parameter_posterior["height"].mean() is net.distribution("height")


def test_interventions_are_certain_and_the_other_distributions_keep_their_posteriors():
    net = mm.BayesianNetwork.from_data(frame(), EDGES, posterior=True)
    forced = net.do(soil="sand")
    drawn = forced.sample_parameters(torch.Generator().manual_seed(0))
    assert drawn.distribution("soil").values.tolist() == [0, 1]
    assert bool((drawn.distribution("frost").values != net.distribution("frost").values).any())
    assert len(net.parameter_posterior) == len(forced.parameter_posterior) == 4
    assert list(forced.parameter_posterior) == list(net.parameter_posterior)
    sets = forced.predict({"water": [3.0]}, "height", parameters="sample", draws=20)
    assert float(sets.low[0]) < float(sets.high[0])


@pytest.mark.parametrize("name", ["frost", "height"])
def test_generators_are_checked(name):
    net = mm.BayesianNetwork.from_data(frame(), EDGES, posterior=True)
    for posterior in (net.parameter_posterior, net.parameter_posterior[name]):
        with pytest.raises(MmgraphError, match=r"generator.*torch\.Generator\(\)\.manual_seed"):
            posterior.sample(3)


@pytest.mark.parametrize("option", ["draws", "level", "generator"])
def test_options_of_drawn_parameters_name_what_they_go_with(option):
    net = mm.BayesianNetwork.from_data(frame(), EDGES, posterior=True)
    for ask in (net.predict, net.predict_proba):
        with pytest.raises(EvidenceError, match=f"'{option}' goes with parameters=\"sample\""):
            ask(frame(3), "frost", **{option: 5})


def test_files_without_the_posterior_are_warned_of(tmp_path):
    net = mm.BayesianNetwork.from_data(frame(), EDGES, posterior=True)
    with pytest.warns(PosteriorWarning, match="no format holds the posterior"):
        mm.write(net, tmp_path / "net.mmgraph")
    assert mm.read(tmp_path / "net.mmgraph").parameter_posterior is None
