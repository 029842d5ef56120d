"""Which real variables speak in which rows, and how much work long chains are."""

from __future__ import annotations

import itertools

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.factor import Factor
from mmgraph.interop.pyro.real_variables import RealVariables
from tests.interop.pyro.mixed_networks import real, seeded


def walk(length: int) -> mm.BayesianNetwork:
    """A random walk without noise to speak of, a step up each time."""
    names = [real(f"x{i}") for i in range(length)]
    first = mm.LinearGaussian(names[0], [], [], 0.0, 1e-8)
    steps = [mm.LinearGaussian(b, [a], [1.0], 1.0, 1e-8) for a, b in itertools.pairwise(names)]
    return mm.BayesianNetwork(names, [first, *steps])


def variables_of(net: mm.BayesianNetwork, rows: dict) -> RealVariables:
    return RealVariables(net, mm.Evidence.of(rows, net.variables), frozenset(), ())


def test_what_is_above_an_observation_speaks_and_the_rest_is_drawn_in_order():
    real_variables = variables_of(walk(6), {"x1": [None, 1.0], "x3": [3.0, None]})
    speaks = {f.child.name: rows.tolist() for f, rows in real_variables.speaks.items()}
    above, between, below = [True, True], [True, False], [False, False]
    assert list(speaks.values()) == [above, above, between, between, below, below]
    assert real_variables.left_out(["x5"]) == ["x2", "x3", "x4", "x5"]
    assert real_variables.left_out(["x1"]) == []
    values = {n: torch.tensor([10.0, 20.0]).double() for n in ("x0", "x1", "x2", "x3")}
    names = real_variables.left_out(["x5"])
    drawn = real_variables.drawn(names, {}, 2, seeded(), values)
    assert list(drawn) == names
    wanted = {"x2": [10, 21], "x3": [10, 22], "x4": [11, 23], "x5": [12, 24]}
    assert {n: t.tolist() for n, t in drawn.items()} == {
        n: pytest.approx(numbers, abs=1e-2) for n, numbers in wanted.items()
    }
    assert set(values) == {"x0", "x1", "x2", "x3"}


def test_work_grows_in_proportion_to_a_chain(monkeypatch):
    calls = []
    ordinary = Factor.parents.fget
    monkeypatch.setattr(Factor, "parents", property(lambda f: calls.append(f) or ordinary(f)))

    def reads(length: int) -> int:
        net = walk(length)
        calls.clear()
        real_variables = variables_of(net, {"x0": [1.0]})
        names = real_variables.left_out([f"x{length - 1}"])
        drawn = real_variables.drawn(names, {}, 1, seeded(), {"x0": torch.ones(1).double()})
        assert drawn[names[-1]].item() == pytest.approx(length, abs=0.1)
        return len(calls)

    assert reads(120) <= 2.5 * reads(60)
