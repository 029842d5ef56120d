"""The value of tests against enumeration of decision trees."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.causal.modalities.information.tables import entropy, mutual_information
from mmgraph.graph.errors import MemoryBudgetError, MmgraphError, UnknownVariableError


def random_decision(seed, tests=3, states=3, actions=3):
    generator = np.random.default_rng(seed)
    prior = generator.dirichlet(np.ones(states))
    utility = generator.normal(size=(actions, states))
    tables = {f"t{i}": generator.dirichlet(np.ones(2), states) for i in range(tests)}
    return prior, utility, tables, {name: generator.uniform(0, 0.2) for name in tables}


def value_after(weights, utility, tables, costs, left):
    """The best expected utility, times the probability of what came before, by trying all."""
    best = (utility @ weights).max()
    for name in tables if left else ():
        rest = {n: t for n, t in tables.items() if n != name}
        value = -costs[name] * weights.sum()
        for outcome in range(tables[name].shape[1]):
            value += value_after(weights * tables[name][:, outcome], utility, rest, costs, left - 1)
        best = max(best, value)
    return best


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), ahead=st.integers(0, 3))
def test_look_ahead_is_the_best_of_all_trees(seed, ahead):
    prior, utility, tables, costs = random_decision(seed)
    worth = mm.value_of_information(prior, utility, tables, costs)
    expected = value_after(prior, utility, tables, costs, ahead)
    assert worth.look_ahead(ahead).value == pytest.approx(expected, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_sets_of_tests_are_worth_more_than_their_parts_and_less_than_the_truth(seed):
    prior, utility, tables, costs = random_decision(seed)
    worth = mm.value_of_information(prior, utility, tables, costs)
    assert worth.prior_value == pytest.approx((utility @ prior).max())
    for name, table in tables.items():
        after = sum((utility @ (prior * table[:, k])).max() for k in range(2))
        assert worth.of[name] == pytest.approx(after - worth.prior_value, abs=1e-12)
        assert worth.net[name] == pytest.approx(worth.of[name] - costs[name])
        assert worth.of[name] <= worth.of_set(tables) + 1e-12 <= worth.perfect + 2e-12
    after = 0.0
    for outcomes in product(range(2), repeat=3):
        likelihood = np.prod(
            [t[:, k] for t, k in zip(tables.values(), outcomes, strict=True)], axis=0
        )
        after += (utility @ (prior * likelihood)).max()
    assert worth.of_set(list(tables)) == pytest.approx(after - worth.prior_value, abs=1e-12)


def test_dependent_tests_stand_together_and_may_be_worth_something_only_so():
    # Two outcomes whose parity is the state: either alone tells nothing.
    table = np.zeros((2, 2, 2))
    for first, second in np.ndindex(2, 2):
        table[first ^ second, first, second] = 0.5
    worth = mm.value_of_information(
        [0.5, 0.5], np.eye(2), {("a", "b"): table}, {"a": 0.1, "b": 0.1}, lookahead=2
    )
    assert worth.of == pytest.approx({"a": 0, "b": 0})
    assert worth.best == "a"
    assert worth.of_set(["a", "b"]) == pytest.approx(worth.perfect) == pytest.approx(0.5)
    policy = worth.policy
    assert policy.value == pytest.approx(0.8)
    assert policy.test == "a"
    assert {further.test for further in policy.after.values()} == {"b"}
    assert policy.after[1].after[0].action == 1
    assert worth.look_ahead(1).test is None


def test_a_perfect_test_is_worth_what_the_truth_is_and_bought_below_it():
    perfect = {"truth": np.eye(2)}
    worth = mm.value_of_information([0.7, 0.3], [[0, 0], [-1, 2]], perfect, {"truth": 0.59})
    assert worth.perfect == pytest.approx(0.6)
    assert worth.of["truth"] == pytest.approx(0.6)
    assert (worth.best, worth.action) == ("truth", 0)
    dear = mm.value_of_information([0.7, 0.3], [[0, 0], [-1, 2]], perfect, {"truth": 0.61})
    assert dear.best is None
    assert dear.policy.test is None


def test_by_the_logarithmic_score_a_test_is_worth_its_information():
    generator = np.random.default_rng(2)
    prior, table = generator.dirichlet(np.ones(3)), generator.dirichlet(np.ones(4), 3)
    worth = mm.value_of_information(prior, None, {"scan": table}, {"scan": 0.01}, lookahead=1)
    assert worth.of["scan"] == pytest.approx(mutual_information((prior[:, None] * table).T))
    assert worth.perfect == pytest.approx(entropy(prior))
    assert worth.policy.value == pytest.approx(worth.prior_value + worth.net["scan"])
    assert worth.action == prior.argmax()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"prior": [0.5, 0.6]}, MmgraphError, "the prior sums to"),
        ({"utility": [[1, 2, 3]]}, MmgraphError, "2 states"),
        ({"utility": [[1, np.inf]]}, MmgraphError, "not finite"),
        ({"tests": {"scan": [[0.5, 0.5], [0.5, 0.4]]}}, MmgraphError, "'scan', given state 1"),
        ({"tests": {"scan": [[1.0]]}}, MmgraphError, "'scan'.*2 states"),
        ({"tests": {"a": np.eye(2), ("a", "b"): np.full((2, 2, 2), 0.25)}}, MmgraphError, "twice"),
        ({"costs": {"scna": 1}}, UnknownVariableError, "did you mean 'scan'"),
        ({"costs": {"scan": np.nan}}, MmgraphError, "cost of 'scan'"),
        ({"costs": {"scan": None}}, MmgraphError, "cost of 'scan' is None"),
        ({"costs": {"scan": -1}}, MmgraphError, "cost of 'scan' is -1"),
        ({"tests": {0: np.eye(2)}}, MmgraphError, "not 0"),
        ({"lookahead": 1.5}, MmgraphError, "lookahead.*1.5"),
        ({"lookahead": -1}, MmgraphError, "lookahead.*-1"),
    ],
)
def test_bad_decisions_are_refused_by_name(change, error, message):
    good = {"prior": [0.5, 0.5], "utility": np.eye(2), "tests": {"scan": np.eye(2)}, "costs": None}
    with pytest.raises(error, match=message):
        mm.value_of_information(**(good | change))


def test_sets_too_large_for_memory_or_for_looking_ahead_are_refused():
    tests = {f"t{i}": np.full((2, 4), 0.25) for i in range(40)}
    worth = mm.value_of_information([0.5, 0.5], np.eye(2), tests)
    with pytest.raises(MemoryBudgetError, match="40 tests"):
        worth.of_set(tests)
    with pytest.raises(MmgraphError, match="too many to look ahead"):
        mm.value_of_information([0.5, 0.5], np.eye(2), tests, lookahead=None)
    with pytest.raises(MmgraphError, match="whole number, at least 0"):
        worth.look_ahead(1.5)
    with pytest.raises(UnknownVariableError, match="there is no test 'x'"):
        worth.of_set(["x"])
    assert worth.look_ahead(1).test is None
