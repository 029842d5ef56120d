"""Gradient blending: weights by gains and overfitting, as Wang et al. (2020) say."""

from __future__ import annotations

import torch

from mmgraph.deep.fusion.gradient_blending import GradientBlending, blending_weights
from mmgraph.deep.packs.pack import Pack


def test_weights_are_gains_by_squared_overfitting():
    before = torch.tensor([[[1.0], [1.0], [1.0]], [[1.1], [1.1], [1.1]]])
    after = torch.tensor([[[0.6], [0.2], [0.5]], [[0.9], [0.7], [1.3]]])
    weights = blending_weights(before, after, torch.full((3, 1), 1 / 3))
    # Gains .2, .4, none; overfitting grew by .2, .4.
    raw = torch.tensor([0.2 / 0.2**2, 0.4 / 0.4**2, 0.0])
    torch.testing.assert_close(weights[:, 0], raw / raw.sum())


def test_where_no_head_gains_weights_stay():
    before, after = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    after[:, 0, 1] = -1.0
    last = torch.tensor([[0.2, 0.2], [0.3, 0.3], [0.5, 0.5]])
    weights = blending_weights(before, after, last)
    torch.testing.assert_close(weights[:, 0], last[:, 0])
    assert weights[:, 1].tolist() == [1, 0, 0]


def test_shares_are_of_what_was_learned_since_the_first_measurement():
    pack = Pack(2, torch.Generator().manual_seed(0))
    fusion = GradientBlending({"a": 3, "b": 2}, 4, pack, 8, 0.0)
    codes = {"a": torch.randn(2, 5, 3), "b": torch.randn(2, 5, 2)}
    present = {"a": torch.ones(5) > 0, "b": torch.ones(5) > 0}
    equal = fusion(codes, present).shares.clone()
    torch.testing.assert_close(equal, torch.full((3, 2), 1 / 3))
    fusion.measure(torch.ones(3, 2), torch.full((3, 2), 1.1))
    torch.testing.assert_close(fusion.shares, equal)
    fusion.measure(torch.full((3, 2), 0.5), torch.tensor([[0.7, 0.7], [0.9, 0.9], [1.0, 1.0]]))
    assert (fusion.shares[0] > fusion.shares[1]).all()
    last = fusion.shares.clone()
    fusion.measure(torch.full((3, 2), 0.5), torch.tensor([[0.7, 0.7], [0.9, 0.9], [1.0, 1.0]]))
    torch.testing.assert_close(fusion.shares, last)
    torch.testing.assert_close(fusion.shares.sum(0), torch.ones(2))
    other = GradientBlending({"a": 3, "b": 2}, 4, pack, 8, 0.0)
    other.load_state_dict(fusion.state_dict())
    torch.testing.assert_close(other.shares, fusion.shares)
