"""Parameters from complete data, against formulas by hand and against pgmpy."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import encode
from mmgraph.graph.errors import LearningError
from mmgraph.learning.conditionals.parameters import UnseenConfigurationWarning, fitted_table
from mmgraph.learning.conditionals.priors import LeafOptions
from mmgraph.learning.counts import IncompleteDataError

A, B = mm.Variable("a", ("x", "y")), mm.Variable("b", 3)
FACTORS = (
    mm.TableFactor((A,), [0.5, 0.5], child=A),
    mm.TableFactor((B, A), [[0.3, 0.2], [0.3, 0.3], [0.4, 0.5]], child=B),  # the child comes first
)
GRAPH = mm.FactorGraph((A, B), FACTORS)
DATA = {"a": ["x", "x", "y", "x"], "b": [0, 0, 2, 1]}
COUNTS = np.array([[2.0, 0], [1, 0], [0, 1]])


def test_maximum_likelihood_is_the_share_of_each_state():
    a, b = mm.learn_parameters(GRAPH, DATA)
    np.testing.assert_allclose(a.values, [0.75, 0.25])
    np.testing.assert_allclose(b.values, COUNTS / COUNTS.sum(0))
    assert b.scope == (B, A)
    assert b.child is B
    assert b.values.dtype == torch.float64


def test_bdeu_spreads_its_rows_over_the_cells():
    a, b = mm.learn_parameters(GRAPH, DATA, mm.Prior(equivalent_sample_size=6))
    np.testing.assert_allclose(a.values, [6 / 10, 4 / 10])
    np.testing.assert_allclose(b.values, (COUNTS + 1) / (COUNTS.sum(0) + 3))


def test_dirichlet_pseudo_counts_for_all_tables_or_for_some():
    a, b = mm.learn_parameters(GRAPH, DATA, mm.Prior(pseudo_counts=0.5))
    np.testing.assert_allclose(a.values, [3.5 / 5, 1.5 / 5])
    np.testing.assert_allclose(b.values, (COUNTS + 0.5) / (COUNTS.sum(0) + 1.5))
    own = np.arange(6.0).reshape(3, 2)
    a, b = mm.learn_parameters(GRAPH, DATA, mm.Prior(pseudo_counts={"b": own}))
    np.testing.assert_allclose(a.values, [0.75, 0.25])
    np.testing.assert_allclose(b.values, (COUNTS + own) / (COUNTS + own).sum(0))


def test_rows_count_by_their_weights():
    a, b = mm.learn_parameters(GRAPH, DATA, weights=[1, 2, 3, 0.5])
    np.testing.assert_allclose(a.values, [3.5 / 6.5, 3 / 6.5])
    np.testing.assert_allclose(b.values[:, 0], [3 / 3.5, 0.5 / 3.5, 0])


def test_a_parent_state_never_seen_gets_the_uniform_distribution_and_that_is_said():
    with pytest.warns(UnseenConfigurationWarning, match="1 of 2 for 'b'"):
        _, b = mm.learn_parameters(GRAPH, {"a": ["x", "x"], "b": [0, 1]})
    np.testing.assert_allclose(b.values[:, 1], 1 / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.learn_parameters(GRAPH, {"a": ["x", "x"], "b": [0, 1]}, mm.Prior(1.0))
        mm.learn_parameters(GRAPH, DATA)


def test_a_table_can_keep_rows_that_nothing_speaks_of():
    kept, unseen = fitted_table(
        FACTORS[1], torch.tensor([[2.0, 0], [2, 0], [0, 0]]), unseen=FACTORS[1].values
    )
    assert unseen == 1
    np.testing.assert_allclose(kept.values, [[0.5, 0.2], [0.5, 0.3], [0, 0.5]])


@pytest.mark.parametrize("chunk_rows", [1, 3, 1000])
def test_chunks_and_files_give_the_same(tmp_path, chunk_rows):
    net = mm.read("asia")
    samples = mm.sample(net, 150, generator=torch.Generator().manual_seed(1)).codes
    frame = pd.DataFrame({n: np.array(net.variables[n].labels)[c] for n, c in samples.items()})
    frame.to_csv(tmp_path / "asia.csv", index=False)
    frame.to_parquet(tmp_path / "asia.parquet")
    prior = mm.Prior(3.0)
    whole = mm.learn_parameters(net, encode(samples, net.variables), prior)
    for data in (samples, frame, tmp_path / "asia.csv", tmp_path / "asia.parquet"):
        found = mm.learn_parameters(net, data, prior, chunk_rows=chunk_rows)
        for a, b in zip(whole, found, strict=True):
            assert torch.equal(a.values, b.values)


@pytest.mark.parametrize("prior", [None, "BDeu"])
def test_alarm_agrees_with_pgmpy(prior):
    pytest.importorskip("pgmpy")
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.parameter_estimator import DiscreteBayesianEstimator, DiscreteMLE

    net = mm.read("alarm")
    samples = mm.sample(net, 400, generator=torch.Generator().manual_seed(2)).codes
    frame = pd.DataFrame({n: np.array(net.variables[n].labels)[c] for n, c in samples.items()})
    peer = DiscreteBayesianNetwork(net.edges)
    labels = {n: list(v.labels) for n, v in net.variables.items()}
    if prior is None:
        estimator = DiscreteMLE(state_names=labels)
    else:
        estimator = DiscreteBayesianEstimator(
            state_names=labels, prior_type="BDeu", equivalent_sample_size=7
        )
    peer.fit(frame, estimator=estimator)
    found = mm.learn_parameters(net, frame, mm.Prior(7.0) if prior else mm.Prior())
    for factor in found:
        table = peer.get_cpds(factor.child.name)
        order = [table.variables.index(v.name) for v in factor.scope]
        values = np.asarray(table.values).transpose(order)
        for axis, v in enumerate(factor.scope):  # the peer orders states by itself
            places = [table.state_names[v.name].index(x) for x in v.labels]
            values = values.take(places, axis)
        np.testing.assert_allclose(factor.values, values, atol=1e-12)


def test_a_noisy_or_stays_a_noisy_or():
    c = mm.Variable("c", 2)
    gate = mm.NoisyOr(c, (A,), [0.5], 0.2)
    graph = mm.FactorGraph((A, c), (FACTORS[0], gate))
    _, learned = mm.learn_parameters(
        graph, {"a": [0] * 10 + [1] * 10, "c": [0] * 9 + [1] + [0] * 2 + [1] * 8}
    )
    assert isinstance(learned, mm.NoisyOr)
    np.testing.assert_allclose(learned.values, [[0.9, 0.1], [0.2, 0.8]], atol=1e-4)


def leaf_graph(**options) -> tuple[mm.FactorGraph, dict]:
    x = mm.Variable("x", shape=(2,), family="gaussian")
    leaf = mm.GaussianLeaf(x, (A,), np.zeros((2, 2)), np.stack([np.eye(2)] * 2))
    generator = np.random.default_rng(0)
    a = generator.integers(0, 2, 300)
    data = {"a": a, "x": generator.normal(size=(300, 2)) * 2 + 1000 + 3 * a[:, None]}
    return mm.FactorGraph((A, x), (FACTORS[0], leaf)), data


@pytest.mark.parametrize("chunk_rows", [7, 1000])
def test_gaussian_leaves_have_the_means_and_covariances_of_their_rows(chunk_rows):
    graph, data = leaf_graph()
    _, leaf = mm.learn_parameters(graph, data, chunk_rows=chunk_rows, options=LeafOptions(floor=0))
    for state in range(2):
        rows = data["x"][data["a"] == state]
        np.testing.assert_allclose(leaf.means[state], rows.mean(0), rtol=1e-12)
        np.testing.assert_allclose(leaf.covariances[state], np.cov(rows.T, bias=True), rtol=1e-8)


def test_weighted_rows_of_leaves_are_repeated_rows():
    graph, data = leaf_graph()
    times = np.random.default_rng(3).integers(0, 3, 300)
    _, weighted = mm.learn_parameters(graph, data, weights=times)
    _, repeated = mm.learn_parameters(graph, {n: np.repeat(v, times, 0) for n, v in data.items()})
    torch.testing.assert_close(weighted.means, repeated.means)
    torch.testing.assert_close(weighted.covariances, repeated.covariances)


# --- bad input -----------------------------------------------------------------------------------


def test_missing_cells_and_columns_ask_for_em():
    with pytest.raises(IncompleteDataError, match=r"'b' is missing in row 2.*em"):
        mm.learn_parameters(GRAPH, {**DATA, "b": [0, 1, None, 1]}, chunk_rows=2)
    with pytest.raises(IncompleteDataError, match=r"no column 'b'"):
        mm.learn_parameters(GRAPH, {"a": DATA["a"]})
    graph, data = leaf_graph()
    data["x"][5, 1] = np.nan
    with pytest.raises(IncompleteDataError, match="'x' is missing in row 5"):
        mm.learn_parameters(graph, data, chunk_rows=3)
    with pytest.raises(IncompleteDataError, match="no column 'x'"):
        mm.learn_parameters(graph, {"a": data["a"]})
    with pytest.raises(IncompleteDataError, match="'a' is missing in row 1"):
        mm.learn_parameters(graph, {**data, "a": [0, -1, 1]} | {"x": data["x"][:3]})


def test_components_of_a_mixture_are_hidden():
    graph, data = leaf_graph()
    x = graph.variables["x"]
    mixture = mm.GaussianMixtureLeaf(
        x, (A,), np.full((2, 2), 0.5), np.zeros((2, 2, 2)), np.ones((2, 2, 2)), "diagonal"
    )
    with pytest.raises(IncompleteDataError, match="component of 'x'"):
        mm.learn_parameters(mm.FactorGraph((A, x), (FACTORS[0], mixture)), data)


def test_factors_that_do_not_learn_are_named():
    undirected = mm.FactorGraph((A, B), (FACTORS[0], mm.TableFactor((A, B), np.ones((2, 3)))))
    with pytest.raises(LearningError, match=r"TableFactor\(a, b\) is no conditional"):
        mm.learn_parameters(undirected, DATA)
    with pytest.raises(LearningError, match=r"UnaryFactor\(a\)"):
        mm.learn_parameters(mm.FactorGraph((A,), (mm.UnaryFactor(A, [0.0, 0.0]),)), {"a": [0, 1]})


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_priors_are_finite_and_not_negative(amount):
    with pytest.raises(LearningError, match="equivalent sample size"):
        mm.Prior(amount)
    with pytest.raises(LearningError, match="pseudo-count"):
        mm.Prior(0, amount)
    with pytest.raises(LearningError, match=r"pseudo-count of TableFactor\(a\)"):
        mm.learn_parameters(GRAPH, DATA, mm.Prior(0, {"a": [1.0, amount]}))


def test_pseudo_counts_must_fit_the_tables():
    with pytest.raises(LearningError, match="for 'c', without a table"):
        mm.learn_parameters(GRAPH, DATA, mm.Prior(0, {"c": 1.0}))
    with pytest.raises(LearningError, match=r"shape \(2, 3\), not \(3, 2\)"):
        mm.learn_parameters(GRAPH, DATA, mm.Prior(0, {"b": np.ones((2, 3))}))
