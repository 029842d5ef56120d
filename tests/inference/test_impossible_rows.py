"""Which rows of a batch are impossible: every method names them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import ZeroProbabilityError

EQUAL = np.eye(2)
DIFFERENT = 1.0 - np.eye(3)

RING = [
    ("query", "junction_tree", {}),
    ("query", "enumeration", {}),
    ("query", "torch", {}),
    ("query", "belief_propagation", {}),
    ("query", "belief_propagation", {"schedule": "parallel"}),
    ("query", "belief_propagation", {"schedule": "residual", "damping": 0.2}),
    ("query", "tree_reweighted", {}),
    ("query", "mean_field", {}),
    ("query", "gibbs", {"draws": 20, "burn_in": 5}),
    ("query", "parallel_tempering", {"draws": 20, "burn_in": 5}),
    ("query", "annealed_importance_sampling", {}),
    ("map_query", "junction_tree", {}),
    ("map_query", "enumeration", {}),
    ("map_query", "max_product", {}),
    ("map_query", "trws", {}),
    ("map_query", "trws_and_moves", {}),
    ("map_query", "graph_cut", {}),
    ("map_query", "alpha_expansion", {}),
    ("map_query", "alpha_beta_swap", {}),
    ("map_query", "icm", {}),
    ("map_query", "branch_and_bound", {}),
    ("sample", "junction_tree", {"draws": 5}),
    ("sample", "gibbs", {"draws": 5}),
]
TRIANGLE = [
    *(("map_query", method, {}) for method in ("max_product", "trws", "trws_and_moves", "icm")),
    *(("query", method, {}) for method in ("gibbs", "mean_field")),
]


def ring_of_equals() -> tuple[mm.MarkovRandomField, dict[str, object]]:
    """Four variables that are all alike; in the middle row of evidence two are not."""
    nodes = [mm.Variable(n, 2) for n in "abcd"]
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0)]
    graph = mm.MarkovRandomField(
        nodes, [mm.TableFactor([nodes[i], nodes[j]], EQUAL) for i, j in pairs]
    )
    return graph, {"a": [0, 0, 1], "c": [0, 1, 1]}


def triangle() -> tuple[mm.MarkovRandomField, dict[str, object]]:
    """Three variables that all differ; the middle row of evidence leaves them two states.

    Every pair of them agrees on some states, so that only a search finds the contradiction.
    """
    nodes = [mm.Variable(n, 3) for n in "abc"]
    factors = [mm.TableFactor([nodes[i], nodes[j]], DIFFERENT) for i, j in ((0, 1), (1, 2), (2, 0))]
    soft = np.zeros((3, 3))
    soft[1, 2] = -math.inf
    return mm.MarkovRandomField(nodes, factors), {n: mm.soft(soft) for n in "abc"}


def check_the_middle_one(error: ZeroProbabilityError) -> None:
    assert error.rows == (1,)
    assert "row 1" in str(error) or "rows [1]" in str(error)


@pytest.mark.parametrize(
    ("build", "question", "method", "options"),
    [*((ring_of_equals, *case) for case in RING), *((triangle, *case) for case in TRIANGLE)],
)
def test_the_middle_row_is_named(
    build: Callable, question: str, method: str, options: dict[str, object]
):
    if method == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    graph, evidence = build()
    with pytest.raises(ZeroProbabilityError) as caught:
        getattr(mm, question)(graph, evidence=evidence, method=method, **options)
    check_the_middle_one(caught.value)


def test_messages_on_tensors():
    from mmgraph.graph.evidence import Evidence
    from tests.inference.messages.tensors.on_tensors import best_on_tensors, marginals_on_tensors

    graph, evidence = ring_of_equals()
    given = Evidence.of(evidence, graph.variables)
    for function in (marginals_on_tensors, best_on_tensors):
        with pytest.raises(ZeroProbabilityError) as caught:
            function(graph, given, device="cpu")
        check_the_middle_one(caught.value)


def test_several_rows_are_named_together():
    graph, _ = ring_of_equals()
    for method in ("junction_tree", "torch"):
        with pytest.raises(ZeroProbabilityError) as caught:
            mm.query(graph, {"a": [0, 1, 0], "c": [1, 1, 1]}, method=method)
        assert caught.value.rows == (0, 2)
