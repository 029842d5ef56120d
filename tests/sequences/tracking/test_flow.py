"""The flow beside an enumeration of all associations, and the bound of windows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.sequences.tracking.flow import FlowProblem, cheapest_flow


def problem(seed: int, count: int) -> FlowProblem:
    random = np.random.default_rng(seed)
    starts = np.sort(random.integers(0, 12, count))
    tails, heads = np.nonzero(starts[:, None] < starts[None])
    some = random.random(len(tails)) < 0.6
    tails, heads = tails[some], heads[some]
    costs = random.normal(-0.5, 2, count)
    ends = random.uniform(0, 2, (2, count))
    return FlowProblem(starts, costs, *ends, tails, heads, random.normal(0, 2, len(tails)))


def cheapest_by_enumeration(p: FlowProblem) -> float:
    best = 0.0
    for links in itertools.product([False, True], repeat=len(p.tails)):
        chosen = np.array(links, bool)
        tails, heads = p.tails[chosen], p.heads[chosen]
        if len(set(tails)) < len(tails) or len(set(heads)) < len(heads):
            continue
        begins, ends = np.ones(len(p.costs), bool), np.ones(len(p.costs), bool)
        begins[heads], ends[tails] = False, False
        each = p.costs + p.entries * begins + p.exits * ends
        linked = ~(begins & ends)
        best = min(
            best, p.link_costs[chosen].sum() + np.where(linked, each, np.minimum(each, 0)).sum()
        )
    return best


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([None, 3, 6]))
def test_the_flow_is_the_cheapest_association_or_says_how_far_it_may_be(seed, count, window):
    p = problem(seed, count)
    flow, best = cheapest_flow(p, window), cheapest_by_enumeration(p)
    assert flow.bound <= best + 1e-9 <= flow.cost + 2e-9
    if window is None:
        assert flow.cost == pytest.approx(best, abs=1e-9)
        assert flow.bound == pytest.approx(best, abs=1e-9)
    followed = flow.successors[flow.successors >= 0]
    assert len(set(followed)) == len(followed)
    assert flow.exists[followed].all()


def test_windows_that_hold_everything_are_the_whole():
    p = problem(1, 30)
    whole = cheapest_flow(p)
    assert cheapest_flow(p, 40).cost == pytest.approx(whole.cost, abs=1e-9)
    cut = cheapest_flow(p, 4)
    assert whole.cost - 1e-9 <= cut.cost
    assert cut.bound <= whole.cost + 1e-9


def test_no_pieces_have_no_flow():
    none = np.zeros(0)
    empty = none.astype(np.int64)
    flow = cheapest_flow(FlowProblem(empty, none, none, none, empty, empty, none), 5)
    assert (flow.cost, flow.bound, len(flow.exists)) == (0, 0, 0)
