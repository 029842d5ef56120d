"""Convolutions of several members beside those of torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.deep.packs.convolution import (
    PackedConvolution,
    PackedMapNorm,
    WindowMeans,
    codes_of_maps,
)
from mmgraph.deep.packs.pack import Pack

SIZES = st.integers(1, 4)


def pack_of(members: int) -> Pack:
    return Pack(members, torch.Generator().manual_seed(members))


@settings(max_examples=30)
@given(members=SIZES, inputs=SIZES, outputs=SIZES, space=st.lists(SIZES, min_size=1, max_size=2))
def test_each_member_is_a_convolution_of_torch(members, inputs, outputs, space):
    layer = PackedConvolution(inputs, outputs, (3,) * len(space), pack_of(members))
    maps = torch.randn(5, members, inputs, *space)
    together = layer(maps.flatten(1, 2)).unflatten(1, (members, outputs))
    kind = torch.nn.Conv1d if len(space) == 1 else torch.nn.Conv2d
    for member in range(members):
        reference = kind(inputs, outputs, 3, padding=1)
        reference.load_state_dict({"weight": layer.weight[member], "bias": layer.bias[member]})
        torch.testing.assert_close(together[:, member], reference(maps[:, member]))


def test_maps_without_members_are_the_same_for_all_of_them():
    layer = PackedConvolution(2, 3, (3, 3), pack_of(4))
    maps = torch.randn(5, 2, 6, 4)
    torch.testing.assert_close(layer(maps), layer(maps.repeat(1, 4, 1, 1)))


@pytest.mark.parametrize("space", [(7,), (5, 4)])
def test_each_member_is_normalised_by_itself(space):
    norm = PackedMapNorm(3, pack_of(2))
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    maps = torch.randn(4, 2, 3, *space)
    normalised = norm(maps.flatten(1, 2)).unflatten(1, (2, 3))
    for member in range(2):
        expected = torch.nn.functional.group_norm(
            maps[:, member], 1, norm.weight[member], norm.bias[member]
        )
        torch.testing.assert_close(normalised[:, member], expected)


def test_codes_hold_the_numbers_of_each_member():
    maps = torch.arange(2 * 6 * 4.0).reshape(2, 6, 4)
    codes = codes_of_maps(maps, 3)
    assert codes.shape == (3, 2, 8)
    assert torch.equal(codes[1, 0], maps[0, 2:4].flatten())


@given(height=st.integers(1, 11), width=st.integers(1, 11))
def test_means_of_windows_are_those_of_adaptive_pooling(height, width):
    maps = torch.randn(2, 3, height, width)
    grid = (min(height, 4), min(width, 3))
    expected = torch.nn.functional.adaptive_avg_pool2d(maps, grid)
    torch.testing.assert_close(WindowMeans((height, width), grid)(maps), expected)


def test_masked_maps_are_normalised_in_single_precision():
    norm, there = PackedMapNorm(3, pack_of(2)), torch.arange(40) < torch.tensor([[40], [25]])
    maps = (torch.randn(2, 6, 40) + 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = norm(maps, there)
    torch.testing.assert_close(mixed, norm(maps.float(), there))
