"""Particles of networks that repeat: near exact answers, and in place of tables that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

import mmgraph as mm
from mmgraph.graph.errors import MemoryBudgetError, MmgraphError, ZeroProbabilityError
from tests.inference.exact.slices.test_answers import random_evidence, random_network

METHOD = "particle_filter"


def switches(count: int, stay: float = 0.9) -> mm.DynamicBayesianNetwork:
    """Switches that each follow only themselves, and are each reported with an error of a fifth."""
    slices: list[mm.BayesianNetwork] = []
    for later in (False, True):
        variables, factors = [], []
        for i in range(count):
            z, said = mm.Variable(f"z{i}", 2), mm.Variable(f"said{i}", 2)
            report = mm.TableFactor([z, said], [[0.8, 0.2], [0.2, 0.8]], child=said)
            variables += [z, said]
            factors.append(report)
            if later:
                before = mm.Variable(f"z{i}[-1]", 2)
                moves = [[stay, 1 - stay], [1 - stay, stay]]
                variables.append(before)
                factors.append(mm.TableFactor([before], [0.5, 0.5], child=before))
                factors.append(mm.TableFactor([before, z], moves, child=z))
            else:
                factors.append(mm.TableFactor([z], [0.5, 0.5], child=z))
        slices.append(mm.BayesianNetwork(variables, factors))
    return mm.DynamicBayesianNetwork(*slices)


@pytest.mark.parametrize(("seed", "order"), [(0, 1), pytest.param(3, 2, marks=pytest.mark.slow)])
def test_marginals_draws_and_log_evidence_come_near_the_exact_ones(seed: int, order: int) -> None:
    net, evidence = random_network(seed, order), random_evidence(seed, 6)
    exact = mm.query(net, evidence)
    names = ["z", "w", "y", "x"]
    found = mm.query(net, evidence, names, method=METHOD, particles=1500, paths=800)
    assert (found.mean("x") - mm.query(net, evidence, "x").mean("x")).abs().max() < 0.2
    assert (found.method, found.exact) == (METHOD, False)
    drawn = mm.sample(net, 800, evidence, torch.Generator().manual_seed(1), method=METHOD)
    for name in ("z", "w", "y"):
        marginal = exact.marginal(name)[0]
        assert (found.marginal(name)[0] - marginal).abs().max() < 0.09, name
        share = one_hot(drawn.codes[name], marginal.shape[-1]).double().mean(0)
        assert (share - marginal).abs().max() < 0.09, name
        sizes = found.diagnostics["effective_sample_size"][name]
        assert sizes.shape == (1, 6)
        assert ((sizes >= 1) & (sizes <= 1500.01)).all()
    tries = [
        float(mm.log_partition(net, evidence, method=METHOD, particles=400, random_state=k))
        for k in range(8)
    ]
    likelihoods = np.exp(np.array(tries) - float(exact.log_evidence))
    error = likelihoods.std(ddof=1) / len(tries) ** 0.5
    assert abs(likelihoods.mean() - 1) < 5 * error + 1e-9


def test_what_does_not_fit_is_answered_by_particles_and_says_so() -> None:
    net, one, steps = switches(12), switches(1), 5
    generator = np.random.default_rng(0)
    reports = {f"said{i}": generator.integers(2, size=steps) for i in range(12)}
    answer = mm.query(net, reports, ["z0", "z7"], memory_budget=50_000)
    assert (answer.method, answer.exact) == (METHOD, False)
    for i in (0, 7):
        alone = mm.query(one, {"said0": reports[f"said{i}"]}, ["z0"]).marginal("z0")
        assert (answer.marginal(f"z{i}") - alone).abs().max() < 0.2
    again = mm.query(net, reports, ["z0", "z7"], memory_budget=50_000)
    torch.testing.assert_close(answer.marginal("z7"), again.marginal("z7"), rtol=0, atol=0)
    for ask in (mm.log_partition, lambda *a, **o: mm.sample(a[0], 3, a[1], **o), mm.map_query):
        with pytest.raises(MemoryBudgetError, match="particle_filter"):
            ask(net, reports, memory_budget=50_000)


def test_sequences_of_any_length_and_what_no_particle_survives() -> None:
    net = switches(2, stay=1.0)
    lengths = {"said0": [[0, 1], [0, 0, 0]], "z1": [[0, 0], [None, 1, None]]}
    answer = mm.query(net, lengths, method=METHOD)
    assert answer.lengths == (2, 3)
    assert answer.marginal("z1")[1, :3, 1].tolist() == [1.0, 1.0, 1.0]
    assert answer.marginal("z1")[0, 2].tolist() == [0.0, 0.0]
    impossible = {"z1": [[0, 0], [0, 1]]}
    with pytest.raises(ZeroProbabilityError, match=r"sequence 1 .* step 1") as caught:
        mm.query(net, impossible, method=METHOD)
    assert caught.value.rows == (1,)
    logs = mm.log_partition(net, impossible, method=METHOD)
    assert logs.tolist() == [pytest.approx(np.log(0.5)), -np.inf]


def test_options_that_do_not_go_with_a_method_are_refused() -> None:
    net, said = switches(1), {"said0": [0, 1]}
    with pytest.raises(MmgraphError, match="particles"):
        mm.query(net, said, method="chain", particles=10)
    with pytest.raises(MmgraphError, match="memory_budget"):
        mm.query(net, said, method=METHOD, memory_budget=1000)
    with pytest.raises(MmgraphError, match="at least 1"):
        mm.query(net, said, method=METHOD, particles=0)
    with pytest.raises(MmgraphError, match="exactly"):
        mm.map_query(net, said, method=METHOD)
