"""Boltzmann machines as graphs: every answer beside that of listing all values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.networks.boltzmann.answers import PriorWarning
from tests.inference.unit_models import WORDS, by_listing
from tests.networks.boltzmann_machines import (
    deep_discrete,
    every_family,
    rectified_hidden,
    rows_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.networks.boltzmann.answers.PriorWarning")
BUILDERS = [every_family, rectified_hidden, deep_discrete]


def enumerated(machine, data):
    count = len(next(iter(data.values())))
    return [by_listing(machine, {n: a[i] for n, a in data.items()}) for i in range(count)]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_queries_agree_with_enumeration(build, seed):
    machine = build(seed)
    data = rows_of(machine)
    truth = enumerated(machine, data)
    posterior = mm.query(machine, data)
    assert posterior.exact
    for name, variable in machine.variables.items():
        expected = np.stack([t.means[name] for t in truth])
        if variable.family == "categorical":
            found = posterior.marginal(name)
        else:
            found = posterior.mean(name)
        np.testing.assert_allclose(found.reshape(len(truth), -1), expected, atol=1e-9)
    totals = [t.log_total for t in truth]
    np.testing.assert_allclose(mm.log_partition(machine, data), totals, atol=1e-9)


@pytest.mark.parametrize("build", BUILDERS)
def test_the_log_partition_function_agrees_with_enumeration(build):
    machine = build()
    assert float(mm.log_partition(machine)[0]) == pytest.approx(by_listing(machine).log_total)


@pytest.mark.parametrize("build", BUILDERS)
def test_the_log_likelihood_agrees_with_enumeration(build):
    machine = build()
    data = rows_of(machine)
    data.pop("words", None)  # whose length changes the log-partition function
    found = machine.log_likelihood(data)
    whole = by_listing(machine).log_total
    expected = [t.log_total - whole for t in enumerated(machine, data)]
    np.testing.assert_allclose(found.value, expected, atol=1e-9)
    assert found.kind == "exact"
    assert not found.is_bound.any()
    assert not found.standard_error.any()
    np.testing.assert_allclose(found.log_partition, whole)
    assert float(found.value[-1]) == pytest.approx(0.0, abs=1e-9)  # nothing is observed there


def test_documents_are_likely_given_their_length():
    visible = mm.Variable("words", shape=(3,), family="replicated_softmax")
    machine = mm.RestrictedBoltzmannMachine(visible, 3, dtype=torch.float64)
    for tensor in machine.parameters().values():
        tensor.normal_(generator=torch.Generator().manual_seed(1))
    for length in (1, 4):
        every = torch.cartesian_prod(*[torch.arange(length + 1)] * 3).double()
        every = every[every.sum(1) == length]
        found = machine.log_likelihood({"words": every})
        assert float(found.value.exp().sum()) == pytest.approx(1.0)
    mixed = machine.log_likelihood({"words": [[1.0, 0, 0], [2.0, 1, 1]]})
    assert mixed.log_partition[0] != mixed.log_partition[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tables_and_the_junction_tree_say_the_same(seed):
    machine = deep_discrete(seed)
    data = rows_of(machine)
    by_layers = mm.query(machine, data, method="layer_summation")
    by_tree = mm.query(machine, data, method="junction_tree")
    for name in machine.variables:
        torch.testing.assert_close(by_layers.marginal(name), by_tree.marginal(name))
    torch.testing.assert_close(
        mm.log_partition(machine, data), mm.log_partition(machine, data, method="junction_tree")
    )
    best = mm.map_query(machine, data)
    by_tree_best = mm.map_query(machine, data, method="junction_tree")
    for name in machine.variables:
        assert torch.equal(best[name].long(), by_tree_best[name].long())


@pytest.mark.parametrize("build", BUILDERS)
def test_the_best_assignment_has_the_highest_weight(build):
    machine = build()
    data = rows_of(machine)
    best = mm.map_query(machine, data)
    drawn = mm.sample(machine, 200, data, torch.Generator().manual_seed(0)).codes
    for row in range(6):
        own = {n: best[n][row] for n in machine.variables}
        others = {n: v[row] for n, v in drawn.items()}
        least = machine.energy(others).min()
        assert float(machine.energy(own)) <= float(least) + 1e-9


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("method", ["auto", "gibbs"])
def test_samples_have_the_posterior_means(build, method):
    machine = build()
    data = {n: a[:5] for n, a in rows_of(machine).items()}
    options = {"burn_in": 50, "thinning": 3} if method == "gibbs" else {}
    drawn = machine.sample(
        3000, data, torch.Generator().manual_seed(2), method=method, **options
    ).codes
    for row, truth in enumerate(enumerated(machine, data)):
        for name, variable in machine.variables.items():
            values = drawn[name][row].double().numpy().reshape(3000, -1)
            if variable.family == "categorical":
                states = variable.cardinality
                values = np.eye(states)[values.astype(int)].reshape(3000, -1)
            # Rare values may not have been drawn at all: their variance is at least of one of them.
            error = 5 * np.maximum(values.std(0), 3000**-0.5) / np.sqrt(3000 / 3) + 1e-9
            assert (np.abs(values.mean(0) - truth.means[name]) <= error).all(), name


def test_what_is_observed_stays_in_samples():
    machine = every_family()
    data = rows_of(machine)
    drawn = machine.sample(4, data, torch.Generator().manual_seed(0), burn_in=2).codes
    for name, given in data.items():
        values = drawn[name].double().numpy()
        known = given >= 0  # neither -1 nor NaN: values here are not negative
        assert known.any()
        shown = np.broadcast_to(given[:, None], values.shape)
        assert (values == shown)[np.broadcast_to(known[:, None], values.shape)].all()
    assert (drawn["words"].sum(-1)[5] == WORDS).all()  # a missing document has the usual length


def test_tempering_draws_as_gibbs_does():
    machine = every_family()
    drawn = machine.sample(
        1000, generator=torch.Generator().manual_seed(0), method="tempering",
        burn_in=30, thinning=2,
    ).codes  # fmt: skip
    truth = by_listing(machine)
    found = drawn["pixels"].double().mean(0).numpy()
    assert np.abs(found - truth.means["pixels"]).max() < 0.08


@pytest.mark.parametrize("build", BUILDERS)
def test_represent_impute_and_predict_by_an_exact_method(build):
    machine = build()
    data = rows_of(machine)
    truth = enumerated(machine, data)
    np.testing.assert_allclose(
        machine.represent(data, method="auto"),
        [t.means[machine.joint.name] for t in truth],
        atol=1e-9,
    )
    np.testing.assert_allclose(
        machine.predict_proba(data, method="auto"), [t.means["label"] for t in truth], atol=1e-9
    )
    filled = machine.impute(data, method="auto")
    assert set(filled.means) == set(data)  # in the last row all of them are missing
    for name in data:
        expected = [t.means[name] for t in truth]
        np.testing.assert_allclose(filled[name].reshape(6, -1), expected, atol=1e-9)


def test_mean_field_is_near_where_units_depend_little_on_each_other():
    machine = every_family(scale=0.15)
    data = rows_of(machine)
    truth = enumerated(machine, data)
    found = machine.represent(data)
    assert np.abs(found.numpy() - [t.means["joint"] for t in truth]).max() < 0.02
    bound = machine.log_likelihood(data, method="mean_field")
    exact = machine.log_likelihood(data)
    assert bound.kind == "lower bound"
    assert (bound.value <= exact.value + 1e-9).all()
    assert (exact.value - bound.value).max() < 0.1


def test_annealing_estimates_what_is_too_large_to_sum():
    visible = mm.Variable("pixels", shape=(30,), family="bernoulli")
    machine = mm.DeepBoltzmannMachine(
        visible, (25, 24), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    generator = torch.Generator().manual_seed(1)
    for tensor in machine.parameters().values():
        tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
    data = {"pixels": torch.randint(0, 2, (3, 30), generator=generator)}
    found = machine.log_likelihood(data, steps=200, chains=20, generator=generator)
    assert found.kind == "lower bound"
    assert (found.standard_error > 0).all()
    assert found.is_bound.all()
    again = machine.log_likelihood(data, steps=200, chains=20, generator=generator)
    assert torch.equal(again.log_partition, found.log_partition)  # it is kept
    machine.parameters()["bias:pixels"].add_(0.5)
    moved = machine.log_likelihood(data, steps=200, chains=20, generator=generator)
    assert not torch.equal(moved.log_partition, found.log_partition)
    estimated = machine.log_likelihood(
        data, "annealed_importance_sampling", steps=200, chains=20, generator=generator
    )
    assert estimated.kind == "estimate"
    assert (estimated.value >= moved.value - 4 * estimated.standard_error).all()


def test_annealing_agrees_with_the_exact_sum():
    machine = every_family()
    estimate = mm.query(
        machine, method="annealed_importance_sampling", steps=300, chains=100,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    truth = by_listing(machine).log_total
    error = float(estimate.diagnostics["standard_error"]["log_partition"][0])
    assert error < 0.05
    assert abs(float(estimate.log_partition[0]) - truth) < 4 * error


def test_rows_without_anything_are_said_to_have_the_prior():
    machine = every_family()
    data = rows_of(machine)
    for ask in (machine.represent, machine.impute, machine.predict_proba, machine.log_likelihood):
        with pytest.warns(PriorWarning, match="row 5 observes nothing"):
            ask(data)
    with pytest.warns(PriorWarning, match="row 0"):
        machine.represent()
    complete = {n: a[:1] for n, a in data.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine.represent(complete)


def test_rows_are_answered_alike_alone_and_together():
    machine = every_family()
    data = rows_of(machine)
    together = machine.represent(data)
    alone = [machine.represent({n: a[i : i + 1] for n, a in data.items()}) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-6, rtol=0)
