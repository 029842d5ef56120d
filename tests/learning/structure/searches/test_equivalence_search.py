from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import LearningError
from mmgraph.learning.structure.graphs.equivalence import (
    cpdag,
    structural_hamming_distance,
    topological_order,
)
from mmgraph.learning.structure.graphs.kernels import extend
from mmgraph.learning.structure.scores.records import empty_memo
from mmgraph.learning.structure.searches.best_graph import best_graph, graph_score
from mmgraph.learning.structure.searches.climbing import ADD, REMOVE, TURN
from mmgraph.learning.structure.searches.equivalence_search import (
    _families,
    best_change,
    class_of,
    improve_class,
)
from tests.learning.structure.every_graph import all_dags, random_dag, signature
from tests.learning.structure.scored_families import data, records
from tests.learning.structure.searches.small_problems import every_score, problem


@cache
def signatures():
    return [signature(g) for g in all_dags(4)]


def neighbours(graph, kind):
    """The graphs that one edge more, less or turned makes of those of a class."""
    every = np.array(all_dags(4))
    is_neighbour = np.zeros(len(every), bool)
    for member in every[[s == signature(graph) for s in signatures()]]:
        added, lost = every & ~member, member & ~every
        counts = added.sum((1, 2)), lost.sum((1, 2))
        here = (counts[0] == (kind != REMOVE)) & (counts[1] == (kind != ADD))
        if kind == TURN:
            here &= (added == lost.swapaxes(1, 2)).all((1, 2))
        is_neighbour |= here
    return every[is_neighbour]


@pytest.mark.parametrize("phase", [ADD, REMOVE, TURN])
@pytest.mark.parametrize(("kind", "score"), [("discrete", "bic"), ("continuous", "bge")])
def test_the_best_change_is_that_of_all_members_of_the_class(kind, score, phase):
    rows, _ = problem(kind, score, 1)
    scores = {g.tobytes(): s for g, s in zip(*every_score(rows), strict=True)}
    random = np.random.default_rng(phase)
    for edges in (1, 2, 3, 4, 5, 6) * 2:
        graph = random_dag(random, 4, edges)
        before = scores[graph.tobytes()]
        marks = class_of(graph)
        families = [_families(rows, empty_memo(4), marks, y) for y in range(4)]
        gain, dag = best_change(marks, families, phase)
        best = max([scores[g.tobytes()] for g in neighbours(graph, phase)], default=-np.inf)
        if best <= before + 1e-6:
            assert dag is None
        else:
            assert gain == pytest.approx(best - before)
            assert scores[dag.tobytes()] == pytest.approx(best)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    case=st.sampled_from([("discrete", "bic"), ("discrete", "bdeu"), ("continuous", "aic")]),
)
def test_no_neighbour_of_the_class_found_is_better(seed, case):
    rows, _ = problem(*case, seed, 60)
    found = best_graph(rows, "ges")
    scores = {g.tobytes(): s for g, s in zip(*every_score(rows), strict=True)}
    assert found.score == pytest.approx(scores[found.adjacency.tobytes()])
    for phase in (ADD, REMOVE, TURN):
        for graph in neighbours(found.adjacency, phase):
            assert scores[graph.tobytes()] <= found.score + 1e-6


def test_equivalent_starts_end_in_one_class():
    rows, _ = problem("discrete", "bdeu", 5)
    chain = np.eye(4, k=1, dtype=bool)
    ends = [best_graph(rows, "ges", start=graph).adjacency for graph in (chain, chain.T)]
    assert signature(ends[0]) == signature(ends[1])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_class_of_many_rows_is_the_right_one(seed):
    random = np.random.default_rng(seed)
    graph = random_dag(random, 9, 12)
    values = np.zeros((9, 20_000))
    for v in topological_order(graph):
        weights = graph[:, v] * random.uniform(0.5, 1.2, 9) * random.choice([-1, 1], 9)
        values[v] = weights @ values + random.normal(size=20_000)
    rows = records(data(values=values), "bic")
    found = best_graph(rows, "ges")
    assert structural_hamming_distance(cpdag(found.adjacency), cpdag(graph)) == 0
    assert found.score == pytest.approx(best_graph(rows, "exact").score)
    assert [step for step, _ in found.trace][:2] == ["start", "adding edges"]


def test_phases_change_marks_in_place():
    rows, _ = problem("discrete", "bic", 1)
    marks = np.zeros((4, 4), bool)
    memo = empty_memo(4)
    assert improve_class(rows, memo, marks, ADD)
    dag, complete = extend(marks)
    assert complete
    assert (class_of(dag) == marks).all()
    assert graph_score(rows, dag) > graph_score(rows, np.zeros((4, 4), bool))
    assert not improve_class(rows, memo, marks, ADD)


@pytest.mark.parametrize(
    ("kind", "score", "limits", "says"),
    [
        ("discrete", "k2", {}, "the score 'k2'"),
        ("continuous", "held-out", {}, "the score 'held-out'"),
        ("mixed", "bic", {}, "variables of both kinds"),
        ("discrete", "bic", {"forbidden": [(0, 1)]}, "constraints"),
        ("discrete", "bic", {"max_parents": 2}, "constraints"),
    ],
)
def test_what_classes_cannot_have_is_refused(kind, score, limits, says):
    rows, _ = problem(kind, score, 0, **limits)
    with pytest.raises(LearningError, match=f"{says}.*'orders'"):
        best_graph(rows, "ges")


def test_experiments_and_missing_cells_are_refused():
    codes = np.random.default_rng(0).integers(0, 2, (3, 30))
    experiment = np.repeat([-1, 0], 15)
    is_set = np.array([[True, False, False]])
    rows = data(codes, states=(2, 2, 2), experiment=experiment, is_set=is_set)
    with pytest.raises(LearningError, match="experiments"):
        best_graph(records(rows, "bic"), "ges")
    codes[0, 0] = -1
    with pytest.raises(LearningError, match="cells are missing"):
        best_graph(records(data(codes, states=(2, 2, 2)), "bic"), "ges")
