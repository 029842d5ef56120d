"""Gradients of purely Gaussian networks and of mixtures, beside finite differences."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from tests.inference.gaussian.gaussian_networks import real


def _pair(slope):
    x, y = real("x"), real("y")
    root = mm.LinearGaussian(x, [], [], 0.0, 1.0)
    return mm.BayesianNetwork([x, y], [root, mm.LinearGaussian(y, [x], slope, 1.0, 0.5)])


@pytest.mark.parametrize("evidence", [{"y": 2.0}, {"y": [2.0, 1.0], "x": [None, 3.0]}])
def test_log_partition_of_a_purely_gaussian_network_has_gradients(evidence):
    slope = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)

    def total(s):
        return mm.log_partition(_pair(s), evidence).sum()

    assert torch.autograd.gradcheck(total, slope)
    for options in ({}, {"method": "junction_tree"}):
        value = mm.query(_pair(slope), evidence, [], **options).log_evidence.sum()
        assert value.item() == pytest.approx(total(slope).item(), rel=1e-12)


def test_quantiles_of_mixtures_have_gradients():
    z, x = mm.Variable("z", ["a", "b"]), real("x")
    levels = [0.1, 0.4, 0.9]

    def quantiles(prior, means, variances):
        factors = [
            mm.TableFactor([z], torch.stack([prior, 1 - prior]), child=z),
            mm.LinearGaussian(x, [z], torch.zeros(2, 0), means, variances),
        ]
        return mm.query(mm.BayesianNetwork([z, x], factors), {}, ["x"]).quantile("x", levels)

    numbers = [0.3, [0.0, 1.0], [1.0, 2.0]]
    inputs = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    assert torch.autograd.gradcheck(quantiles, inputs)
