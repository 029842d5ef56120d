"""Pseudo-likelihood against its definition, and its maximum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.random_fields.pseudo_likelihood import (
    fit_scales,
    inverse_softplus,
    labelled_statistics,
    log_pseudo_likelihood,
    minimised,
    rescaled,
)


def field(seed: int = 0) -> mm.MarkovRandomField:
    generator = torch.Generator().manual_seed(seed)
    unary = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    return mm.MarkovRandomField.grid(unary, weights=0.7, neighbours=8)


def test_it_is_the_sum_of_the_conditionals():
    graph = field()
    labels = torch.randint(0, 3, (2, 3, 4))
    evidence = mm.Evidence.of({"label": labels.numpy()}, graph.variables)
    statistics = labelled_statistics(graph, evidence)
    found = log_pseudo_likelihood(graph, evidence, statistics)
    expected = torch.zeros(2, dtype=torch.float64)
    for place in np.ndindex(3, 4):
        energies = []
        for state in range(3):
            changed = labels.clone()
            changed[(slice(None), *place)] = state
            energies.append(-graph.energy({"label": changed}))
        conditional = torch.stack(energies, 1).log_softmax(1)
        expected += conditional[torch.arange(2), labels[(slice(None), *place)]]
    torch.testing.assert_close(found, expected)


def test_only_labelled_elements_count_and_others_are_marginals():
    graph = field()
    labels = np.full((1, 3, 4), -1)
    labels[0, 1, 1] = 2
    evidence = mm.Evidence.of({"label": labels}, graph.variables)
    statistics = labelled_statistics(graph, evidence)
    assert statistics["label"][0, 1, 1].tolist() == [0.0, 0.0, 1.0]
    free = mm.query(graph, method="mean_field").marginal("label")
    torch.testing.assert_close(statistics["label"][0, 0], free[0, 0], atol=1e-3, rtol=0)
    whole = (
        graph.factors[1].field(graph.variable("label"), statistics) + graph.factors[0].log_values
    )
    expected = whole.log_softmax(-1)[0, 1, 1, 2]
    torch.testing.assert_close(log_pseudo_likelihood(graph, evidence, statistics)[0], expected)


def test_scalars_and_tables_are_scored_too():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    table = mm.TableFactor([a, b], [[4.0, 1.0], [1.0, 2.0]])
    graph = mm.FactorGraph([a, b], [table])
    evidence = mm.Evidence.of({"a": [0, 1], "b": [0, 0]}, graph.variables)
    found = log_pseudo_likelihood(graph, evidence, labelled_statistics(graph, evidence))
    expected = np.log([4 / 5 * 4 / 5, 1 / 5 * 1 / 3])
    np.testing.assert_allclose(found.numpy(), expected)


def test_scales_are_at_the_maximum():
    graph = field()
    generator = torch.Generator().manual_seed(1)
    labels = {"label": torch.randint(0, 3, (20, 3, 4), generator=generator).numpy()}
    labels["label"][:, :2] = labels["label"][:, :1, :1]
    factors = fit_scales(graph, labels, strength=0.0, iterations=100)
    scale = float(factors[1].weights) / 0.7
    assert factors[0] is graph.factors[0]
    evidence = mm.Evidence.of(labels, graph.variables)
    statistics = labelled_statistics(graph, evidence)
    values = [
        float(
            log_pseudo_likelihood(
                rescaled(graph, torch.tensor([s], dtype=torch.float64)), evidence, statistics
            ).sum()
        )
        for s in (scale * 0.97, scale, scale * 1.03)
    ]
    assert values[1] == max(values)
    shrunk = fit_scales(graph, labels, strength=10.0, iterations=100)
    assert float(shrunk[1].weights) < float(factors[1].weights)


def test_a_loss_that_is_not_finite():
    start = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(LearningError, match=r"the loss became nan at \[0.0, 0.0\]"):
        minimised(lambda x: x.sum() / 0 * 0, start, 5)
    found, losses = minimised(lambda x: ((x - 3) ** 2).sum(), start, 20)
    torch.testing.assert_close(found, torch.full_like(found, 3.0))
    assert losses[0] == 18.0


def test_softplus_and_its_inverse():
    values = torch.tensor([[1e-4, 0.5], [1.0, 40.0]], dtype=torch.float64)
    torch.testing.assert_close(torch.nn.functional.softplus(inverse_softplus(values)), values)
    assert torch.isfinite(inverse_softplus(torch.zeros(1)))
