"""A machine that was trained to answer with few sweeps answers with them at every door."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.networks.boltzmann.answers import PriorWarning


@pytest.fixture(scope="module")
def machine():
    """A small machine of large weights, whose mean field after two sweeps is far from settled."""
    x = mm.Variable("x", shape=(4,), family="gaussian")
    made = mm.RestrictedBoltzmannMachine(
        x, 6, labels=mm.Variable("kind", ("benign", "malignant")), dtype=torch.float64
    )
    generator = torch.Generator().manual_seed(5)
    for factor in made.factors:
        factor.tensors()[0].copy_(
            1.5 * torch.randn(factor.tensors()[0].shape, generator=generator, dtype=torch.float64)
        )
    made.adopt(made.factors)  # as fitted ones are
    made.sweeps = 2
    return made


def test_the_prior_does_not_depend_on_who_is_asked(machine, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PriorWarning)
        expected = machine.predict_proba()
    post = mm.query(machine, None, ["kind"])
    assert (post.method, post.iterations, post.converged) == ("mean_field", 2, True)
    np.testing.assert_allclose(post.marginal("kind"), expected, rtol=1e-12)
    by_name = mm.query(machine, None, ["kind"], method="mean_field")
    np.testing.assert_allclose(by_name.marginal("kind"), expected, rtol=1e-12)
    mm.write(machine, tmp_path / "small.mmgraph")
    read = mm.query(mm.read(tmp_path / "small.mmgraph"), None, ["kind"])
    np.testing.assert_allclose(read.marginal("kind"), expected, rtol=1e-12)


@pytest.mark.parametrize("sweeps", [2, None])
def test_a_machine_that_is_read_answers_with_its_sweeps(machine, tmp_path, sweeps):
    rows = {"x": np.random.default_rng(0).normal(size=(4, 4))}
    before, machine.sweeps = machine.sweeps, sweeps
    try:
        mm.write(machine, tmp_path / "small.mmgraph")
        expected = machine.predict_proba(rows)
    finally:
        machine.sweeps = before
    other = mm.read(tmp_path / "small.mmgraph")
    assert other.sweeps == sweeps
    np.testing.assert_allclose(other.predict_proba(rows), expected, rtol=1e-12)


def test_what_is_named_wins(machine):
    few, settled, exact = (
        mm.query(machine, None, ["kind"], **options)
        for options in ({}, {"iterations": 500}, {"method": "layer_summation"})
    )
    assert settled.method == "mean_field"
    assert settled.converged
    assert settled.iterations > 2
    assert settled.residual <= 1e-6
    assert exact.exact
    assert not torch.allclose(few.marginal("kind"), settled.marginal("kind"), atol=0.01)
    one = mm.query(machine, None, ["kind"], iterations=1, tolerance=0.0)
    assert (one.iterations, one.converged) == (1, False)
    rows = {"x": np.ones((3, 4))}
    np.testing.assert_allclose(
        machine.predict_proba(rows, iterations=500),
        mm.query(machine, rows, ["kind"], iterations=500).marginal("kind"),
    )


def test_the_number_can_be_taken_away(machine):
    machine.sweeps = None
    try:
        assert mm.query(machine, None, ["kind"]).method == "layer_summation"
        assert mm.query(machine, None, ["kind"], method="mean_field").iterations > 2
    finally:
        machine.sweeps = 2


def test_other_questions_are_answered_as_ever(machine):
    assert mm.map_query(machine).method == "layer_summation"
    exact = mm.query(machine, None, [], method="layer_summation").log_partition
    torch.testing.assert_close(mm.log_partition(machine), exact)
