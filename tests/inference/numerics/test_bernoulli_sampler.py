"""Bernoulli samples from counted numbers."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.exponential_family import Bernoulli
from mmgraph.inference.numerics.bernoulli_sampler import CountedBernoulli
from tests.inference.models import seeded


def test_samples_have_their_chances():
    natural = torch.linspace(-6, 6, 5000).reshape(50, 100)
    generator, draws = seeded(), 2000
    family = CountedBernoulli()
    mean = sum(family.sample(natural, generator) for _ in range(draws)) / draws
    chance = natural.double().sigmoid()
    deviations = (mean - chance) / (chance * (1 - chance) / draws).sqrt()
    assert deviations.abs().max() < 5.5
    assert deviations.mean().abs() < 5 / 5000**0.5
    assert deviations.std() == pytest.approx(1.0, abs=0.05)


def test_units_are_drawn_independently():
    natural = torch.zeros(40, 500)  # of several blocks of numbers
    drawn = CountedBernoulli().sample(natural, seeded()) - 0.5
    flat = drawn.reshape(-1)
    for lag in (1, 2, 4, 1024, 4096, 500):
        correlation = 4 * float((flat[:-lag] * flat[lag:]).mean())
        assert abs(correlation) < 5 / len(flat) ** 0.5


def test_the_same_seed_draws_the_same_and_each_call_anew():
    natural = torch.zeros(10, 1000)
    family = CountedBernoulli()
    first, second = seeded(1), seeded(1)
    one = family.sample(natural, first)
    assert torch.equal(one, family.sample(natural, second))
    assert not torch.equal(one, family.sample(natural, first))
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(natural, torch.zeros(10, 1000))


def test_certain_units_are_certain():
    natural = torch.tensor([-torch.inf, torch.inf, -200.0, 200.0]).repeat(2000)
    drawn = CountedBernoulli().sample(natural, seeded()).reshape(-1, 4)
    assert torch.equal(drawn, torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(2000, 4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_few_units_and_double_precision_are_drawn_by_torch(dtype: torch.dtype):
    size = 5000 if dtype == torch.float64 else 100
    natural = torch.linspace(-3, 3, size, dtype=dtype)
    drawn = CountedBernoulli().sample(natural, seeded(2))
    assert torch.equal(drawn, Bernoulli().sample(natural, seeded(2)))
