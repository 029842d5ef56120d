"""Approximations of log Z: values, and gradients against exact ones and finite differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.conditionals.fitting import ConvergenceWarning
from mmgraph.learning.random_fields.log_partition import (
    bethe_log_partition,
    mean_field_log_partition,
)
from tests.inference.mixed_models import all_assignments, log_weights

EDGES = [[0, 1], [1, 2], [1, 3], [4, 3]]
INTERACTIONS = [mm.Potts(), mm.TruncatedQuadratic(2.0), mm.Tabulated([[0.0, np.inf, 1.0],
                [0.5, 0.0, -1.0], [0.25, 2.0, 0.0]]),
                mm.Tabulated(np.arange(36.0).reshape(4, 3, 3) % 7 - 3)]  # fmt: skip


def tree(unary, weights, interaction) -> mm.MarkovRandomField:
    return mm.MarkovRandomField.from_edges(EDGES, unary, interaction, weights)


def evidences(graph):
    yield mm.Evidence.of(None, graph.variables)
    yield mm.Evidence.of({"label": np.array([[0, -1, -1, 2, -1], [-1] * 5])}, graph.variables)


@pytest.mark.parametrize("interaction", INTERACTIONS, ids=repr)
def test_on_trees_the_bethe_form_and_its_gradient_are_exact(interaction):
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.5, 1.5, 0.0, 2.0], dtype=torch.float64)
    if not isinstance(interaction, mm.Tabulated) or bool(interaction.table.isfinite().all()):
        weights[1] = -1.5
    weights.requires_grad_()
    graph = tree(unary, weights, interaction)
    for evidence in evidences(graph):
        exact = sum(log_weights(graph, evidence, row).logsumexp(0) for row in range(evidence.batch))
        found = bethe_log_partition(graph, evidence)
        torch.testing.assert_close(found, exact, rtol=1e-8, atol=1e-8)
        ours = torch.autograd.grad(found, (unary, weights), retain_graph=True)
        # Infinite energies make exact gradients by listing NaN; differences do not mind.
        step = 1e-5
        for gradient, tensor in zip(ours, (unary, weights), strict=True):
            for place in np.ndindex(tuple(tensor.shape)):
                if tensor is weights and float(weights.detach()[place]) == 0:
                    continue
                moved = []
                for sign in (1, -1):
                    changed = tensor.detach().clone()
                    changed[place] += sign * step
                    parts = (changed, weights) if tensor is unary else (unary, changed)
                    with torch.no_grad():
                        moved.append(
                            float(bethe_log_partition(tree(*parts, interaction), evidence))
                        )
                slope = (moved[0] - moved[1]) / (2 * step)
                assert float(gradient[place]) == pytest.approx(slope, abs=1e-4)


def test_the_mean_field_gradient_is_that_of_the_bound():
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.5, 0.7, 0.2, 1.0], dtype=torch.float64, requires_grad=True)
    graph = tree(unary, weights, mm.Potts())
    evidence = mm.Evidence.of(None, graph.variables)
    found, marginals = mean_field_log_partition(graph, evidence)
    assert float(found.detach()) < float(log_weights(graph, evidence, 0).logsumexp(0).detach())
    gradient, along_edges = torch.autograd.grad(found, (unary, weights))
    torch.testing.assert_close(gradient, marginals["label"][0], check_dtype=False)
    step = torch.zeros_like(weights)
    step[1] = 1e-4
    ends = [
        mean_field_log_partition(tree(unary, (weights + s * step).detach(), mm.Potts()), evidence)[
            0
        ]
        for s in (1, -1)
    ]
    slope = float(ends[0] - ends[1]) / 2e-4
    assert float(along_edges[1]) == pytest.approx(slope, abs=1e-4)


def test_with_a_loop_the_bethe_form_is_close():
    field = mm.MarkovRandomField.grid(torch.zeros(3, 3, 2), weights=0.3)
    exact = (-field.energy(all_assignments(field))).logsumexp(0)
    found = bethe_log_partition(field, mm.Evidence.of(None, field.variables))
    assert float(found) == pytest.approx(float(exact), abs=0.02)


def test_other_factors_are_refused():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor([a, b], torch.ones(2, 2))])
    with pytest.raises(LearningError, match="inference='mean_field'"):
        bethe_log_partition(graph, mm.Evidence.of(None, graph.variables))


def test_messages_that_do_not_converge_are_told():
    pairs = torch.combinations(torch.arange(4))
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(len(pairs), generator=generator, dtype=torch.float64)
    unary = 0.1 * torch.randn(4, 2, generator=generator, dtype=torch.float64)
    frustrated, loose = (
        mm.MarkovRandomField.from_edges(pairs, unary, weights=scale * signs)
        for scale in (-4.0, 0.1)
    )
    evidence = mm.Evidence.of(None, loose.variables)
    with pytest.warns(ConvergenceWarning, match="gradient .* is not right"):
        bethe_log_partition(frustrated, evidence)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bethe_log_partition(loose, evidence)
