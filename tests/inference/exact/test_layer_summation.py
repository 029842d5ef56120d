"""Exact sums over layers beside plain loops over all values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.graph.soft_evidence import Soft
from mmgraph.inference.exact import layer_summation
from tests.inference.unit_models import by_listing, random_evidence, random_machine

SUMMATION = {"method": "layer_summation"}
ROWS = 3
seeds = st.integers(0, 2**32 - 1)


def truth_of(graph, hard, soft):
    return [by_listing(graph, h, s) for h, s in zip(hard, soft, strict=True)]


def statistics(posterior, name):
    if posterior.model_variables[name].family == "categorical":
        found = posterior.marginal(name)
    else:
        found = posterior.mean(name)
    return found.double().reshape(len(found), -1).numpy()


@settings(max_examples=25)
@given(seeds)
def test_marginals_means_and_log_partition_functions_agree_with_loops(seed):
    graph = random_machine(seed)
    data, hard, soft = random_evidence(graph, seed, ROWS)
    truth = truth_of(graph, hard, soft)[: ROWS if data else 1]
    posterior = mm.query(graph, data, **SUMMATION)
    assert posterior.exact
    totals = [t.log_total for t in truth]
    np.testing.assert_allclose(posterior.log_partition, totals, atol=1e-8)
    np.testing.assert_allclose(mm.log_partition(graph, data), totals, atol=1e-8)
    for name, variable in graph.variables.items():
        means = np.stack([t.means[name] for t in truth])
        np.testing.assert_allclose(statistics(posterior, name), means, atol=1e-8)
        if not variable.is_discrete:
            squares = np.stack([t.squares[name] for t in truth])
            found = posterior.variance(name).reshape(len(truth), -1)
            np.testing.assert_allclose(found, squares - means**2, atol=1e-7)
        if variable.is_discrete:
            assert (posterior.marginal(name) >= 0).all()


@settings(max_examples=25)
@given(seeds)
def test_the_most_probable_values_agree_with_loops(seed):
    graph = random_machine(seed)
    data, hard, soft = random_evidence(graph, seed, ROWS)
    best = mm.map_query(graph, data, **SUMMATION)
    for row, truth in enumerate(truth_of(graph, hard, soft)[: ROWS if data else 1]):
        assert float(best.log_weight[row]) == pytest.approx(truth.best_log_weight, abs=1e-8)
        for name, variable in graph.variables.items():
            found = best[name][row].double().numpy()
            expected = truth.best[name]
            if variable.family == "categorical":
                expected = expected.reshape(*variable.shape, -1).argmax(-1)
            np.testing.assert_allclose(found.reshape(-1), np.reshape(expected, -1), atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_discrete_machines_agree_with_methods_on_tables(seed):
    graph = random_machine(seed, ["bernoulli", "categorical", "bernoulli"])
    data, _, _ = random_evidence(graph, seed, ROWS)
    own = mm.query(graph, data, **SUMMATION)
    for method in ("junction_tree", "enumeration", "torch"):
        other = mm.query(graph, data, method=method)
        torch.testing.assert_close(own.log_partition, other.log_partition)
        for name in graph.variables:
            torch.testing.assert_close(own.marginal(name), other.marginal(name))
    best = mm.map_query(graph, data, **SUMMATION)
    by_tree = mm.map_query(graph, data, method="junction_tree")
    torch.testing.assert_close(best.log_weight, by_tree.log_weight)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_are_as_frequent_as_their_values_weigh(seed):
    graph = random_machine(seed, ["bernoulli", "replicated_softmax", "categorical"])
    data, hard, soft = random_evidence(graph, seed, 2, hard=0.3)
    drawn = mm.sample(graph, 4000, data, torch.Generator().manual_seed(seed), **SUMMATION).codes
    drawn = {n: t.reshape(-1, 4000, *t.shape[-len(graph.variables[n].shape) or t.ndim:])
             for n, t in drawn.items()}  # fmt: skip
    for row, truth in enumerate(truth_of(graph, hard, soft)[: 2 if data else 1]):
        keys = [tuple(row) for row in np.concatenate(
            [_states(v, truth.values[n]) for n, v in graph.variables.items()], 1
        )]  # fmt: skip
        flat = np.concatenate(
            [drawn[n][row].reshape(4000, -1).double().numpy() for n in graph.variables], 1
        )
        counts = Counter(map(tuple, flat))
        assert set(counts) <= set(keys)
        expected = 4000 * np.exp(truth.log_weights - truth.log_total)
        seen = np.array([counts[k] for k in keys], float)
        rare = expected < 8
        if (~rare).sum() > 1:
            pairs = [(seen[~rare], expected[~rare])]
            if rare.any():
                pairs.append((seen[rare].sum(keepdims=True), expected[rare].sum(keepdims=True)))
            observed, wanted = (np.concatenate(part) for part in zip(*pairs, strict=True))
            assert chisquare(observed, wanted).pvalue > 1e-4


def _states(variable, statistics):
    if variable.family == "categorical":
        return statistics.reshape(len(statistics), variable.size, -1).argmax(-1).astype(float)
    return statistics


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_samples_of_real_units_have_their_moments(seed):
    graph = random_machine(seed, ["bernoulli", "gaussian", "rectified_gaussian"], joined=1.0)
    truth = by_listing(graph)
    drawn = mm.sample(graph, 5000, None, torch.Generator().manual_seed(seed), **SUMMATION).codes
    for name in graph.variables:
        for power, expected in ((1, truth.means[name]), (2, truth.squares[name])):
            values = drawn[name].double().reshape(5000, -1).numpy() ** power
            error = 4.5 * values.std(0) / 5000**0.5
            assert (np.abs(values.mean(0) - expected) <= error + 1e-12).all()
    again = mm.sample(graph, 5000, None, torch.Generator().manual_seed(seed), **SUMMATION).codes
    assert all(torch.equal(drawn[n], again[n]) for n in drawn)


def test_sums_in_blocks_are_the_same(monkeypatch):
    graph = random_machine(7, ["bernoulli", "gaussian", "bernoulli", "categorical"], joined=1.0)
    data, _, _ = random_evidence(graph, 1, ROWS)
    whole, best = mm.query(graph, data, **SUMMATION), mm.map_query(graph, data, **SUMMATION)
    monkeypatch.setattr(layer_summation, "NUMBERS_AT_ONCE", 40)
    blocks = mm.query(graph, data, **SUMMATION)
    torch.testing.assert_close(blocks.log_partition, whole.log_partition)
    for name in graph.variables:
        np.testing.assert_allclose(statistics(blocks, name), statistics(whole, name), atol=1e-12)
    again = mm.map_query(graph, data, **SUMMATION)
    assert all(torch.equal(again[n], best[n]) for n in graph.variables)


def test_machines_in_single_precision_are_summed_in_double():
    graph = random_machine(5, ["bernoulli", "gaussian", "categorical"], joined=1.0)
    single = graph.to(dtype=torch.float32)
    found = mm.query(single, **SUMMATION)
    assert found.log_partition.dtype == torch.float64
    torch.testing.assert_close(found.log_partition, mm.log_partition(graph), rtol=1e-5, atol=1e-5)
    assert float(found.log_partition[0]) == pytest.approx(by_listing(single).log_total, abs=1e-9)


def test_tables_beside_layers_and_their_zeros():
    t, u = mm.Variable("t", 3), mm.Variable("u", 2, family="bernoulli")
    h = mm.Variable("h", shape=(2,), family="bernoulli")
    generator = torch.Generator().manual_seed(0)
    factors = [
        mm.TableFactor([t, u], [[1.0, 0.0], [2.0, 1.0], [1.0, 1.0]]),
        mm.BiasFactor(h, [0.0, 0.3]),
        mm.BilinearFactor(u, h, torch.ones(2)),
        mm.BilinearFactor(t, h, torch.randn(3, 2, generator=generator)),
    ]
    graph = mm.FactorGraph([t, u, h], factors)
    for data in (None, {"t": [0, -1, 2], "u": [0, 1, -1]}, {"h": [1, -1]}, {"t": 1, "h": [0, 0]}):
        own = mm.query(graph, data, **SUMMATION)
        tree = mm.query(graph, data, method="junction_tree")
        torch.testing.assert_close(own.log_partition, tree.log_partition)
        for name in graph.variables:
            torch.testing.assert_close(own.marginal(name), tree.marginal(name))
    clash = {"t": 0, "u": 1}
    assert torch.isneginf(mm.log_partition(graph, clash, **SUMMATION)).all()
    for ask in (mm.query, mm.map_query, lambda g, d, **o: mm.sample(g, 2, d, **o).codes):
        with pytest.raises(
            errors.ZeroProbabilityError, match="row 0 of the evidence has probability"
        ):
            ask(graph, clash, **SUMMATION)


@pytest.mark.parametrize("family", ["bernoulli", "categorical"])
def test_soft_evidence_with_zeros(family):
    graph = random_machine(11, [family, "bernoulli", "gaussian"], joined=1.0)
    name, variable = next(iter(graph.variables.items()))
    likelihood = np.random.default_rng(0).normal(size=(2, *variable.shape, variable.cardinality))
    likelihood[0, ..., 0] = -np.inf
    likelihood[1, ..., 1:] = -np.inf
    found = mm.query(graph, {name: Soft(likelihood)}, **SUMMATION)
    for row in range(2):
        states = [
            s for s in range(variable.cardinality) if np.isfinite(likelihood[row, ..., s]).all()
        ]
        finite = np.where(np.isinf(likelihood[row]), -1e4, likelihood[row])
        truth = by_listing(graph, None, {name: finite})
        assert float(found.log_partition[row]) == pytest.approx(truth.log_total)
        excluded = [s for s in range(variable.cardinality) if s not in states]
        assert not found.marginal(name)[row][..., excluded].any()
    nothing = {name: Soft(np.full(likelihood.shape, -np.inf))}
    for method in ("layer_summation", "mean_field", "gibbs", "annealed_importance_sampling"):
        with pytest.raises(errors.ZeroProbabilityError):
            mm.query(graph, nothing, method=method)
    assert torch.isneginf(mm.log_partition(graph, nothing, **SUMMATION)).all()


def test_what_cannot_be_listed_is_refused():
    visible = mm.Variable("v", shape=(2,), family="gaussian")
    hidden = mm.Variable("r", shape=(2,), family="rectified_gaussian")
    graph = mm.FactorGraph(
        [visible, hidden],
        [
            mm.BiasFactor(visible, [0.0, 0.0], [1.0, 1.0]),
            mm.BiasFactor(hidden, [0.0, 0.0], [2.0, 2.0]),
            mm.BilinearFactor(visible, hidden, torch.eye(2)),
        ],
    )
    with pytest.raises(
        errors.NotTabularError, match="neither can be listed; use mean_field or gibbs"
    ):
        mm.query(graph, **SUMMATION)
    values = np.array([0.5, np.nan])
    for row in (values, np.array([0.5, -1.0])):
        seen = {"v": row}
        if np.isnan(row).any():
            with pytest.raises(errors.NotTabularError, match=r"'[vr]' is .*gaussian"):
                mm.query(graph, seen, **SUMMATION)
        else:
            truth = by_listing(graph, seen)
            found = mm.query(graph, seen, **SUMMATION)
            assert float(found.log_partition[0]) == pytest.approx(truth.log_total)
            np.testing.assert_allclose(statistics(found, "r")[0], truth.means["r"])


def test_too_many_terms_and_partial_maxima_are_refused():
    graph = random_machine(0, ["bernoulli", "bernoulli", "categorical"], joined=1.0)
    with pytest.raises(errors.TreewidthError, match=r"more than the 2 that may be summed"):
        mm.query(graph, most_terms=2, **SUMMATION)
    given = mm.Evidence.of(None, graph.variables)
    exact = layer_summation.log_terms(graph, given)
    mm.query(graph, most_terms=round(np.exp(exact)), **SUMMATION)
    with pytest.raises(errors.MmgraphError, match="maximises over all variables"):
        mm.map_query(graph, None, list(graph.variables)[:1], **SUMMATION)
