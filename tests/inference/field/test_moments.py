"""From statistics to marginals, means and variances."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.inference.field.moments import moments, second_moments
from mmgraph.inference.field.view import FieldView
from tests.inference.unit_models import by_listing, random_evidence, random_machine


def view_of(graph, data=None):
    evidence = mm.Evidence.of(data, graph.variables)
    return FieldView(graph, evidence, torch.device("cpu"), torch.float64)


@pytest.mark.parametrize("seed", range(6))
def test_units_that_nothing_joins_have_the_moments_of_loops(seed):
    graph = random_machine(seed, joined=0.0)
    data, hard, soft = random_evidence(graph, seed, 2)
    view = view_of(graph, data)
    means = view.start()
    found = moments(view, means, second_moments(view, means, graph.variables), graph.variables)
    for row in range(view.batch):
        truth = by_listing(graph, hard[row], soft[row])
        for name, variable in graph.variables.items():
            mean = torch.from_numpy(truth.means[name])
            if variable.family == "categorical":
                own = found.marginals[name][row]
            elif variable.family == "bernoulli":
                own = found.marginals[name][row][..., 1]
                torch.testing.assert_close(found.marginals[name].sum(-1)[row],
                                           torch.ones(variable.shape).double())  # fmt: skip
            else:
                own = found.means[name][row]
                spread = torch.from_numpy(truth.squares[name]) - mean.square()
                torch.testing.assert_close(found.variances[name][row].reshape(-1), spread,
                                           atol=1e-8, rtol=1e-6)  # fmt: skip
            torch.testing.assert_close(own.reshape(-1), mean, atol=1e-9, rtol=1e-8)


def test_only_what_is_asked_for_is_told():
    graph = random_machine(3, ["bernoulli", "gaussian", "categorical"])
    view = view_of(graph)
    means = view.start()
    squares = second_moments(view, means, graph.variables)
    assert set(squares) == {n for n, v in graph.variables.items() if v.family == "gaussian"}
    name = next(iter(squares))
    found = moments(view, means, squares, [name])
    assert not found.marginals
    assert list(found.means) == list(found.variances) == [name]


def test_rounding_neither_leaves_chances_outside_nor_variances_below_zero():
    graph = random_machine(3, ["bernoulli", "gaussian"])
    view = view_of(graph)
    means = {n: torch.full_like(t, 1 + 1e-15) for n, t in view.start().items()}
    real = next(n for n, v in graph.variables.items() if v.family == "gaussian")
    found = moments(view, means, {real: torch.ones_like(means[real])}, graph.variables)
    assert all((t >= 0).all() and (t <= 1).all() for t in found.marginals.values())
    assert (found.variances[real] >= 0).all()
