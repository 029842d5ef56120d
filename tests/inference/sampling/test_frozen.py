"""Chains that never moved: when that is known to be right, and when it is not."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning
from mmgraph.inference.sampling.frozen import settled_units
from mmgraph.inference.sampling.gibbs import gibbs
from tests.inference.models import seeded
from tests.inference.unit_models import random_machine

COPY = {"a": [0.5, 0.5], "b": [[1.0, 0.0], [0.0, 1.0]]}


def copied() -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_tables([("a", "b")], COPY)


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_freezes_chains_and_they_say_so(seed: int):
    with pytest.warns(ConvergenceWarning, match=r"gibbs: 'a', 'b' .*parallel_tempering.*junction"):
        found = mm.query(copied(), method="gibbs", generator=seeded(seed))
    assert not found.converged
    assert found.diagnostics["r_hat"]["b"].tolist() == [np.inf]
    assert found.diagnostics["effective_sample_size"]["b"].tolist() == [1]
    assert "R-hat of 'a' inf" in found.shortfall
    with pytest.warns(ConvergenceWarning, match="never changed state"):
        mm.sample(copied(), 200, method="gibbs", generator=seeded(seed))


def test_tempering_crosses_the_zeros():
    found = mm.query(copied(), method="parallel_tempering", generator=seeded())
    assert found.converged
    assert float(found.marginal("b")[0, 0]) == pytest.approx(0.5, abs=0.1)


def test_exclusive_or_freezes_all_three():
    tables = {"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [[[1.0, 0], [0, 1.0]], [[0, 1.0], [1.0, 0]]]}
    net = mm.BayesianNetwork.from_tables([("a", "c"), ("b", "c")], tables)
    with pytest.warns(ConvergenceWarning, match="may have frozen"):
        assert not mm.query(net, method="gibbs", generator=seeded()).converged


def test_what_hard_zeros_leave_no_choice_is_no_false_alarm():
    """A chain of copies, one end observed: propagation leaves each a single state."""
    names = "abcde"
    tables = {"a": COPY["a"], **dict.fromkeys(names[1:], COPY["b"])}
    net = mm.BayesianNetwork.from_tables(list(itertools.pairwise(names)), tables)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mm.query(net, {"e": 1}, method="gibbs", generator=seeded())
    assert found.converged
    assert all(float(r) == 1 for r in found.diagnostics["r_hat"].values())
    assert found.marginal("a").tolist() == [[0.0, 1.0]]


def test_a_rare_state_beside_what_moves_is_no_false_alarm():
    net = mm.BayesianNetwork.from_tables(
        [("a", "b")], {"a": [1 - 1e-7, 1e-7], "b": [[0.5, 0.5], [0.2, 0.8]]}
    )
    found = mm.query(net, method="gibbs", generator=seeded())
    assert found.converged
    assert float(found.diagnostics["r_hat"]["a"]) == 1


def test_attraction_too_strong_to_move_is_undefined_too():
    """Two-state grids run on kernels of their own; no zero is hard here, and no warning due."""
    v = mm.Variable("x", 2, (4, 4))
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts(), 1e4)])
    found = mm.query(graph, method="gibbs", generator=seeded(), burn_in=500)
    assert not found.converged
    assert found.diagnostics["r_hat"]["x"].isinf().any()


def test_units_of_layers():
    """A unit that never moves is settled where it is known, or beside layers that move."""
    graph = random_machine(0, ["bernoulli", "bernoulli"])
    given = mm.Evidence.of(None, graph.variables)
    names = list(graph.variables)
    trace = {n: torch.zeros(10, 1, 4, *graph.variables[n].shape, dtype=torch.long) for n in names}
    assert not any(bool(s.any()) for s in settled_units(graph, given, trace).values())
    trace[names[0]][5, 0, 2, 0] = 1
    settled = settled_units(graph, given, trace)
    assert bool(settled[names[1]].all())
    assert not settled[names[0]].any()  # its own unit moved, those it depends on have not
    known = {names[1]: torch.zeros(1, *graph.variables[names[1]].shape, dtype=torch.long)}
    found = gibbs(graph, mm.Evidence.of(known, graph.variables), draws=200, generator=seeded())
    assert (found.diagnostics["r_hat"][names[1]] == 1).all()
    assert found.diagnostics["r_hat"][names[0]].isfinite().all()
