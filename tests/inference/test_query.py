"""What all questions have in common."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_there_is_not_is_named_by_every_question():
    net = mm.read("asia")
    for ask in (
        lambda: mm.query(net, device="cuda"),
        lambda: mm.query(net, method="gibbs", device="cuda"),
        lambda: mm.map_query(net, method="trws", device="cuda"),
        lambda: mm.map_query(net, method="trws", device=torch.device("cuda")),
        lambda: mm.sample(net, 2, method="gibbs", device="cuda"),
        lambda: mm.log_partition(net, method="mean_field", device="cuda"),
    ):
        with pytest.raises(MmgraphError, match="torch finds no such CUDA device"):
            ask()
    with pytest.raises(MmgraphError, match="unknown device 'gpu'"):
        mm.map_query(net, method="trws", device="gpu")


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "torch"}, {"method": "torch", "device": "cuda"}, {"method": "gibbs"}],
    ids=str,
)
def test_samples_are_drawn_by_a_generator_of_any_device(cuda, options):
    net = mm.read("asia")
    drawn = [
        mm.sample(net, 30, generator=torch.Generator(cuda).manual_seed(seed), **options).codes
        for seed in (3, 3, 4)
    ]
    assert all(torch.equal(drawn[0][n], drawn[1][n]) for n in net.variables)
    assert not all(torch.equal(drawn[0][n], drawn[2][n]) for n in net.variables)


def test_real_values_and_units_are_drawn_by_a_generator_of_any_device(cuda):
    state, seen = mm.Variable("state", 2), mm.Variable("seen", family="gaussian")
    table = mm.TableFactor([state], [0.5, 0.5], child=state)
    leaf = mm.GaussianLeaf(seen, [state], [[0.0], [1.0]], [[[1.0]], [[1.0]]])
    net = mm.BayesianNetwork([state, seen], [table, leaf])
    pixels = mm.Variable("pixels", shape=(3,), family="bernoulli")
    machine = mm.RestrictedBoltzmannMachine(pixels, 2)
    for model, name in ((net, "seen"), (machine, "pixels")):
        first, second = (
            mm.sample(model, 5, generator=torch.Generator(cuda).manual_seed(0)) for _ in range(2)
        )
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("seeded", ["cpu", "cuda"])
@pytest.mark.parametrize("place", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "mean_field", "initial": "random"},
        {"method": "gibbs", "draws": 4, "chains": 2},
        {"method": "parallel_tempering", "draws": 4, "chains": 2},
        {"method": "annealed_importance_sampling", "steps": 4, "chains": 2},
    ],
    ids=lambda options: options["method"],
)
@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_methods_draw_by_a_generator_of_any_device(cuda, options, place, seeded):
    pixels = mm.Variable("pixels", shape=(3,), family="bernoulli")
    machine = mm.RestrictedBoltzmannMachine(pixels, 2, generator=torch.Generator().manual_seed(0))
    first, second = (
        mm.query(machine, generator=torch.Generator(seeded).manual_seed(1), device=place, **options)
        for _ in range(2)
    )
    assert torch.equal(first.marginal("pixels").cpu(), second.marginal("pixels").cpu())
