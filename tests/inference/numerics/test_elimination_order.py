"""Elimination orders and join trees: valid, small, and within the memory promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

import mmgraph as mm
from mmgraph.inference.exact.join_tree.contraction import contraction_tree
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.request import planned
from mmgraph.inference.exact.join_tree.table_view import table_view
from mmgraph.inference.numerics import elimination_order as elimination
from mmgraph.inference.numerics.elimination_order import best_elimination_order
from tests.inference.models import random_graph, seeds


def total_size(scopes: list[tuple[int, ...]], cards: list[int], order: list[int]) -> float:
    """The sum of clique sizes, by elimination on plain sets."""
    neighbours: list[set[int]] = [set() for _ in cards]
    for scope in scopes:
        for v in scope:
            neighbours[v] |= set(scope) - {v}
    total = 0.0
    for v in order:
        around = neighbours[v]
        total += math.prod(cards[u] for u in (*around, v))
        for u in around:
            neighbours[u] |= around - {u}
            neighbours[u].discard(v)
    return total


@settings(max_examples=60)
@given(seeds)
def test_the_order_is_a_permutation_and_its_cost_is_right(seed: int):
    view = table_view(random_graph(seed))
    found = best_elimination_order(view.scopes, view.cardinalities)
    assert sorted(found.order) == list(range(len(view.cardinalities)))
    expected = total_size(view.scopes, view.cardinalities, found.order)
    assert found.total_size == pytest.approx(expected)


@settings(max_examples=30)
@given(seeds)
def test_some_variables_can_be_kept_to_the_end(seed: int):
    view = table_view(random_graph(seed))
    last = frozenset(range(0, len(view.cardinalities), 2))
    order = best_elimination_order(view.scopes, view.cardinalities, last=last).order
    assert set(order[len(order) - len(last) :]) == last


def test_the_search_for_large_graphs_gives_a_chain_its_width(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(elimination, "DENSE_LIMIT", 10)
    scopes = [(i, i + 1) for i in range(500)]
    found = best_elimination_order(scopes, [3] * 501)
    assert found.total_size == pytest.approx(500 * 9 + 3)


@pytest.mark.parametrize("name", ["alarm", "hailfinder", "andes", "pigs"])
def test_every_message_and_gradient_together_fit_three_times_the_cliques(name: str):
    net = mm.read(name)
    view = table_view(net)
    everything = Request(variables=tuple(range(len(view.variables))))
    plan = planned(net, everything).plan
    tree = plan.tree
    cliques = {tree.clique(n) for n in range(tree.leaves, len(tree.scopes))}
    tables = sum(math.prod(view.cardinalities[v] for v in scope) for scope in view.scopes)
    assert plan.entries - tables <= 3 * sum(tree.size(c) for c in cliques)


def test_a_sum_over_a_child_is_known_to_be_one():
    # a -> b -> c, nothing observed: whatever is summed out below a leaves ones.
    tree = contraction_tree([(0,), (0, 1), (1, 2)], [2, 3, 2], [2, 1, 0], children=[0, 1, 2])
    assert all(tree.unit[tree.leaves :])
    assert tree.multiplications() == 3 * 2 + 2 * 3 + 2


def test_orders_are_repeatable():
    view = table_view(mm.read("munin"))
    first = best_elimination_order(view.scopes, view.cardinalities)
    assert np.array_equal(
        first.order, best_elimination_order(view.scopes, view.cardinalities).order
    )
