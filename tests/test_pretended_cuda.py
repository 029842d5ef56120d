"""The pretended device refuses what a real one refuses, and computes what it would compute.

Where there is a card, the same tests run on it: what they say of the device is then seen to be so.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.pretended_cuda import pretended_cuda


def test_answers_stay_on_the_device(cuda):
    a, b = torch.ones(3, device=cuda), torch.arange(3.0).to(cuda)
    found: list[Tensor] = [
        a + b,
        torch.where(b > 1, b, 0.0),
        torch.as_tensor([1.0], device=cuda),
        torch.zeros_like(b),
        torch.empty(0).to(b),
        b.new_full((2,), 3.0),
        torch.stack([a, b]),
        b[1:],
        b.long().double(),
    ]
    assert all(t.is_cuda and t.device.type == "cuda" and t.get_device() == 0 for t in found)
    assert float(a @ b) == 3.0
    assert not b.cpu().is_cuda
    assert b.cpu().numpy().tolist() == b.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "mixed",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3).add_(x),
        lambda x: torch.ones(3)[x.long()],
        lambda x: x.index_select(0, torch.tensor([1])),
        lambda x: x.index_add(0, torch.tensor([1]), x[:1]),
        lambda x: torch.cat([x, torch.ones(1)]),
        lambda x: torch.stack([x.sum(), torch.tensor(1.0)]),
        lambda x: torch.where(torch.ones(3) > 0, x, x),
        lambda x: torch.rand(3, device=x.device, generator=torch.Generator()),
        lambda x: torch.empty_like(x).exponential_(generator=torch.Generator()),
        lambda x: torch.rand(3, generator=torch.Generator(x.device)),
    ],
)
def test_mixing_devices_is_refused(cuda, mixed):
    with pytest.raises(RuntimeError, match="device"):
        mixed(torch.arange(3.0, device=cuda))


def test_numpy_is_refused(cuda):
    x = torch.arange(3.0, device=cuda)
    for read in (x.numpy, lambda: np.asarray(x)):
        with pytest.raises(TypeError, match=r"Tensor\.cpu"):
            read()


def test_what_may_mix(cuda):
    x = torch.arange(3.0, device=cuda)
    assert (x * torch.tensor(2.0)).tolist() == [0, 2, 4]
    assert x[torch.tensor([2, 0])].tolist() == x[[2, 0]].tolist() == [2, 0]
    assert x[np.array([True, False, True])].tolist() == [0, 2]
    x[torch.tensor([0])] = torch.tensor(7.0)
    host = torch.zeros(3)
    host.copy_(x)
    host[1] = x[2]
    assert host.tolist() == [7, 2, 2]


def test_writes_through_views(cuda):
    x = torch.arange(3.0).to(cuda)
    x[0] = 5
    view = x[1:]
    view += 1
    assert x.tolist() == [5, 2, 3]
    assert x[:].data_ptr() == x.data_ptr() != x.clone().data_ptr()
    assert copy.deepcopy(x).tolist() == [5, 2, 3]
    assert copy.deepcopy(x).is_cuda


def test_gradients_and_an_optimiser(cuda):
    target = torch.arange(3.0, device=cuda)
    w = torch.zeros(3, device=cuda, requires_grad=True)
    ((w - target) ** 2).sum().backward()
    assert w.grad is not None
    assert w.grad.is_cuda
    assert w.grad.tolist() == [0, -2, -4]
    torch.optim.Adam([w], lr=0.1, fused=True).step()
    assert w.is_cuda
    assert w.tolist() == pytest.approx([0, 0.1, 0.1])
    host = torch.ones(2, requires_grad=True)
    (host.to(cuda) * 3).sum().cpu().backward()
    assert host.grad is not None
    assert not host.grad.is_cuda
    assert host.grad.tolist() == [3, 3]


def test_second_derivatives_pass_the_border(cuda):
    host = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad((host.to(cuda) ** 3).sum().cpu(), host, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), host)
    assert second.tolist() == [6, 12]


def test_generators_repeat_themselves(cuda):
    def drawn() -> list[float]:
        generator = torch.Generator(cuda).manual_seed(3)
        noise = torch.rand(4, generator=generator, device=cuda)
        return torch.bernoulli(noise, generator=generator).tolist() + noise.tolist()

    assert drawn() == drawn()
    assert torch.Generator(cuda).device.type == "cuda"
    assert torch.Generator().device.type == "cpu"


def test_nothing_is_left_behind():
    known, generator = torch.cuda.is_available, torch.Generator
    with pretended_cuda():
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
    assert (torch.cuda.is_available, torch.Generator) == (known, generator)
    assert not torch.ones(1).is_cuda
