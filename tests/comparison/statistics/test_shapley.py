"""Shapley values against the average over orders, and against what must hold of them."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.comparison.statistics.paired_bootstrap import paired_bootstrap
from mmgraph.comparison.statistics.shapley import (
    shapley_interactions,
    shapley_intervals,
    shapley_values,
)
from mmgraph.graph.errors import MmgraphError


def sets(names: str) -> list[tuple[str, ...]]:
    return [s for size in range(len(names) + 1) for s in combinations(names, size)]


@given(st.integers(0, 10**6), st.sampled_from(["a", "ab", "abc", "abcd"]))
def test_values_are_means_over_orders_and_add_up(seed: int, names: str):
    random = np.random.default_rng(seed)
    values = {s: float(random.normal()) for s in sets(names)}
    by_members = {frozenset(s): v for s, v in values.items()}
    found = shapley_values(values)
    orders = list(permutations(names))
    for name in names:
        before = [frozenset(order[: order.index(name)]) for order in orders]
        gains = [by_members[b | {name}] - by_members[b] for b in before]
        assert found[name] == pytest.approx(np.mean(gains), abs=1e-12)
    assert sum(found.values()) == pytest.approx(values[tuple(names)] - values[()], abs=1e-12)


def test_interactions_of_complements_and_of_copies():
    both = {(): 0.0, ("a",): 0.0, ("b",): 0.0, ("b", "a"): 1.0}
    assert shapley_interactions(both) == {("a", "b"): 1.0}
    either = {(): 0.0, ("a",): 1.0, ("b",): 1.0, ("a", "b"): 1.0}
    assert shapley_interactions(either) == {("a", "b"): -1.0}


def test_interactions_are_the_definition_for_three():
    random = np.random.default_rng(0)
    values = {s: float(random.normal()) for s in sets("abc")}
    alone = values["a", "b"] - values["a",] - values["b",] + values[()]
    beside = values["a", "b", "c"] - values["a", "c"] - values["b", "c"] + values["c",]
    assert shapley_interactions(values)["a", "b"] == pytest.approx((alone + beside) / 2)


def test_intervals_are_about_the_values():
    random = np.random.default_rng(1)
    codes = random.integers(0, 2, 200)
    tables = {}
    for given_ones in sets("abc"):
        sure = random.beta(2 + 2 * len(given_ones), 2, 200)
        tables[given_ones] = np.where(np.eye(2)[codes] == 1, sure[:, None], 1 - sure[:, None])
    found = shapley_intervals(tables, codes, np.arange(200) // 4, draws=300)
    one = paired_bootstrap(
        {"+".join(s): t for s, t in tables.items()}, codes, metric="accuracy", draws=10
    )
    expected = shapley_values({s: one["+".join(s)].value for s in tables})
    assert list(found) == ["a", "b", "c"]
    for name, interval in found.items():
        assert interval.value == pytest.approx(expected[name])
        assert interval.low < interval.value < interval.high
        assert 0 < interval.standard_error < 0.1


def test_bad_input_is_named():
    with pytest.raises(MmgraphError, match="no modality lacks"):
        shapley_values({("a",): 1.0})
    with pytest.raises(MmgraphError, match=r"a \+ c lacks"):
        shapley_values({s: 0.0 for s in sets("abc") if s != ("a", "c")})
    with pytest.raises(MmgraphError, match="13 modalities"):
        shapley_values({tuple("abcdefghijklm"): 1.0})
    with pytest.raises(MmgraphError, match="0 modalities"):
        shapley_interactions({(): 1.0})
    with pytest.raises(MmgraphError, match="the value of a is not finite"):
        shapley_values({(): 0.0, ("a",): np.nan})
