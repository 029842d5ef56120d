"""Packed attention: the tokens of a row look at those of it that are there."""

from __future__ import annotations

import math
from contextlib import nullcontext

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mmgraph.deep.packs.layers import PackedDropout, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack

Tokens = Float[Tensor, "members rows tokens width"]
"""Several codes of each row, as each member has them."""


class PackedAttention(nn.Module):
    """Multi-head attention among the tokens of a row, of each member (Vaswani et al. 2017).

    Parameters
    ----------
    width : int
    heads : int
        How many there may be; there are as many of these as divide the width.
    """

    def __init__(self, width: int, heads: int, pack: Pack) -> None:
        super().__init__()
        self.heads = math.gcd(width, heads)
        self.asked = PackedLinear(width, 3 * width, pack)
        self.output = PackedLinear(width, width, pack)

    def forward(self, tokens: Tokens, there: Bool[Tensor, "rows tokens"]) -> Tokens:
        """Return what each token makes of those that are there; of none of them, one constant."""
        members, rows, count, width = tokens.shape
        size = width // self.heads
        asked = self.asked(tokens.flatten(1, 2)).view(members, rows, count, 3, self.heads, size)
        queries, keys, values = asked.permute(3, 0, 1, 4, 2, 5).flatten(1, 2)
        mask = there.expand(members, rows, count).reshape(members * rows, 1, 1, count)
        # On GPUs the gradients of faster kernels add up in no fixed order.
        with sdpa_kernel(SDPBackend.MATH) if tokens.is_cuda else nullcontext():
            answers = nn.functional.scaled_dot_product_attention(queries, keys, values, mask)
        joined = answers.reshape(members, rows, self.heads, count, size).transpose(2, 3)
        return self.output(joined.reshape(members, rows * count, width)).view(tokens.shape)


class PackedBlock(nn.Module):
    """A layer of a Transformer, normalised before attention and perceptron (Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int, pack: Pack, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = PackedAttention(width, heads, pack)
        self.before_attention, self.before_layers = PackedNorm(width, pack), PackedNorm(width, pack)
        self.layers = nn.Sequential(
            PackedLinear(width, 2 * width, pack), nn.GELU(), PackedLinear(2 * width, width, pack)
        )
        self.dropout = PackedDropout(dropout, pack)

    def forward(self, tokens: Tokens, there: Bool[Tensor, "rows tokens"]) -> Tokens:
        """Return tokens that know of those that are there."""
        asking = self.before_attention(tokens.flatten(1, 2)).view(tokens.shape)
        tokens = tokens + self.dropout(self.attention(asking, there))
        changed = self.layers(self.before_layers(tokens.flatten(1, 2))).view(tokens.shape)
        return tokens + self.dropout(changed)
