"""Block Gibbs sampling of layers of units beside exact sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.field.block_gibbs import sweep
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.numerics.diagnostics import value_diagnostics
from mmgraph.inference.pairwise.colouring import colour_masks
from tests.inference.models import seeded
from tests.inference.unit_models import random_evidence, random_machine


def assert_near(graph, found, exact, sigmas=4.0):
    """Every mean within so many standard errors, by the effective sample size of its chains."""
    for name, variable in graph.variables.items():
        size = found.diagnostics["effective_sample_size"][name]
        if variable.is_discrete:
            own, truth = found.marginal(name), exact.marginal(name)
            spread, size = truth * (1 - truth), size.unsqueeze(-1)
        else:
            own, truth, spread = found.mean(name), exact.mean(name), exact.variance(name)
        error = sigmas * (spread.clamp_min(0) / size).sqrt() + 1e-3
        assert ((own - truth).abs() < error).all(), name


@pytest.mark.parametrize("seed", range(8))
def test_marginals_and_means_are_near_the_exact_ones(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed, 2)
    exact = mm.query(graph, data, method="layer_summation")
    found = mm.query(graph, data, method="gibbs", draws=800, generator=seeded(seed))
    assert found.method == "gibbs"
    assert_near(graph, found, exact)
    for name, variable in graph.variables.items():
        if not variable.is_discrete:
            torch.testing.assert_close(
                found.variance(name), exact.variance(name), rtol=0.15, atol=0.02
            )


def test_observed_units_keep_their_values():
    graph = random_machine(4, ["bernoulli", "gaussian", "categorical"], joined=1.0)
    data, observed, _ = random_evidence(graph, 2, 3, soft=False, hard=1.0)
    drawn = mm.sample(graph, 10, data, seeded(), method="gibbs", burn_in=1).codes
    for name in data:
        for row in range(3):
            given = observed[row][name]
            known = ~np.isnan(given) & ((given >= 0) | (not graph.variables[name].is_discrete))
            for value in drawn[name][row].double().numpy():
                np.testing.assert_allclose(value[known], given[known])


def test_the_same_seed_gives_the_same_answer():
    graph = random_machine(6)
    answers = [mm.query(graph, method="gibbs", draws=50, generator=seeded(s)) for s in (3, 3, 4)]
    name = next(iter(graph.variables))
    assert torch.equal(answers[0].marginal(name), answers[1].marginal(name))
    assert not torch.equal(answers[0].marginal(name), answers[2].marginal(name))
    drawn = [mm.sample(graph, 9, None, seeded(s), method="gibbs", burn_in=3).codes for s in (3, 3)]
    assert all(torch.equal(drawn[0][n], drawn[1][n]) for n in graph.variables)


def test_rows_and_chains_of_units_that_nothing_joins_draw_for_themselves():
    names = {"r": "gaussian", "b": "bernoulli", "w": "replicated_softmax"}
    variables = [mm.Variable(n, shape=(2,), family=f) for n, f in names.items()]
    graph = mm.FactorGraph(
        variables,
        [mm.BiasFactor(v, [0.0, 0.0], [1.0, 1.0] if v.family == "gaussian" else None)
         for v in variables],
    )  # fmt: skip
    rows = mm.Evidence.of(None, graph.variables).rows(np.zeros(200, np.int64))
    view = FieldView(graph, rows, torch.device("cpu"), torch.float64)
    states = view.start()
    sweep(view, colour_masks(graph), states, seeded())
    assert len(states["r"].unique()) == 400
    assert 60 < float(states["b"][:, 0].sum()) < 140
    assert len(states["w"].unique(dim=0)) > 20


def test_r_hat_is_near_one_where_chains_mix_and_large_where_they_do_not():
    graph = random_machine(3, ["bernoulli", "gaussian"], scale=0.3, joined=1.0)
    found = mm.query(graph, method="gibbs", draws=500, generator=seeded())
    for name in graph.variables:
        r_hat = found.diagnostics["r_hat"][name]
        size = found.diagnostics["effective_sample_size"][name]
        assert ((r_hat > 0.99) & (r_hat < 1.02)).all()
        assert ((size > 200) & (size < 3000)).all()
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(500, 4, 2))
    r_hat, size = value_diagnostics(mixed)
    assert (r_hat < 1.02).all()
    assert ((size > 1200) & (size < 3200)).all()
    apart = mixed + 5 * np.arange(4)[None, :, None]
    r_hat, size = value_diagnostics(apart)
    assert (r_hat > 2).all()
    assert (size < 50).all()
    slow = generator.normal(size=(500, 4, 1)).cumsum(0)
    assert (value_diagnostics(slow)[0] > 1.05).all()


def test_of_units_that_never_move_r_hat_is_undefined():
    r_hat, size = value_diagnostics(np.full((20, 4, 1), 2.5))
    assert (r_hat.tolist(), size.tolist()) == ([np.inf], [1])


def test_single_precision_stays_single():
    graph = random_machine(2, ["bernoulli", "gaussian", "bernoulli"], joined=1.0)
    single = graph.to(dtype=torch.float32)
    exact = mm.query(single, method="layer_summation")
    found = mm.query(single, method="gibbs", draws=800, generator=seeded())
    assert_near(graph, found, exact)
