import itertools

import numpy as np
import pytest

from mmgraph.learning.structure.scores.records import empty_memo
from mmgraph.learning.structure.searches.best_graph import graph_score
from mmgraph.learning.structure.searches.orders import graph_of_order, improve_order
from tests.learning.structure.searches.small_problems import problem


@pytest.mark.parametrize(("kind", "score"), [("discrete", "bdeu"), ("continuous", "bge")])
def test_an_improved_order_is_no_worse_than_one_with_a_variable_moved(kind, score):
    for seed in range(6):
        rows, constraints = problem(kind, score, seed, forbidden=[(2, 0)])
        memo = empty_memo(4)
        order = np.random.default_rng(seed).permutation(4)
        before = graph_score(rows, graph_of_order(rows, memo, order))
        total = improve_order(rows, memo, order, np.arange(4))
        graph = graph_of_order(rows, memo, order)
        constraints.check(graph, "the graph")
        assert sorted(order) == [0, 1, 2, 3]
        assert total == pytest.approx(graph_score(rows, graph))
        assert total >= before - 1e-6
        assert not graph[np.ix_(order, order)][np.tril_indices(4)].any()
        for v, place in itertools.product(range(4), range(4)):
            moved = np.insert(order[order != v], place, v)
            assert graph_score(rows, graph_of_order(rows, memo, moved)) <= total + 1e-5


def test_an_order_against_a_required_edge_scores_minus_infinity():
    rows, _ = problem("discrete", "bic", 0, required=[(0, 3), (3, 1)])
    memo = empty_memo(4)
    order = np.array([1, 3, 2, 0])
    assert improve_order(rows, memo, order.copy(), np.arange(0)) == -np.inf
    order = np.array([2, 0, 3, 1])
    assert np.isfinite(improve_order(rows, memo, order, np.arange(4)))
    graph = graph_of_order(rows, memo, order)
    assert graph[0, 3]
    assert graph[3, 1]
