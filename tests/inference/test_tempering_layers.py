"""Parallel tempering of layers of units: it is right, and crosses what Gibbs does not."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.sampling.parallel_tempering import tempered_samples
from tests.inference.test_gibbs_layers import assert_near, seeded
from tests.inference.unit_models import random_evidence, random_machine


def two_modes(units: int = 12, weight: float = 1.0) -> mm.FactorGraph:
    """All units on or all off, alike but for a little: weights draw them together."""
    v, h = (mm.Variable(n, shape=(units,), family="bernoulli") for n in "vh")
    half = -weight * units / 2
    lean = torch.full((units,), half + 0.02, dtype=torch.float64)
    weights = torch.full((units, units), weight, dtype=torch.float64)
    return mm.FactorGraph(
        [v, h], [mm.BiasFactor(v, lean), mm.BiasFactor(h, lean), mm.BilinearFactor(v, h, weights)]
    )


@pytest.mark.parametrize("seed", range(5))
def test_marginals_and_means_are_near_the_exact_ones(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed, 2)
    exact = mm.query(graph, data, method="layer_summation")
    found = mm.query(
        graph, data, method="parallel_tempering", draws=250, generator=seeded(seed),
        temperatures=[1.0, 2.0, 5.0],
    )  # fmt: skip
    assert_near(graph, found, exact)
    rates = found.diagnostics["swap_acceptance"]["rate"]
    assert rates.shape == (len(exact.log_partition), 2)
    assert ((rates > 0) & (rates <= 1)).all()


def test_it_crosses_two_modes_that_gibbs_does_not():
    graph = two_modes()
    exact = mm.query(graph, method="layer_summation").mean("v")
    assert 0.5 < float(exact.mean()) < 0.75
    options = {"draws": 600, "burn_in": 100}
    even = {n: torch.full((1, 12), 0.5) for n in "vh"}
    tempered = mm.query(
        graph, method="parallel_tempering", chains=8, generator=seeded(), base=even, **options
    )
    assert float((tempered.mean("v") - exact).abs().max()) < 0.1
    stuck = []
    for seed in range(4):
        one = mm.query(graph, method="gibbs", chains=1, generator=seeded(seed), **options)
        stuck.append(float((one.mean("v") - exact).abs().max()))
    assert min(stuck) > 0.2
    by_itself = mm.query(
        graph, method="parallel_tempering", chains=8, generator=seeded(), **options
    )
    assert float((by_itself.mean("v") - exact).abs().max()) < 0.15


def test_samples_are_at_temperature_one():
    graph = two_modes(8)
    exact = mm.query(graph, method="layer_summation").mean("v")
    drawn = mm.sample(
        graph, 1600, None, seeded(), method="parallel_tempering", burn_in=50, thinning=3,
        base={n: torch.full((1, 8), 0.5) for n in "vh"},
    ).codes  # fmt: skip
    assert drawn["v"].shape == (1600, 8)
    assert float((drawn["v"].double().mean(0) - exact).abs().max()) < 0.1
    rows = mm.sample(graph, 3, {"v": [[1, *[-1] * 7], [0, *[-1] * 7]]}, seeded(),
                     method="parallel_tempering", burn_in=2).codes  # fmt: skip
    assert rows["h"].shape == (2, 3, 8)
    assert rows["v"][0, :, 0].all()
    assert not rows["v"][1, :, 0].any()


def test_a_base_leaves_the_model_what_it_is():
    graph = random_machine(1, ["bernoulli", "gaussian", "bernoulli"], joined=1.0)
    exact = mm.query(graph, method="layer_summation")
    shapes = {n: v.shape for n, v in graph.variables.items()}
    base = {n: torch.full((1, *s), 0.3, dtype=torch.float64) for n, s in shapes.items()}
    drawn = tempered_samples(
        graph, mm.Evidence.of(None, graph.variables), 4000, seeded(), [1.0, 3.0], 50, 40, 4, base
    )
    for name in graph.variables:
        error = 5 * (exact.variance(name)[0] / 1000).sqrt()
        assert ((drawn[name].double().mean(0) - exact.mean(name)[0]).abs() < error).all()


def test_the_same_seed_gives_the_same_answer():
    graph = two_modes(4)
    first, again, other = (
        mm.query(graph, method="parallel_tempering", draws=30, generator=seeded(s)).mean("v")
        for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bad_temperatures_are_refused():
    graph = two_modes(3)
    for wrong in ([2.0, 3.0], [1.0, 1.0], [1.0, 0.5], []):
        with pytest.raises(MmgraphError, match="must increase from 1"):
            mm.query(graph, method="parallel_tempering", temperatures=wrong)
    for name in ("draws", "chains"):
        with pytest.raises(MmgraphError, match=f"{name} must be at least 1, not 0"):
            mm.query(graph, method="parallel_tempering", **{name: 0})
