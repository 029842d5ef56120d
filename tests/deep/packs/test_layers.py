"""Packed layers: each member is what it would be alone, and as torch's own layers are."""

from __future__ import annotations

import pytest
import torch

from mmgraph.deep.packs.embedding import PackedPeriodic
from mmgraph.deep.packs.layers import PackedDropout, PackedLinear, PackedNorm, PackedPerceptron
from mmgraph.deep.packs.pack import Pack
from mmgraph.learning.training.random_blocks import RandomBlocks


def pack(members: int = 3) -> Pack:
    made = Pack(members, torch.Generator().manual_seed(0))
    made.noise = RandomBlocks(1, 0, torch.device("cpu"))
    return made


def test_each_member_is_a_linear_layer():
    layer, rows = PackedLinear(4, 2, pack()), torch.randn(5, 4)
    for member in range(3):
        alone = torch.nn.functional.linear(rows, layer.weight[member].T, layer.bias[member, 0])
        torch.testing.assert_close(layer(rows)[member], alone)
    torch.testing.assert_close(layer(rows[None]), layer(rows))


def test_normalisation_is_that_of_layers():
    layer, rows = PackedNorm(6, pack()), torch.randn(3, 5, 6)
    torch.testing.assert_close(layer(rows), torch.nn.functional.layer_norm(rows, (6,)))


def test_units_are_left_out_of_each_member_by_itself():
    layer, rows = PackedDropout(0.4, pack()), torch.ones(3, 500, 20)
    out = layer(rows)
    assert abs(float((out == 0).float().mean()) - 0.4) < 0.02
    torch.testing.assert_close(out[out > 0], torch.full_like(out[out > 0], 1 / 0.6))
    assert not torch.equal(out[0], out[1])
    assert torch.equal(layer.eval()(rows), rows)


def test_gradients_of_a_member_do_not_depend_on_the_others():
    net, rows = PackedPerceptron((4, 8, 2), pack()), torch.randn(5, 4)
    net(rows)[1].square().sum().backward()
    for parameter in net.parameters():
        assert not parameter.grad[0].any()
        assert not parameter.grad[2].any()
        assert parameter.grad[1].any()


def test_waves_of_what_is_missing_have_an_embedding_of_their_own():
    layer = PackedPeriodic(4, pack(), frequencies=3, width=5)
    values, there = torch.randn(6, 4), torch.rand(6, 4) < 0.5
    out = layer(values, there)
    assert out.shape == (3, 6, 20)
    torch.testing.assert_close(out, layer(torch.where(there, values, 7.0), there))
    tiles = out.reshape(3, 6, 4, 5)
    torch.testing.assert_close(
        tiles[:, ~there], layer.missing[:, None].expand(-1, 6, -1, -1)[:, ~there]
    )


@pytest.mark.parametrize("members", [1, 4])
def test_initial_parameters_are_drawn_by_the_pack(members):
    first, second = (PackedLinear(3, 2, pack(members)) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert len(first.weight) == members
