"""Low-rank tensor fusion beside the whole tensor."""

from __future__ import annotations

import torch

from mmgraph.deep.fusion.low_rank import LowRankFusion
from mmgraph.deep.packs.pack import Pack


def test_factors_are_the_tensor_of_outer_products():
    pack = Pack(1, torch.Generator().manual_seed(0))
    fusion = LowRankFusion({"a": 3, "b": 2}, 4, pack, 5, 0.0, rank=3).double().eval()
    draws = torch.Generator().manual_seed(1)
    codes = {m: torch.randn(1, 6, w, generator=draws).double() for m, w in (("a", 3), ("b", 2))}
    present = {"a": torch.tensor([1, 1, 1, 0, 0, 1]) > 0, "b": torch.tensor([1, 1, 0, 1, 0, 1]) > 0}
    tensors = []
    for factor in fusion.factors:
        whole = torch.cat([factor.weight[0], factor.bias[0]]).unflatten(1, (3, 5))
        tensors.append(whole)
    tensor = torch.einsum("irw,jrw->ijw", *tensors)
    shown = {m: torch.where(present[m][:, None], code[0], 0.0) for m, code in codes.items()}
    ones = torch.ones(6, 1).double()
    a, b = (torch.cat([shown[m], present[m][:, None], ones], 1) for m in ("a", "b"))
    expected = torch.einsum("ni,nj,ijw->nw", a, b, tensor)
    expected = torch.nn.functional.layer_norm(expected, (5,))
    torch.testing.assert_close(fusion.joint(codes, present)[0], expected)
