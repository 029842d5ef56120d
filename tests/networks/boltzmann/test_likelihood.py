"""Annealed log-likelihoods start from the base that is named, wherever the values lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.networks.boltzmann.likelihood import LogLikelihood

UNITS, HIDDEN = 40, 30  # too many for an exact sum


def machine(offset: float) -> mm.RestrictedBoltzmannMachine:
    variable = mm.Variable("x", shape=(UNITS,), family="gaussian")
    made = mm.RestrictedBoltzmannMachine(variable, HIDDEN, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    weights = 0.03 * torch.randn(UNITS, HIDDEN, generator=generator, dtype=torch.float64)
    numbers = made.parameters()
    numbers["precision:x"].fill_(1.0)
    numbers["bias:x"].fill_(offset)
    numbers["weights:x:hidden"].copy_(weights)
    numbers["bias:hidden"].copy_(-offset * weights.sum(0))
    return made


def rows(offset: float) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {"x": offset + torch.randn(4, UNITS, generator=generator, dtype=torch.float64)}


def asked(made: mm.RestrictedBoltzmannMachine, offset: float, base: object) -> LogLikelihood:
    seeded = torch.Generator().manual_seed(0)
    return made.log_likelihood(rows(offset), steps=50, chains=20, generator=seeded, base=base)


def at(value: float) -> dict[str, Tensor]:
    return {"x": torch.full((1, UNITS), value, dtype=torch.float64)}


@pytest.mark.parametrize("offset", [5000.0, 1e5])
def test_a_base_is_moved_with_the_values(offset):
    near = asked(machine(0.0), 0.0, at(0.25))
    base = at(offset + 0.25)
    far = asked(machine(offset), offset, base)
    torch.testing.assert_close(far.value, near.value, rtol=0, atol=1e-4)
    torch.testing.assert_close(far.standard_error, near.standard_error, rtol=0, atol=1e-4)
    assert bool((far.standard_error < 0.05).all())
    assert torch.equal(base["x"], at(offset + 0.25)["x"])


def test_each_base_has_its_own_answer():
    made = machine(0.0)
    bases = [None, at(0.0), at(1.0)]
    found = [asked(made, 0.0, base).log_partition for base in bases]
    for base, kept in zip(bases, found, strict=True):
        assert torch.equal(asked(machine(0.0), 0.0, base).log_partition, kept)
        assert torch.equal(asked(made, 0.0, base).log_partition, kept)
    assert len({float(total[0]) for total in found}) == len(bases)
