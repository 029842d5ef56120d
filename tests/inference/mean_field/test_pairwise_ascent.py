"""The compiled updates of mean field against those of tensors, and against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError
from mmgraph.inference.field.coordinate_ascent import Ascent, ascend
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.pairwise_ascent import ascend_pairwise, is_pairwise
from mmgraph.inference.mean_field.start import starting_means
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import colour_masks
from tests.inference.mixed_models import log_weights
from tests.inference.models import seeds

CPU, DOUBLE = torch.device("cpu"), torch.float64


def interaction_of(kind, states, generator):
    table = generator.normal(size=(states, states))
    forbidden = np.abs(np.subtract.outer(np.arange(states), np.arange(states))) > 1
    return {
        "potts": mm.Potts(),
        "linear": mm.TruncatedLinear(1.5),
        "quadratic": mm.TruncatedQuadratic(2.0),
        "table": mm.Tabulated(table),
        "hard zeros": mm.Tabulated(np.where(forbidden, np.inf, table)),
    }[kind]


KINDS = ("potts", "linear", "quadratic", "table", "hard zeros")


def random_field(seed, kind, states):
    """Seven nodes, one of them alone, some joined twice; also edges that repel."""
    generator = np.random.default_rng(seed)
    edges = generator.integers(0, 6, (9, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    weights = generator.random(len(edges)) if kind == "hard zeros" else None
    weights = generator.normal(size=len(edges)) if weights is None else weights
    if kind != "hard zeros":
        weights[::4] = 0.0
    unary = generator.normal(size=(7, states))
    interaction = interaction_of(kind, states, generator)
    return mm.MarkovRandomField.from_edges(edges, unary, interaction, weights)


def observed(graph, rows=2):
    codes = np.full((rows, 7), -1)
    codes[1, 3] = 1
    return mm.Evidence.of({"label": codes}, graph.variables)


def bound_of(view, means):
    return view.expected_log_weight(means) + view.entropy(means)


@settings(max_examples=40)
@given(
    seed=seeds,
    kind=st.sampled_from(KINDS),
    states=st.integers(2, 3),
    damping=st.sampled_from((0.0, 0.4)),
)
def test_sweeps_are_those_of_tensors_and_the_bound_rises_below_log_z(seed, kind, states, damping):
    graph = random_field(seed, kind, states)
    evidence = observed(graph)
    view = FieldView(graph, evidence, CPU, DOUBLE)
    start = starting_means(graph, evidence, view, None, None)
    pairwise = pairwise_graph(graph, DOUBLE)
    assert is_pairwise(pairwise)
    ours, theirs = dict(start), dict(start)
    bounds = [bound_of(view, ours)]
    for _ in range(3):
        done, change = ascend_pairwise(pairwise, evidence, ours, Ascent(1, 0.0, damping))
        expected = ascend(view, colour_masks(graph), theirs, 1, 1e-300, damping)
        assert done == 1
        assert change == pytest.approx(expected[1], abs=1e-12)
        torch.testing.assert_close(ours["label"], theirs["label"], rtol=1e-10, atol=1e-12)
        bounds.append(bound_of(view, ours))
    for before, after in itertools.pairwise(bounds):
        assert bool((after >= before - 1e-10).all())
    log_z = torch.stack([log_weights(graph, evidence, row).logsumexp(0) for row in range(2)])
    assert bool((bounds[-1] <= log_z + 1e-10).all())


def test_several_arrays_and_scalars_are_updated_alike():
    a, b = mm.Variable("a", 3, (4,)), mm.Variable("b", 2)
    generator = np.random.default_rng(5)
    graph = mm.FactorGraph(
        [a, b],
        [
            mm.PairwiseFactor(a, [[0, 1], [1, 2], [0, 2]], mm.Potts(), 0.7),
            mm.UnaryFactor(a, generator.normal(size=(4, 3))),
            mm.TableFactor([b], log_values=torch.tensor([0.2, -0.3])),
        ],
    )
    evidence = mm.Evidence.of(None, graph.variables)
    view = FieldView(graph, evidence, CPU, DOUBLE)
    ours = starting_means(graph, evidence, view, None, None)
    theirs = dict(ours)
    ascend_pairwise(pairwise_graph(graph, DOUBLE), evidence, ours, Ascent(5, 0.0, 0.0))
    ascend(view, colour_masks(graph), theirs, 5)
    for name in ("a", "b"):
        torch.testing.assert_close(ours[name], theirs[name])


def test_single_precision_stays_single_and_near():
    graph = random_field(1, "potts", 3)
    double = mm.query(graph, method="mean_field")
    single = mm.query(graph, method="mean_field", dtype=torch.float32)
    assert single.marginal("label").dtype == torch.float32
    torch.testing.assert_close(
        single.marginal("label").double(), double.marginal("label"), rtol=0, atol=1e-4
    )


def test_what_others_exclude_is_named_with_its_row():
    edges = [[0, 1], [1, 2]]
    never_equal = np.array([[np.inf, 0.0], [0.0, np.inf]])
    graph = mm.MarkovRandomField.from_edges(edges, np.zeros((3, 2)), mm.Tabulated(never_equal))
    evidence = mm.Evidence.of(None, graph.variables)
    even = {"label": torch.full((1, 3, 2), 0.5, dtype=DOUBLE)}
    with pytest.raises(EvidenceError, match="every state of 'label' is excluded in row 0"):
        ascend_pairwise(pairwise_graph(graph, DOUBLE), evidence, even, Ascent(1, 0.0, 0.0))
