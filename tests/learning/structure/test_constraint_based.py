import sys

import networkx as nx
import numpy as np
import pytest

from mmgraph.graph.errors import LearningError, MissingExtraError
from mmgraph.graph.variable import Variable
from mmgraph.learning.structure.constraint_based import learn_by_tests
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs.equivalence import (
    PartialGraph,
    cpdag,
    structural_hamming_distance,
)
from mmgraph.learning.structure.problem import StructureData
from tests.learning.structure.every_graph import random_dag

NAMES = ("a", "b", "c", "d", "e")
REAL = np.zeros(5, dtype=bool)
STATES = ~REAL


def linear(dag, rows=3000, seed=0):
    """Rows of a linear Gaussian network."""
    random = np.random.default_rng(seed)
    n = len(dag)
    weights = dag * random.uniform(0.7, 1.3, (n, n)) * random.choice([-1, 1], (n, n))
    return random.normal(size=(rows, n)) @ np.linalg.inv(np.eye(n) - weights)


def noisy_states(rows=3000, seed=0):
    """Rows of Y with three states: each repeats what drives it, but for some noise."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 3, (rows, 5))
    values[:, 2] = np.where(random.random(rows) < 0.7, values[:, :2].max(1), values[:, 2])
    values[:, 3] = np.where(random.random(rows) < 0.6, values[:, 2], values[:, 3])
    return values


def graph(*edges):
    adjacency = np.zeros((5, 5), dtype=bool)
    for a, b in edges:
        adjacency["abcde".index(a), "abcde".index(b)] = True
    return adjacency


CHAIN = graph("ab", "bc", "cd")
Y = graph("ac", "bc", "cd")
"""A collider and what follows from it; e stands alone."""


def find(
    values,
    discrete=REAL,
    method="pc",
    alpha=0.01,
    test="auto",
    weights=None,
    isolate_constant=False,
    **constraints,
):
    return learn_by_tests(
        table(values, discrete),
        Constraints.of(NAMES[: len(discrete)], **constraints),
        weights=weights,
        method=method,
        alpha=alpha,
        test=test,
        isolate_constant=isolate_constant,
    )


def table(values, discrete, experiments=()):
    is_set = np.zeros((len(experiments), len(discrete)), dtype=bool)
    for row, column in enumerate(experiments):
        is_set[row, column] = True
    return StructureData(
        tuple(
            Variable(n, 3) if d else Variable(n, family="gaussian")
            for n, d in zip(NAMES, discrete, strict=False)
        ),
        values[:, discrete].T.astype(np.int64),
        values[:, ~discrete].T,
        np.ones(len(values)),
        np.full(len(values), len(experiments) - 1),
        is_set,
    )


def pairs(text):
    return [tuple(pair) for pair in text.split()]


@pytest.mark.parametrize("test", ["auto", "g_square"])
def test_pc_finds_the_class_from_states(test, capfd):
    found = find(noisy_states(), STATES, test=test)
    assert found.cpdag == (pairs("ac bc cd"), [])
    assert found.edges == pairs("ac bc cd")
    assert found.score is found.pag is None
    assert found.method.startswith("PC with the ")
    assert capfd.readouterr() == ("", "")


def test_pc_finds_the_class_from_real_numbers():
    for seed in range(4):
        dag = random_dag(np.random.default_rng(seed), 5, 5)
        found = find(linear(dag, seed=seed, rows=20_000), alpha=0.001)
        made = PartialGraph(*(np.zeros((5, 5), dtype=bool) for _ in range(2)))
        for mask, edges in zip(made, found.cpdag, strict=True):
            for a, b in edges:
                mask[NAMES.index(a), NAMES.index(b)] = True
        made.undirected[:] |= made.undirected.T
        assert structural_hamming_distance(made, cpdag(dag)) <= 1


def test_constraints_are_kept_by_pc():
    chain = linear(CHAIN)
    assert find(chain).cpdag == ([], pairs("ab bc cd"))
    found = find(chain, tiers=[["a"], ["b", "c", "d", "e"]])
    assert found.cpdag == (pairs("ab bc cd"), [])
    found = find(chain, required=[("e", "d"), ("c", "b")])
    assert set(found.edges) == set(found.cpdag[0]) == set(pairs("ed dc cb ba"))
    found = find(chain, forbidden=[("a", "b"), ("b", "a")])
    assert found.edges in (pairs("bc cd"), pairs("cb dc"), pairs("cb cd"))
    found = find(linear(Y), forbidden=[("a", "c")], roots=["e"], leaves=["b"])
    assert ("c", "a") in found.edges
    assert ("b", "c") not in found.edges


def test_a_pair_that_is_forbidden_makes_no_collider_of_what_lies_between():
    found = find(linear(CHAIN), forbidden=[("a", "c"), ("c", "a")])
    assert found.cpdag == ([], pairs("ab bc cd"))


def test_contradictory_directions_give_a_graph_all_the_same():
    # Two colliders, each with an edge that must run the other way: together a cycle.
    square = linear(graph("ab", "cb", "cd", "ad"))
    found = find(square, required=[("b", "c"), ("d", "a")])
    assert set(pairs("bc da")) <= set(found.edges)
    assert "its directions contradict each other" in found.method
    assert nx.is_directed_acyclic_graph(found.to_networkx())


def test_fci_finds_hidden_causes(capfd):
    found = find(linear(Y), method="fci")
    assert set(found.pag) == {("a", "o->", "c"), ("b", "o->", "c"), ("c", "-->", "d")}
    assert found.edges == pairs("cd")
    assert found.cpdag == (pairs("cd"), [])
    hidden = linear(graph("ac", "bd", "ec", "ed"))[:, :4]
    found = find(hidden, REAL[:4], method="fci")
    assert set(found.pag) == {("a", "o->", "c"), ("b", "o->", "d"), ("c", "<->", "d")}
    assert found.edges == []
    assert capfd.readouterr() == ("", "")


def test_constraints_are_kept_by_fci():
    chain = linear(CHAIN)
    assert set(find(chain, method="fci").pag) == {(a, "o-o", b) for a, b in pairs("ab bc cd")}
    found = find(chain, method="fci", tiers=[["a"], ["b"], ["c"], ["d", "e"]])
    assert set(found.pag) == {("a", "o->", "b"), ("b", "-->", "c"), ("c", "-->", "d")}
    found = find(chain, method="fci", required=[("e", "a")], forbidden=[("b", "c"), ("c", "b")])
    assert ("e", "-->", "a") in found.pag
    assert not {"b", "c"} <= {n for a, _, b in found.pag for n in (a, b) if {a, b} == {"b", "c"}}


def spoiled(column, value, row=slice(None)):
    values = linear(CHAIN, 50)
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (spoiled(1, 3.0), {}, "'b' is constant"),
        (spoiled(1, np.nan, 7), {}, "'b' lacks 1 of 50 cells"),
        (linear(CHAIN, 50), {"test": "chi_square"}, "needs discrete columns.*'a', 'b', 'c'"),
        (linear(CHAIN, 50), {"test": "kernel"}, "unknown test 'kernel'"),
        (linear(CHAIN, 50), {"alpha": 1.0}, "alpha lies between 0 and 1"),
        (linear(CHAIN, 50), {"max_parents": 2}, "cannot heed max_parents"),
        (linear(CHAIN, 8), {}, "at least 9 rows for 5 columns, not 8"),
        (
            np.column_stack([linear(CHAIN, 50)[:, :4], linear(CHAIN, 50)[:, :2].sum(1)]),
            {},
            "determine one another: 'a', 'b', 'e'",
        ),
        (
            np.zeros((9, 5)),
            {"discrete": np.array([True, True, False, True, True])},
            "needs continuous columns, and these are discrete: 'a', 'b', 'd', 'e'",
        ),
        (np.arange(50).reshape(10, 5) - 2, {"discrete": STATES}, "'a' lacks 1 of 10 cells"),
    ],
)
def test_tables_that_do_not_suit_are_refused(values, options, message):
    with pytest.raises(LearningError, match=message):
        find(values, **options)


def test_experiments_and_parts_of_rows_are_refused():
    with pytest.raises(LearningError, match="cannot heed interventions"):
        learn_by_tests(table(linear(CHAIN, 50), REAL, experiments=[2]), Constraints.of(NAMES))
    with pytest.raises(LearningError, match="whole numbers"):
        find(linear(CHAIN, 50), weights=np.full(50, 0.5))


def test_rows_count_as_often_as_their_weights_say():
    values = noisy_states(1500)
    twice = find(np.repeat(values, 2, axis=0), STATES)
    assert find(values, STATES, weights=np.full(1500, 2.0)).cpdag == twice.cpdag
    some = np.arange(1500) % 2 == 0
    assert find(values, STATES, weights=1.0 * some).cpdag == find(values[some], STATES).cpdag


@pytest.mark.parametrize("method", ["pc", "fci"])
@pytest.mark.parametrize("discrete", [STATES, REAL])
def test_constant_columns_may_stay_alone(method, discrete):
    values = noisy_states() if discrete.all() else linear(Y)
    alone = find(values[:, [0, 1, 2, 3]], discrete[:4], method)
    values[:, 4] = 1
    values = values[:, [4, 0, 1, 2, 3]]  # the tests know columns by other places
    found = find(values, discrete, method, isolate_constant=True)
    assert found.edges == [(chr(ord(a) + 1), chr(ord(b) + 1)) for a, b in alone.edges]
    found = find(values, discrete, method, isolate_constant=True, required=[("b", "a")])
    assert ("b", "a") in found.edges
    found = find(values, discrete, method, isolate_constant=True, tiers=[list("bcd"), ["a", "e"]])
    assert ("d", "e") in found.edges
    values[:, 1:] = 0
    assert find(values, discrete, method, isolate_constant=True).edges == []
    values[:, 4] = np.arange(len(values)) % 2
    assert find(values, discrete, method, isolate_constant=True).edges == []


def test_without_causal_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "causallearn", None)
    with pytest.raises(MissingExtraError, match=r"PC needs .*mmgraph\[discovery\]"):
        find(linear(CHAIN, 50))
