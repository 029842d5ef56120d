"""What methods say that have not converged: their name, what they reached and should have."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.cli import main
from mmgraph.graph.errors import ConvergenceWarning
from tests.inference.models import seeded


def glass(size: int = 9, strength: float = 2.0, states: int = 2) -> mm.FactorGraph:
    """A grid whose edges disagree, on which messages do not come to rest."""
    rng = np.random.default_rng(0)
    v = mm.Variable("x", states, (size, size))
    nodes = np.arange(size * size).reshape(size, size)
    pairs = [*zip(nodes[:, :-1].ravel(), nodes[:, 1:].ravel(), strict=True)]
    pairs += [*zip(nodes[:-1].ravel(), nodes[1:].ravel(), strict=True)]
    factors: list[mm.Factor] = [mm.UnaryFactor(v, rng.normal(size=(size, size, states)))]
    for sign in (1, -1):
        some = [pair for pair in pairs if rng.integers(2) == (sign > 0)]
        energies = sign * strength * (1 - np.eye(states))
        factors.append(mm.PairwiseFactor(v, some, energies))
    return mm.FactorGraph([v], factors)


@pytest.mark.parametrize("method", ["belief_propagation", "tree_reweighted", "mean_field"])
def test_messages_and_means_say_by_how_much(method: str):
    found = mm.query(glass(), method=method, iterations=2)
    assert not found.converged
    assert found.shortfall.startswith(f"{method}: residual {found.residual:.3g} after 2 iterations")
    assert found.shortfall.endswith("not 1e-06") or method == "mean_field"
    with pytest.warns(ConvergenceWarning, match=f"not converged: {method}: residual"):
        mm.log_partition(glass(), method=method, iterations=2)


def test_gradients_too():
    graph = glass(3)
    unary = graph.factors[0]
    unary.log_values.requires_grad_(True)
    found = mm.query(graph, method="belief_propagation", iterations=2)
    assert found.shortfall.startswith("belief_propagation: residual")


@pytest.mark.parametrize("method", ["gibbs", "parallel_tempering"])
def test_samplers_name_the_variable(method: str):
    found = mm.query(glass(6), method=method, draws=20, generator=seeded())
    assert not found.converged
    assert f"{method}: R-hat of 'x'" in found.shortfall
    assert found.shortfall.endswith("sweeps, not 1.01")
    few = mm.query(glass(3), method=method, draws=2, generator=seeded())
    assert "fewer than 4 draws" in few.shortfall


def test_what_has_converged_says_nothing():
    graph = glass(4, 0.1)
    for method in ("belief_propagation", "tree_reweighted", "mean_field"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mm.log_partition(graph, method=method, iterations=500)
        assert mm.query(graph, method=method, iterations=500).shortfall == ""
    assert mm.query(graph).shortfall == ""


@pytest.mark.parametrize(("method", "options"), [("trws", {}), ("trws_and_moves", {"cycles": 1})])
def test_a_gap_that_is_left_is_told_relative_to_the_energy(method: str, options: dict[str, int]):
    found = mm.map_query(glass(20, 2.0, 3), method=method, iterations=2, **options)
    share = float(found.gap) / abs(float(found.energy))
    assert not found.converged
    assert found.shortfall == (
        f"{method}: gap relative to the energy {share:.3g} after 2 iterations, not 1e-07"
    )


@pytest.mark.parametrize(("weight", "iterations"), [(2.0, 2), (2.0, 6), (3.0, 3), (4.0, 6)])
def test_a_gap_of_some_millionths_of_the_energy_is_no_failure(weight: float, iterations: int):
    """The search was cut off before the gap was below its tolerance, and yet it has not failed."""
    rng = np.random.default_rng(1)
    v = mm.Variable("x", 2, (30, 30))
    unary = mm.UnaryFactor(v, 10 * rng.normal(size=(30, 30, 2)))
    graph = mm.FactorGraph([v], [unary, mm.GridFactor(v, mm.Potts(), weight)])
    found = mm.map_query(graph, method="trws", iterations=iterations)
    share = float(found.gap) / abs(float(found.energy))
    assert share > 1e-7
    assert not found.exact
    assert found.converged == (share <= 1e-4) == (iterations > 2)
    assert (found.shortfall == "") == found.converged


def test_searches_that_are_cut_off():
    found = mm.map_query(glass(9), method="max_product", iterations=2)
    assert found.shortfall.startswith("max_product: residual")
    found = mm.map_query(glass(12, 2.0), method="icm", iterations=1)
    assert found.shortfall == "icm: states still changed in sweep 1, the last"


def test_the_command_line_says_by_how_much(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    tables = {"a": [0.5, 0.5], "b": [[1.0, 0.0], [0.0, 1.0]]}
    mm.write(mm.BayesianNetwork.from_tables([("a", "b")], tables), tmp_path / "copy.bif")
    monkeypatch.setenv("COLUMNS", "200")
    for method, said in (("gibbs", True), ("belief_propagation", False)):
        command = ["mmgraph", "infer", str(tmp_path / "copy.bif"), "--method", method]
        monkeypatch.setattr(sys, "argv", command)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(SystemExit) as stopped:
                main()
        assert stopped.value.code == 0
        found = "".join(capsys.readouterr().out.split())
        assert ("NOTCONVERGED(gibbs:R-hatof'a'infafter" in found) == said
        assert ("NOTCONVERGED" in found) == said
