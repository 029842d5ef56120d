import itertools
import math

import numpy as np
import pytest

from mmgraph.graph.errors import ConvergenceWarning, LearningError, MemoryBudgetError
from mmgraph.learning.structure.bootstrap import consensus
from mmgraph.learning.structure.searches import order_averaging
from mmgraph.learning.structure.searches.order_averaging import averaged_arcs
from tests.learning.structure.every_graph import all_dags
from tests.learning.structure.scored_families import data, records
from tests.learning.structure.searches.small_problems import every_score, problem

CASES = [
    ("discrete", "bdeu", {}),
    ("discrete", "bic", {"required": [(3, 0)], "max_parents": 2}),
    ("continuous", "bge", {"forbidden": [(0, 1)]}),
    ("mixed", "bic", {}),
]


def by_enumeration(rows):
    """The probability of each arc: every graph weighs as much as it has orders."""
    graphs, scores = every_score(rows)
    orders = np.array(list(itertools.permutations(range(4)))).argsort(1)
    fits = [sum((~g | (o[:, None] < o[None, :])).all() for o in orders) for g in graphs]
    weights = np.exp(scores - scores.max()) * fits
    return np.tensordot(weights, np.array(graphs), 1) / weights.sum()


@pytest.mark.parametrize(("kind", "score", "limits"), CASES)
def test_probabilities_are_those_of_all_graphs_and_orders(kind, score, limits):
    for seed in range(3):
        rows, _ = problem(kind, score, seed, 40, **limits)
        found = averaged_arcs(rows)
        assert found.arcs == pytest.approx(by_enumeration(rows), abs=1e-10)
        assert (found.replicates, found.r_hat, found.effective_size) == (0, 1.0, math.inf)


@pytest.mark.parametrize(("kind", "score", "limits"), CASES)
def test_drawn_orders_agree_with_all_of_them(kind, score, limits):
    rows, constraints = problem(kind, score, 7, 40, **limits)
    exact = averaged_arcs(rows, "exact")
    found = averaged_arcs(rows, "sample", seed=1, draws=1500)
    # A probability of n independent draws is off by at most half a standard error of 1 / sqrt(n).
    assert np.abs(found.arcs - exact.arcs).max() < 2.5 / math.sqrt(found.effective_size)
    assert found.replicates == 6000
    assert found.r_hat < 1.02
    assert found.effective_size > 1000
    assert (found.arcs[~constraints.allowed] == 0).all()
    assert found.arcs[constraints.required] == pytest.approx(1.0)
    assert (averaged_arcs(rows, "sample", seed=1, draws=1500).arcs == found.arcs).all()
    graph, _ = consensus(found)
    assert any((graph == g).all() for g in all_dags(4))


def test_draws_of_more_variables_find_the_strong_arcs():
    random = np.random.default_rng(0)
    values = random.normal(size=(14, 200))
    for v in range(1, 14):
        values[v] += values[v - 1]
    rows = records(data(values=values), "bge")
    found = averaged_arcs(rows, draws=200, candidates=4)
    assert found.edges[np.arange(13), np.arange(1, 14)].min() > 0.95
    assert found.edges[np.triu_indices(14, 2)].mean() < 0.1
    done = []
    averaged_arcs(rows, draws=4, chains=2, candidates=2, progress=lambda *n: done.append(n))
    assert done == [(1, 2), (2, 2)]


def test_bad_input_is_refused(monkeypatch):
    rows, _ = problem("discrete", "bic", 0)
    with pytest.raises(LearningError, match="not by 'all'"):
        averaged_arcs(rows, "all")
    with pytest.raises(LearningError, match="draws of orders are at least 4, not 3"):
        averaged_arcs(rows, "sample", draws=3)
    with pytest.raises(LearningError, match="chains of orders are at least 1, not 0"):
        averaged_arcs(rows, "sample", chains=0)
    many = records(data(np.zeros((21, 3), int), states=(2,) * 21), "bic")
    with pytest.raises(LearningError, match=r"up to 20 variables, and there are 21.*sample"):
        averaged_arcs(many, "exact")
    monkeypatch.setattr(order_averaging, "default_memory_budget", lambda: 100)
    for method in ("exact", "sample"):
        with pytest.raises(MemoryBudgetError, match=r"4 variables"):
            averaged_arcs(rows, method)


def test_chains_that_disagree_are_told(monkeypatch):
    rows, _ = problem("discrete", "bic", 0)
    monkeypatch.setattr(order_averaging, "split_r_hat", lambda scores: 1.5)
    with pytest.warns(ConvergenceWarning, match=r"R-hat of their score 1\.5"):
        assert averaged_arcs(rows, "sample", draws=10).r_hat == 1.5
