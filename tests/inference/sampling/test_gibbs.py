"""Gibbs sampling against the listing of all states, and against itself on threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, UnknownVariableError, ZeroProbabilityError
from mmgraph.inference.numerics.counted_random import random_words
from mmgraph.inference.sampling.gibbs import gibbs, gibbs_samples
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_torch import gibbs_torch
from mmgraph.inference.sampling.schedule import Schedule
from mmgraph.inference.sampling.two_state_grid import two_state_grid
from tests.inference.models import nothing, random_evidence, random_graph, random_network, seeded
from tests.inference.spatial_models import assert_agrees, ising_grid, listed, mixed_graph, tolerance


def test_philox_gives_the_published_words():
    """Known answers of the authors' own implementation for counters of all zeros and all ones."""
    words = np.zeros(4, np.uint32)
    random_words(words, 1, 0, 0, 0, 0, np.zeros(2, np.uint32))
    assert [hex(w) for w in words] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    full = 2**32 - 1
    random_words(words, 1, full, full, full, full, np.full(2, full, np.uint32))
    assert [hex(w) for w in words] == ["0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 5)])
@pytest.mark.parametrize("varying", [False, True])
def test_two_state_grids(shape, varying):
    weights = np.random.default_rng(1).normal(size=(2, *shape)) if varying else [0.6, -0.4]
    graph = ising_grid(shape, weights, field=0.7)
    grid = two_state_grid(gibbs_program(graph))
    assert grid is not None
    assert grid.neighbours.uniform is not varying
    evidence = nothing(graph)
    posterior = gibbs(graph, evidence, draws=8000, generator=seeded(), threads=1)
    assert_agrees(posterior, graph, evidence)


@pytest.mark.parametrize("varying", [False, True])
def test_sums_over_many_sweeps_are_not_rounded(varying):
    """An element that nothing is coupled to adds the same number to its sum in each sweep."""
    weights = np.zeros((2, 2, 2))
    weights[0, 1, 0] = 0.8 if varying else 0.0
    graph = ising_grid((2, 2), weights, field=1.0)
    grid = two_state_grid(gibbs_program(graph))
    assert grid is not None
    assert grid.neighbours.uniform is not varying
    posterior = gibbs(graph, nothing(graph), draws=300_000, chains=1, burn_in=0, trace_budget=1)
    expected = graph.factors[1].log_values.softmax(-1)[0]
    torch.testing.assert_close(posterior.marginal("spins")[0, 0], expected, rtol=2e-6, atol=0)


def test_a_table_that_is_no_potts_energy_is_an_ising_model_too():
    spins = mm.Variable("spins", 2, (3, 3))
    table = [[0.3, 1.1], [-0.7, 0.5]]
    graph = mm.FactorGraph([spins], [mm.GridFactor(spins, mm.Tabulated(table), 0.9)])
    assert two_state_grid(gibbs_program(graph)) is not None
    posterior = gibbs(graph, nothing(graph), draws=8000, generator=seeded())
    assert_agrees(posterior, graph, nothing(graph))


@pytest.mark.parametrize("observed", ["hard", "soft", "zeros"])
def test_evidence_on_a_two_state_grid(observed):
    graph = ising_grid((3, 3), 0.7, field=0.5)
    data = np.array([[0, -1, -1], [-1, 1, -1], [-1, -1, 0]])
    if observed != "hard":
        values = np.random.default_rng(2).normal(size=(3, 3, 2))
        values[0, 0, 1] = -np.inf if observed == "zeros" else 1.0
        evidence = mm.Evidence.of({"spins": mm.soft(values)}, graph.variables)
    else:
        evidence = mm.Evidence.of({"spins": data}, graph.variables)
    posterior = gibbs(graph, evidence, draws=6000, generator=seeded(3))
    assert_agrees(posterior, graph, evidence)
    if observed == "hard":
        torch.testing.assert_close(
            posterior.marginal("spins")[0, 1, 1], torch.tensor([0.0, 1.0]).double()
        )


@pytest.mark.parametrize("seed", range(3))
def test_arrays_and_tables_together(seed):
    graph = mixed_graph(seed)
    codes = np.array([[[-1, 2], [-1, -1]], [[0, -1], [-1, 1]]])
    evidence = mm.Evidence.of({"labels": codes, "a": [None, 1]}, graph.variables)
    posterior = gibbs(graph, evidence, draws=6000, generator=seeded(seed))
    for row in range(2):
        assert_agrees(posterior, graph, evidence, row)


@pytest.mark.parametrize("seed", range(8))
def test_networks_with_continuous_leaves(seed):
    network = random_network(seed, leaves=2)
    evidence = mm.Evidence.of(random_evidence(network, seed, 2), network.variables)
    exact = mm.query(network, evidence)
    posterior = gibbs(network, evidence, draws=6000, generator=seeded(seed))
    for name in exact.marginals:
        difference = (posterior.marginal(name) - exact.marginal(name)).abs().max()
        assert float(difference) < tolerance(posterior, name), name


def test_hard_zeros_that_sampling_can_pass():
    graph = mixed_graph(1, zeros=True)
    posterior = gibbs(graph, nothing(graph), draws=8000, generator=seeded())
    assert_agrees(posterior, graph, nothing(graph))
    exact, _ = listed(graph, nothing(graph))
    for name, marginal in exact.items():
        assert (posterior.marginal(name)[0][marginal == 0] == 0).all()


def test_alarm():
    network = mm.read("alarm")
    evidence = mm.Evidence.of({"HRBP": "HIGH", "EXPCO2": "LOW"}, network.variables)
    exact = mm.query(network, evidence)
    posterior = gibbs(network, evidence, draws=5000, chains=8, generator=seeded())
    sizes = posterior.diagnostics["effective_sample_size"]
    for name in network.variables:
        difference = float((posterior.marginal(name) - exact.marginal(name)).abs().max())
        assert difference < 5 * 0.5 / max(float(sizes[name]), 1.0) ** 0.5, name
    assert posterior.method == "gibbs"
    assert not posterior.exact
    with pytest.raises(UnknownVariableError, match="does not give"):
        _ = posterior.log_partition


@pytest.mark.parametrize("make", [lambda: ising_grid((9, 8), 0.6), lambda: mixed_graph(0)])
def test_the_seed_decides_on_any_number_of_threads(make):
    results = []
    for threads in (1, 1, 3):
        graph = make()
        results.append(gibbs(graph, nothing(graph), draws=50, generator=seeded(4), threads=threads))
    graph = make()
    other = gibbs(graph, nothing(graph), draws=50, generator=seeded(5))
    for name in graph.variables:
        first = results[0].marginal(name)
        for result in results[1:]:
            assert torch.equal(first, result.marginal(name))
            for measure in ("r_hat", "effective_sample_size"):
                told = results[0].diagnostics[measure][name]
                assert torch.equal(told, result.diagnostics[measure][name])
        assert not torch.equal(first, other.marginal(name))


@pytest.mark.parametrize("states", [2, 3])
def test_large_arrays_are_shared_between_threads_to_the_same_effect(states):
    labels = mm.Variable("labels", states, (190, 180))
    graph = mm.FactorGraph([labels], [mm.GridFactor(labels, mm.Potts(), 0.5)])
    one = gibbs(graph, nothing(graph), draws=4, chains=2, generator=seeded(), threads=1)
    three = gibbs(graph, nothing(graph), draws=4, chains=2, generator=seeded(), threads=3)
    assert torch.equal(one.marginal("labels"), three.marginal("labels"))
    assert float((one.marginal("labels").mean((0, 1, 2)) - 1 / states).abs().max()) < 0.05


def test_the_torch_form_agrees():
    for graph in (ising_grid((3, 3), 0.7, field=0.5), mixed_graph(2), random_network(11)):
        evidence = nothing(graph)
        record = gibbs_torch(graph, evidence, Schedule(400, 60, 60), seeded(), torch.device("cpu"))
        compiled = gibbs(graph, evidence, draws=8000, generator=seeded(1))
        for name in graph.variables:
            difference = record.moments.marginals[name] - compiled.marginal(name)
            # 24,000 draws that are correlated within 400 chains; at least 1,500 independent ones.
            assert float(difference.abs().max()) < 5 * 0.5 / 1500**0.5, name


def test_the_torch_form_keeps_what_is_observed_or_forbidden():
    graph = mixed_graph(1, zeros=True)
    evidence = mm.Evidence.of({"a": [0, 1], "line": np.array([[1, -1], [-1, 0]])}, graph.variables)
    schedule = Schedule(20, 10, 5, interval=2)
    record = gibbs_torch(graph, evidence, schedule, seeded(), torch.device("cpu"))
    again = gibbs_torch(graph, evidence, schedule, seeded(), torch.device("cpu"))
    assert record.trace["labels"].shape == (5, 2, 20, 2, 2)
    assert (record.trace["line"][:, 0, :, 0] == 1).all()
    assert (record.trace["a"][:, 1] == 1).all()
    states = {n: t.flatten(0, 2) for n, t in record.trace.items()}
    assert torch.isfinite(graph.energy(states)).all()
    for name in graph.variables:
        assert torch.equal(record.trace[name], again.trace[name])


def test_chains_that_cannot_meet_do_not_count_as_converged():
    """Two elements that must be equal never change together: each chain stays where it began."""
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor((a, b), [[0.5, 0.0], [0.0, 0.5]])])
    posterior = gibbs(graph, nothing(graph), draws=100, chains=16, generator=seeded())
    assert not posterior.converged
    assert float(posterior.diagnostics["r_hat"]["a"]) == np.inf
    assert not torch.isnan(posterior.marginal("a")).any()


def test_converged_where_elements_are_independent():
    labels = mm.Variable("labels", 3, (4,))
    graph = mm.FactorGraph([labels], [mm.UnaryFactor(labels, np.zeros((4, 3)))])
    posterior = gibbs(graph, nothing(graph), draws=4000, generator=seeded())
    assert posterior.converged
    sizes = posterior.diagnostics["effective_sample_size"]["labels"]
    assert sizes.shape == (1, 4)
    assert float(sizes.min()) > 0.8 * 16_000


def test_a_small_trace_budget_thins_what_diagnostics_see():
    graph = ising_grid((4, 4), 0.2)
    posterior = gibbs(graph, nothing(graph), draws=1000, generator=seeded(), trace_budget=6400)
    sizes = posterior.diagnostics["effective_sample_size"]["spins"]
    assert 100 < float(sizes.max()) < 1000
    short = gibbs(graph, nothing(graph), draws=3, generator=seeded())
    assert short.diagnostics == {}
    assert not short.converged


def test_some_variables_only():
    graph = mixed_graph(0)
    posterior = gibbs(graph, nothing(graph), "a", draws=10, generator=seeded())
    assert posterior.variables == ("a",)
    with pytest.raises(UnknownVariableError, match="did you mean 'labels'"):
        gibbs(graph, nothing(graph), ["lables"])


def test_samples_have_the_joint_distribution():
    graph = mixed_graph(1, zeros=True)
    evidence = mm.Evidence.of({"b": 1}, graph.variables)
    samples = gibbs_samples(graph, evidence, 6001, seeded())
    assert samples["labels"].shape == (6001, 2, 2)
    assert samples["labels"].dtype == torch.int64
    assert (samples["b"] == 1).all()
    assert torch.isfinite(graph.energy(samples)).all()
    exact, _ = listed(graph, evidence)
    for name, marginal in exact.items():
        one_hot = torch.nn.functional.one_hot(samples[name], graph.variables[name].cardinality)
        difference = (one_hot.double().mean(0) - marginal).abs().max()
        assert float(difference) < 5 * 0.5 / 3000**0.5, name


def test_samples_of_rows_and_grids():
    graph = ising_grid((3, 4), 0.5, field=0.5)
    codes = np.full((2, 3, 4), -1)
    codes[1, 2, 3] = 1
    evidence = mm.Evidence.of({"spins": codes}, graph.variables)
    samples = gibbs_samples(graph, evidence, 4000, seeded(), chains=8)["spins"]
    assert samples.shape == (2, 4000, 3, 4)
    assert (samples[1, :, 2, 3] == 1).all()
    again = gibbs_samples(graph, evidence, 4000, seeded(), chains=8)["spins"]
    assert torch.equal(samples, again)
    for row in range(2):
        exact, _ = listed(graph, evidence, row)
        difference = (samples[row].double().mean(0) - exact["spins"][..., 1]).abs().max()
        assert float(difference) < 5 * 0.5 / 2000**0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws must be at least 1, not 0"),
        ({"chains": 0}, "chains must be at least 1, not 0"),
        ({"thinning": 0}, "thinning must be at least 1, not 0"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"burn_in": -1}, "burn_in must not be negative, not -1"),
    ],
)
def test_numbers_that_make_no_sense(options, message):
    graph = ising_grid((2, 2), 0.5)
    with pytest.raises(MmgraphError, match=message):
        gibbs(graph, nothing(graph), **options)
    with pytest.raises(TypeError):
        gibbs(graph, nothing(graph), colours=3)


@pytest.mark.parametrize("options", [{"draws": 0}, {"draws": 5, "chains": 0}])
def test_samples_refuse_such_numbers_too(options):
    graph = ising_grid((2, 2), 0.5)
    with pytest.raises(MmgraphError, match="must be at least 1, not 0"):
        gibbs_samples(graph, nothing(graph), **options)


def test_impossible_evidence_names_the_variables_that_clash():
    a, b, c = mm.Variable("a", 2), mm.Variable("b", 2), mm.Variable("c", 2)
    equal = np.eye(2)
    graph = mm.FactorGraph(
        [a, b, c], [mm.TableFactor((a, b), equal), mm.TableFactor((b, c), equal)]
    )
    evidence = mm.Evidence.of({"a": [0, 0], "c": [0, 1]}, graph.variables)
    with pytest.raises(ZeroProbabilityError, match="row 1") as raised:
        gibbs(graph, evidence)
    assert raised.value.rows == (1,)
    assert set(raised.value.variables) == {"a", "c"}


def test_an_element_without_a_state_is_named():
    spins = mm.Variable("spins", 2, (2, 2))
    values = np.zeros((2, 2, 2))
    values[1, 1] = [-np.inf, 0.0]
    graph = mm.FactorGraph([spins], [mm.UnaryFactor(spins, values)])
    evidence = mm.Evidence.of({"spins": np.array([[-1, -1], [-1, 0]])}, graph.variables)
    with pytest.raises(ZeroProbabilityError, match="no state of 'spins' is left"):
        gibbs(graph, evidence)


def test_impossible_evidence_on_an_array():
    line = mm.Variable("line", 2, (3,))
    equal = mm.Tabulated([[0.0, np.inf], [np.inf, 0.0]])
    graph = mm.FactorGraph([line], [mm.GridFactor(line, equal)])
    posterior = gibbs(
        graph, mm.Evidence.of({"line": np.array([1, -1, -1])}, graph.variables), draws=8
    )
    assert (posterior.marginal("line")[0, :, 1] == 1).all()
    with pytest.raises(ZeroProbabilityError, match="impossible"):
        gibbs(graph, mm.Evidence.of({"line": np.array([1, -1, 0])}, graph.variables))


def test_a_start_is_found_where_few_states_are_possible():
    """Twelve places of twelve states, all different: one sweep in a million would hit one."""
    line = [mm.Variable(f"v{i}", 12) for i in range(12)]
    different = 1.0 - np.eye(12)
    pairs = [(a, b) for i, a in enumerate(line) for b in line[:i]]
    graph = mm.FactorGraph(line, [mm.TableFactor(pair, different) for pair in pairs])
    samples = gibbs_samples(graph, nothing(graph), 4, seeded())
    states = torch.stack([samples[v.name] for v in line], 1)
    assert all(len(set(row.tolist())) == 12 for row in states)


def test_random_graphs_in_any_scale_never_give_nan():
    for seed in range(10):
        graph = random_graph(seed, zeros=0.2)
        try:
            posterior = gibbs(graph, nothing(graph), draws=20, generator=seeded())
        except ZeroProbabilityError:
            with pytest.raises(ZeroProbabilityError):
                mm.query(graph)
            continue
        for table in posterior.marginals.values():
            torch.testing.assert_close(table.sum(-1), torch.ones(table.shape[:-1]).double())
