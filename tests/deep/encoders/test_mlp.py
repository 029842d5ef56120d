"""Perceptrons of cells: members are by themselves, but for the frequencies of waves."""

from __future__ import annotations

import pytest
import torch

from mmgraph.deep.encoders.mlp import MLP
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Pack

SHARED = "waves.frequencies"


def perceptron(members: int, frequencies: int) -> MLP:
    pack = Pack(members, torch.Generator().manual_seed(0))
    return MLP((4,), 5, pack, frequencies=frequencies, hidden=(6,)).eval()


def cells() -> Cells:
    draws = torch.Generator().manual_seed(1)
    there = torch.rand(7, 4, generator=draws) < 0.7
    return Cells(torch.randn(7, 4, generator=draws) * there, there)


@pytest.mark.parametrize("frequencies", [0, 3])
def test_members_depend_on_their_own_parameters_and_shared_frequencies_alone(frequencies):
    net = perceptron(3, frequencies)
    codes = net(cells())
    codes[1].square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        if name == SHARED:
            assert parameter.grad.any()
        else:
            assert parameter.grad[1].any(), name
            assert not parameter.grad[[0, 2]].any(), name
    alone = perceptron(1, frequencies)
    parameters = {n: p if n == SHARED else p[[1]] for n, p in net.state_dict().items()}
    alone.load_state_dict(parameters)
    torch.testing.assert_close(alone(cells())[0], codes[1])


def test_frequencies_are_of_no_member():
    net = perceptron(3, 3)
    assert net.get_parameter(SHARED).shape == (4, 3)
    before = net(cells())
    with torch.no_grad():
        net.get_parameter(SHARED).mul_(2)
    assert ((net(cells()) - before).abs().amax((1, 2)) > 1e-4).all()
