"""Layers without a distribution are told, whichever method meets them; infinity is no answer."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError

SOUND = mm.Variable("spectrum", shape=(4,), family="gaussian", modality="sound")
METHODS = {
    "mean_field": {},
    "gibbs": {"draws": 100},
    "parallel_tempering": {"draws": 100},
    "annealed_importance_sampling": {},
}
MESSAGE = "is not finite: the weights between 'spectrum' and 'hidden', whose units are not bounded"


def unbounded(weight: float, dtype: torch.dtype = torch.float32) -> mm.RestrictedBoltzmannMachine:
    machine = mm.RestrictedBoltzmannMachine(
        SOUND, 3, hidden_family="rectified_gaussian", dtype=dtype
    )
    machine.parameters()["weights:spectrum:hidden"].fill_(weight)  # the precisions are one
    return machine


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weight", [0.7, 5.0])
def test_no_distribution_no_answer(method, weight):
    with pytest.raises(MmgraphError, match=MESSAGE):
        mm.query(unbounded(weight), None, method=method, **METHODS[method])


def test_no_distribution_no_sample():
    with pytest.raises(MmgraphError, match=MESSAGE):
        mm.sample(unbounded(0.7), 5)


@pytest.mark.parametrize("method", METHODS)
def test_bounded_weights_have_an_answer(method):
    found = mm.query(unbounded(0.2), None, method=method, **METHODS[method])
    assert found.mean("hidden").isfinite().all()


def test_an_observed_layer_bounds_the_other():
    found = mm.query(unbounded(5.0), {"spectrum": torch.ones(2, 4)}, method="gibbs", draws=100)
    assert found.mean("hidden").isfinite().all()


def test_parameters_that_overflow_are_named_as_such():
    machine = mm.RestrictedBoltzmannMachine(SOUND, 3)
    machine.parameters()["weights:spectrum:hidden"].fill_(3e38)
    with pytest.raises(MmgraphError, match="is not finite: the parameters are too large"):
        mm.query(machine, None, method="mean_field")
