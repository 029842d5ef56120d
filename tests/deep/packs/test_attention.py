"""Packed attention beside torch's own, member by member."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from mmgraph.deep.packs.attention import PackedAttention, PackedBlock
from mmgraph.deep.packs.pack import Pack


def pack(members: int = 3, seed: int = 0) -> Pack:
    return Pack(members, torch.Generator().manual_seed(seed))


def some_tokens(members: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    there = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]], dtype=torch.bool)
    return torch.randn(members, 4, 4, 8, generator=draws), there


def test_each_member_attends_as_torch_does():
    tokens, there = some_tokens()
    layer = PackedAttention(8, 4, pack())
    answers = layer(tokens, there)
    for member in range(3):
        alone = torch.nn.MultiheadAttention(8, 4, batch_first=True)
        with torch.no_grad():
            alone.in_proj_weight.copy_(layer.asked.weight[member].T)
            alone.in_proj_bias.copy_(layer.asked.bias[member, 0])
            alone.out_proj.weight.copy_(layer.output.weight[member].T)
            alone.out_proj.bias.copy_(layer.output.bias[member, 0])
        x = tokens[member]
        expected, _ = alone(x, x, x, key_padding_mask=~there)
        torch.testing.assert_close(answers[member], expected)


def test_missing_tokens_have_no_influence_and_none_are_finite():
    tokens, there = some_tokens()
    block = PackedBlock(8, 4, pack()).eval()
    changed = torch.where(there[None, :, :, None], tokens, 1e3)
    shown = there[None, :, :, None]
    torch.testing.assert_close(block(tokens, there) * shown, block(changed, there) * shown)
    tokens.requires_grad_()
    nobody = torch.zeros_like(there)
    answers = block(tokens, nobody)
    assert answers.isfinite().all()
    answers.sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()


def test_heads_divide_the_width():
    assert PackedAttention(6, 4, pack()).heads == 2
    assert PackedAttention(7, 4, pack()).heads == 1


def test_the_kernel_of_gpus_says_the_same():
    """Rows of which nothing is there too, whose softmax is of nothing."""
    tokens, there = some_tokens()
    there[3] = False
    block = PackedBlock(8, 4, pack()).eval()
    tokens.requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):
        answers = block(tokens, there)
    torch.testing.assert_close(answers, block(tokens, there))
    assert torch.autograd.grad(answers.sum(), tokens)[0].isfinite().all()
