"""Expectation maximisation of tables: never downhill, and right where the answer is known."""

from __future__ import annotations

import inspect
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.encoding import coded_chunks
from mmgraph.graph.errors import LearningError, ZeroProbabilityError
from mmgraph.learning.conditionals.expectation import Rows, expectation
from mmgraph.learning.conditionals.priors import LeafOptions
from tests.learning.networks import (
    check_monotone,
    mixture_of_three,
    random_network,
    same_factors,
    seeded,
    with_holes,
)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.1, 0.5]),
    latent=st.booleans(),
    amount=st.sampled_from([0.0, 2.0]),
)
def test_the_objective_never_falls(seed, share, latent, amount):
    net = random_network(seed)
    data = with_holes(net, 40, share, seed)
    if latent:
        del data["v1"]
    learned, report = mm.expectation_maximization(
        net, data, prior=mm.Prior(amount), generator=seeded(seed), max_iterations=12
    )
    check_monotone(report.objectives)
    likelihood = float(mm.log_partition(learned, data).sum())
    assert report.log_likelihood == pytest.approx(likelihood, rel=1e-9)
    if not amount:
        assert report.objectives == report.log_likelihoods


@pytest.mark.parametrize("prior", [mm.Prior(), mm.Prior(5.0), mm.Prior(0.0, 0.5)])
def test_complete_data_give_the_closed_form_at_once(prior):
    net = random_network(3)
    data = mm.sample(net, 300, generator=seeded()).codes
    learned, report = mm.expectation_maximization(net, data, prior=prior)
    assert report.converged
    assert report.iterations == 1
    for a, b in zip(learned.factors, mm.learn_parameters(net, data, prior), strict=True):
        torch.testing.assert_close(a.values, b.values)
    assert isinstance(learned, mm.BayesianNetwork)


def test_a_hidden_cause_by_hand():
    """One step from known parameters, with the posterior written out."""
    h, x = mm.Variable("h", 2), mm.Variable("x", 2)
    prior, likelihood = np.array([0.4, 0.6]), np.array([[0.9, 0.1], [0.3, 0.7]])
    graph = mm.FactorGraph(
        (h, x), (mm.TableFactor((h,), prior, child=h), mm.TableFactor((h, x), likelihood, child=x))
    )
    data = {"x": [0, 0, 1, 0, -1]}
    learned, report = mm.expectation_maximization(
        graph, data, start="current", max_iterations=1, tolerance=0
    )
    joint = prior[:, None] * likelihood
    posterior = joint / joint.sum(0)
    counts = posterior * np.array([3, 1]) + joint  # the row without x counts with its joint
    np.testing.assert_allclose(learned.factors[0].values, counts.sum(1) / 5)
    np.testing.assert_allclose(learned.factors[1].values, counts / counts.sum(1, keepdims=True))
    expected = 3 * math.log(joint.sum(0)[0]) + math.log(joint.sum(0)[1])
    assert report.log_likelihoods[0] == pytest.approx(expected)


def test_a_missing_pattern_that_is_ignorable_is_filled_in():
    """b is missing wherever a is 1 and c is 0: available cases would be wrong, EM is right."""
    a, b, c = (mm.Variable(n, 2) for n in "abc")
    graph = mm.BayesianNetwork(
        (a, b, c),
        (
            mm.TableFactor((a,), [0.5, 0.5], child=a),
            mm.TableFactor((a, b), [[0.8, 0.2], [0.4, 0.6]], child=b),
            mm.TableFactor((b, c), [[0.9, 0.1], [0.2, 0.8]], child=c),
        ),
    )
    data = {n: t.numpy() for n, t in mm.sample(graph, 40_000, generator=seeded(4)).codes.items()}
    data["b"] = np.where((data["a"] == 1) & (data["c"] == 0), -1, data["b"])
    learned, report = mm.expectation_maximization(graph, data, tolerance=1e-9, max_iterations=500)
    assert report.converged
    for found, true in zip(learned.factors, graph.factors, strict=True):
        torch.testing.assert_close(found.values, true.values, atol=0.02, rtol=0)


def test_a_latent_class_is_recovered():
    h = mm.Variable("h", 2)
    items = [mm.Variable(f"x{i}", 2) for i in range(5)]
    right = np.linspace(0.75, 0.95, 5)
    graph = mm.BayesianNetwork(
        (h, *items),
        (
            mm.TableFactor((h,), [0.3, 0.7], child=h),
            *(
                mm.TableFactor((h, x), [[p, 1 - p], [1 - p, p]], child=x)
                for x, p in zip(items, right, strict=True)
            ),
        ),
    )
    data = mm.sample(graph, 20_000, generator=seeded(5)).codes
    del data["h"]
    learned, report = mm.expectation_maximization(
        graph, data, restarts=2, generator=seeded(6), tolerance=1e-8, max_iterations=500
    )
    first = learned.factors[0].values
    order = first.argsort()  # which state is called which cannot be learned
    torch.testing.assert_close(first[order], torch.tensor([0.3, 0.7]).double(), atol=0.03, rtol=0)
    for p, factor in zip(right, learned.factors[1:], strict=True):
        assert float(factor.values[order][0, 0]) == pytest.approx(p, abs=0.03)
    assert report.log_likelihood == max(report.restarts)


def test_equal_rows_are_put_together_and_weights_are_repetitions():
    net = random_network(8, 4)
    data = with_holes(net, 60, 0.3, 1)
    times = np.random.default_rng(0).integers(0, 4, 60)
    (group,) = Rows(coded_chunks(data, net.variables, None, times))
    assert group.evidence.batch < 60
    assert group.weights.sum() == times.sum()
    weighted, one = mm.expectation_maximization(net, data, weights=times, max_iterations=5)
    repeated, two = mm.expectation_maximization(
        net, {n: np.repeat(c, times) for n, c in data.items()}, max_iterations=5
    )
    assert one.rows == two.rows == times.sum()
    np.testing.assert_allclose(one.objectives, two.objectives)
    for a, b in zip(weighted.factors, repeated.factors, strict=True):
        torch.testing.assert_close(a.values, b.values)


def test_the_best_restart_is_returned_wherever_it_comes():
    net = mixture_of_three()
    data = {"x": mm.sample(net, 60, generator=seeded(3)).codes["x"]}
    best = set()
    for seed in range(6):
        learned, report = mm.expectation_maximization(
            net,
            data,
            options=LeafOptions(shrinkage=0),
            restarts=3,
            max_iterations=5,
            tolerance=0,
            generator=seeded(seed),
        )
        best.add(report.restart)
        assert report.objectives[-1] == report.restarts[report.restart] == max(report.restarts)
        assert float(mm.log_partition(learned, data).sum()) == pytest.approx(report.log_likelihood)
    assert {0, 2} <= best  # neither always the first nor always the last


def test_restarts_differ_where_cells_are_missing():
    net = random_network(5)
    data = with_holes(net, 50, 0.5, 3)
    _, report = mm.expectation_maximization(net, data, restarts=3, max_iterations=1, tolerance=0)
    assert len(set(report.restarts)) == 3


@pytest.mark.parametrize("observed", [False, True])
def test_weighted_rows_of_leaves_are_repeated_rows(observed):
    net = mixture_of_three()
    data = mm.sample(net, 80, generator=seeded(3)).codes
    times = torch.from_numpy(np.random.default_rng(0).integers(0, 4, 80))
    if not observed:
        del data["h"]
    options = {"start": "current", "max_iterations": 4, "tolerance": 0.0}
    weighted, one = mm.expectation_maximization(net, data, weights=times, **options)
    repeated, two = mm.expectation_maximization(
        net, {n: t.repeat_interleave(times, 0) for n, t in data.items()}, **options
    )
    np.testing.assert_allclose(one.objectives, two.objectives)
    torch.testing.assert_close(weighted.factors[1].means, repeated.factors[1].means)


def test_expected_counts_are_sums_over_completions():
    net = random_network(11, 4)
    data = with_holes(net, 15, 0.4, 2)
    found = expectation(net, Rows(coded_chunks(data, net.variables)))
    names = list(net.variables)
    counts = [np.zeros([v.cardinality for v in f.scope]) for f in net.factors]
    log_likelihood = 0.0
    for row in range(15):
        options = [
            range(v.cardinality) if data[n][row] < 0 else [data[n][row]]
            for n, v in net.variables.items()
        ]
        full = [dict(zip(names, states, strict=True)) for states in itertools.product(*options)]
        mass = np.array(
            [
                float(torch.exp(-net.energy({n: torch.tensor(s) for n, s in f.items()})))
                for f in full
            ]
        )
        log_likelihood += math.log(mass.sum())
        for share, states in zip(mass / mass.sum(), full, strict=True):
            for factor, table in zip(net.factors, counts, strict=True):
                table[tuple(states[v.name] for v in factor.scope)] += share
    for ours, table in zip(found.counts, counts, strict=True):
        np.testing.assert_allclose(ours, table, atol=1e-12)
    assert found.log_likelihood == pytest.approx(log_likelihood)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_read_in_chunks_gives_the_same_as_memory(tmp_path, ending):
    net = random_network(5)
    frame = pd.DataFrame(with_holes(net, 90, 0.3, 3)).drop(columns="v2")
    frame = frame.replace(-1, None).astype("Int64")
    path = tmp_path / f"rows{ending}"
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    runs = [
        mm.expectation_maximization(
            net, data, chunk_rows=20, max_iterations=6, generator=seeded(), tolerance=0
        )
        for data in (frame, path)
    ]
    assert runs[0][1].objectives == runs[1][1].objectives
    assert same_factors(runs[0][0], runs[1][0])
    whole = mm.expectation_maximization(net, frame, start="current", max_iterations=6, tolerance=0)
    parts = mm.expectation_maximization(
        net, path, start="current", max_iterations=6, tolerance=0, chunk_rows=7
    )
    np.testing.assert_allclose(whole[1].objectives, parts[1].objectives)


def test_soft_evidence_counts_as_it_weighs():
    h, x = mm.Variable("h", 2), mm.Variable("x", 2)
    graph = mm.BayesianNetwork(
        (h, x),
        (mm.TableFactor((h,), [0.5, 0.5], child=h), mm.TableFactor((h, x), np.eye(2), child=x)),
    )
    likelihood = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    evidence = mm.Evidence.of({"x": mm.soft(likelihood)}, graph.variables)
    learned, report = mm.expectation_maximization(
        graph, evidence, start="current", max_iterations=300, tolerance=1e-12
    )
    check_monotone(report.objectives)
    p = float(learned.factors[0].values[0])
    gradient = sum((a - b) / (p * a + (1 - p) * b) for a, b in np.exp(likelihood))
    assert gradient == pytest.approx(0, abs=1e-3)


def test_parametric_tables_keep_their_kind_and_go_uphill():
    a, b, c, d = (mm.Variable(n, 2) for n in "abcd")
    graph = mm.BayesianNetwork(
        (a, b, c, d),
        (
            mm.TableFactor((a,), [0.4, 0.6], child=a),
            mm.TableFactor((b,), [0.7, 0.3], child=b),
            mm.NoisyOr(c, (a, b), [0.8, 0.5], 0.1),
            mm.Softmax(d, (a, c), [[[0.0, 0], [0, 1]], [[0.0, 0], [0, -2]]]),
        ),
    )
    data = with_holes(graph, 150, 0.3, 9)
    learned, report = mm.expectation_maximization(graph, data, max_iterations=8)
    check_monotone(report.objectives)
    assert [type(f).__name__ for f in learned.factors[2:]] == ["NoisyOr", "Softmax"]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "dat"}, "did you mean 'data'"),
        ({"restarts": 0}, "restarts must be at least 1"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"tolerance": -1e-3}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"prior": mm.Prior(0, {"v9": 1.0})}, "'v9'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    net = random_network(1)
    with pytest.raises(LearningError, match=message):
        mm.expectation_maximization(net, with_holes(net, 9, 0.1, 0), **options)


def test_factors_that_are_no_distributions_are_refused():
    a = mm.Variable("a", 2)
    with pytest.raises(LearningError, match=r"TableFactor\(a\) is no conditional"):
        mm.expectation_maximization(
            mm.FactorGraph((a,), (mm.TableFactor((a,), [1.0, 2]),)), {"a": [0]}
        )


def test_impossible_rows_are_numbered_through_all_chunks():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph(
        (a, b),
        (mm.TableFactor((a,), [0.5, 0.5], child=a), mm.TableFactor((a, b), np.eye(2), child=b)),
    )
    data = {"a": [0, 1, 1, 0, 0, 1], "b": [0, 1, 1, -1, 0, 0]}
    with pytest.raises(ZeroProbabilityError, match="row 5 of the table") as caught:
        mm.expectation_maximization(graph, data, start="current", chunk_rows=2)
    assert caught.value.rows == (5,)
    learned, _ = mm.expectation_maximization(graph, data)  # from the data it is possible
    assert float(learned.factors[1].values[1, 0]) > 0


def test_an_empty_table_is_refused():
    net = random_network(1)
    with pytest.raises(LearningError, match="no rows"):
        mm.expectation_maximization(net, {"v0": []})


def test_the_signature_shows_all_options():
    parameters = inspect.signature(mm.expectation_maximization).parameters
    assert {"graph", "prior", "start", "restarts", "checkpoint", "device"} <= parameters.keys()
    assert "search" not in parameters
