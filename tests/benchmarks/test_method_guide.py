"""Which approximation to trust: Ising grids with random fields beside the exact junction tree.

    pytest tests/benchmarks/test_method_guide.py --benchmark-only -s -m "slow or not slow"

Prints a row of README's table for each grid: for each method the worst of five random fields, and
its seconds. Methods have their own defaults and one seed. Grids of 15 x 15 pixels, and an image of
512 x 512 on which only seconds are told, are marked slow. With ``--benchmark-disable`` there is a
single field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import mmgraph as mm
from tests.benchmarks.measuring import size
from tests.benchmarks.pictures import grey_level_costs, grid_of, noisy_photograph

FIELDS = 5
FIELD_DEVIATION = 0.5
WEIGHTS = (0.4, 0.88, 1.4)
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "belief propagation": ("belief_propagation", {}),
    "tree-reweighted": ("tree_reweighted", {}),
    "mean field": ("mean_field", {}),
    "chains": ("mean_field", {"structure": "chains"}),
    "Gibbs": ("gibbs", {}),
    "tempering": ("parallel_tempering", {}),
    "annealing": ("annealed_importance_sampling", {}),
}
SAMPLERS = ("Gibbs", "tempering", "annealing")
WITHOUT_LOG_PARTITION = ("Gibbs", "tempering")


@dataclass(frozen=True)
class Found:
    """What a method is off by.

    Attributes
    ----------
    log_partition : float or None
        Error of log Z, where the method tells one.
    standard_error : float or None
        The one that it tells, where it does.
    marginal : float
        The largest error of a marginal.
    seconds : float
    converged : bool or None
        What the method says of itself.
    """

    log_partition: float | None
    standard_error: float | None
    marginal: float
    seconds: float
    converged: bool | None


def ising_grid(side: int, weight: float, seed: int) -> mm.FactorGraph:
    """Two states, a Potts energy of unequal neighbours, log-potentials drawn for each state."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(side, side, 2, generator=generator, dtype=torch.float64)
    return mm.MarkovRandomField.grid(FIELD_DEVIATION * drawn, mm.Potts(), weights=weight)


def asked(graph: mm.FactorGraph, method: str, exact: mm.Posterior) -> Found:
    """Ask a method, and compare its answer with the exact one."""
    (variable,) = graph.variables
    name, options = METHODS[method]
    if method in SAMPLERS:
        options = {**options, "generator": torch.Generator().manual_seed(0)}
    post = mm.query(graph, method=name, **options)
    off = told = None
    if method not in WITHOUT_LOG_PARTITION:
        off = float(post.log_partition[0] - exact.log_partition[0])
    if method == "annealing":
        told = float(post.diagnostics["standard_error"]["log_partition"][0])
    error = (post.marginal(variable) - exact.marginal(variable)).abs().max()
    return Found(off, told, float(error), post.seconds, post.converged)


def cell(found: list[Found]) -> str:
    """The worst of several fields: error of log Z (± what it tells) / of a marginal."""
    marginal = f"/ {max(one.marginal for one in found):.1g}"
    if found[0].log_partition is None:
        return marginal
    worst = max(found, key=lambda one: abs(one.log_partition or 0.0))
    assert worst.log_partition is not None
    places = 0 if abs(worst.log_partition) >= 10 else 2
    told = "" if worst.standard_error is None else f" ± {worst.standard_error:.2f}"
    return f"{worst.log_partition:+.{places}f}{told} {marginal}"


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("side", [10, pytest.param(15, marks=pytest.mark.slow)])
def test_methods_beside_the_junction_tree(benchmark: Any, side: int, weight: float):
    graphs = [ising_grid(side, weight, seed) for seed in range(1 if benchmark.disabled else FIELDS)]

    def ask_all() -> list[dict[str, Found]]:
        answers = []
        for graph in graphs:
            exact = mm.query(graph)
            assert exact.exact
            answers.append({method: asked(graph, method, exact) for method in METHODS})
        return answers

    answers = benchmark.pedantic(ask_all, rounds=1)
    cells = {method: cell([one[method] for one in answers]) for method in METHODS}
    benchmark.extra_info.update(cells)
    print("\n" + " | ".join(("| grid, weight", *METHODS)) + " |")
    print(" | ".join((f"| {side} × {side}, {weight:.2f}", *cells.values())) + " |")
    times = {method: max(one[method].seconds for one in answers) for method in METHODS}
    print("seconds: " + ", ".join(f"{method} {time:.3f}" for method, time in times.items()))
    for found in answers:
        # Bounds are bounds; where neighbours agree a little everybody is nearly right.
        off = {method: one.log_partition for method, one in found.items()}
        assert off["tree-reweighted"] > -1e-6
        assert max(off["mean field"], off["chains"]) < 1e-6
        assert off["chains"] > off["mean field"]  # what the passes over forests are worth
        assert abs(off["annealing"]) < 5 * found["annealing"].standard_error + 0.01
        # Chains that stay where they began are found out by R-hat.
        for method in WITHOUT_LOG_PARTITION:
            assert found[method].marginal < 0.1 or not found[method].converged
        if weight == WEIGHTS[0]:
            assert max(one.marginal for one in found.values()) < 0.12
            assert found["belief propagation"].marginal < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("method", ["belief_propagation", "trws_and_moves"])
def test_seconds_on_an_image(benchmark: Any, method: str):
    """512 x 512 pixels of 5 labels, where it is measured."""
    side = size(512, 64)
    graph = grid_of(grey_level_costs(noisy_photograph(side, side), 5, 30.0), mm.Potts(), 0.5)
    ask = mm.map_query if method == "trws_and_moves" else mm.query
    found = benchmark.pedantic(lambda: ask(graph, method=method), rounds=1)
    benchmark.extra_info.update(seconds=found.seconds, converged=found.converged)
    print(f"\n{side} x {side} x 5, {method}: {found.seconds:.1f} s, converged: {found.converged}")
