import numpy as np
import pytest

from mmgraph.learning.structure.scores.records import empty_memo
from mmgraph.learning.structure.searches.best_graph import graph_score
from mmgraph.learning.structure.searches.climbing import climb, reaches
from tests.learning.structure.every_graph import random_dag
from tests.learning.structure.searches.small_problems import problem


def test_reaching_follows_edges_forward():
    graph = np.zeros((4, 4), bool)
    graph[0, 1] = graph[1, 2] = graph[3, 2] = True
    scratch = np.empty(4, np.int64), np.empty(4, bool)
    found = [[bool(reaches(graph, a, b, *scratch)) for b in range(4)] for a in range(4)]
    assert found == [
        [True, True, True, False],
        [False, True, True, False],
        [False, False, True, False],
        [False, False, True, True],
    ]


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_a_graph_is_improved_in_place_and_its_score_returned(kind):
    random = np.random.default_rng(0)
    for seed in range(10):
        rows, _ = problem(kind, "bic", seed)
        graph = random_dag(random, 4, 4)
        before = graph_score(rows, graph)
        plain = graph.copy()
        score = climb(rows, empty_memo(4), plain, 0, 0)
        assert score == pytest.approx(graph_score(rows, plain))
        assert score >= before - 1e-9
        score = climb(rows, empty_memo(4), graph, 5, 10)
        assert score == pytest.approx(graph_score(rows, graph))
        assert score >= before - 1e-9
