"""Which rows of a batch are impossible: every method names them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import ZeroProbabilityError

EQUAL = np.eye(2)
DIFFERENT = 1.0 - np.eye(3)

QUERIES = [
    ("junction_tree", {}),
    ("enumeration", {}),
    ("torch", {}),
    ("belief_propagation", {}),
    ("belief_propagation", {"schedule": "parallel"}),
    ("belief_propagation", {"schedule": "residual", "damping": 0.2}),
    ("tree_reweighted", {}),
    ("mean_field", {}),
    ("gibbs", {"draws": 20, "burn_in": 5}),
    ("parallel_tempering", {"draws": 20, "burn_in": 5}),
    ("annealed_importance_sampling", {}),
]
ASSIGNMENTS = [
    ("junction_tree", {}),
    ("enumeration", {}),
    ("max_product", {}),
    ("trws", {}),
    ("trws_and_moves", {}),
    ("graph_cut", {}),
    ("alpha_expansion", {}),
    ("alpha_beta_swap", {}),
    ("icm", {}),
    ("branch_and_bound", {}),
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


@pytest.mark.parametrize(("method", "options"), QUERIES)
def test_marginals(method: str, options: dict[str, object]):
    graph, evidence = ring_of_equals()
    with pytest.raises(ZeroProbabilityError) as caught:
        mm.query(graph, evidence, method=method, **options)
    check_the_middle_one(caught.value)


@pytest.mark.parametrize(("method", "options"), ASSIGNMENTS)
def test_assignments(method: str, options: dict[str, object]):
    if method == "branch_and_bound":
        pytest.importorskip("pytoulbar2")
    graph, evidence = ring_of_equals()
    with pytest.raises(ZeroProbabilityError) as caught:
        mm.map_query(graph, evidence, method=method, **options)
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


@pytest.mark.parametrize("method", ["max_product", "trws", "trws_and_moves", "icm"])
def test_a_contradiction_that_only_a_search_finds(method: str):
    graph, evidence = triangle()
    with pytest.raises(ZeroProbabilityError) as caught:
        mm.map_query(graph, evidence, method=method)
    check_the_middle_one(caught.value)


@pytest.mark.parametrize("method", ["gibbs", "mean_field"])
def test_a_start_that_only_a_search_finds(method: str):
    graph, evidence = triangle()
    with pytest.raises(ZeroProbabilityError) as caught:
        mm.query(graph, evidence, method=method)
    check_the_middle_one(caught.value)


def test_samplers():
    graph, evidence = ring_of_equals()
    for method in ("junction_tree", "gibbs"):
        with pytest.raises(ZeroProbabilityError) as caught:
            mm.sample(graph, 5, evidence, method=method)
        check_the_middle_one(caught.value)


def test_several_rows_are_named_together():
    graph, _ = ring_of_equals()
    for method in ("junction_tree", "torch"):
        with pytest.raises(ZeroProbabilityError) as caught:
            mm.query(graph, {"a": [0, 1, 0], "c": [1, 1, 1]}, method=method)
        assert caught.value.rows == (0, 2)
