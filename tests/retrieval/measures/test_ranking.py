"""Ranks and precisions against sorting by hand, and chance against all orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.measures.ranking import (
    average_precisions,
    chance_figures,
    mean_average_precision,
    ranking_figures,
    ranks_against_ties,
)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7))
def test_ranks_and_precisions_are_those_of_the_worst_order(items: list[tuple[int, bool]]):
    assume(any(right for _, right in items))
    scores, matches = (np.array([column]) for column in zip(*items, strict=True))
    ordered = [right for _, right in sorted(items, key=lambda item: (-item[0], item[1]))]
    places = [i + 1 for i, right in enumerate(ordered) if right]
    # wrong items alone count for the rank: right ones before it would not be in its way
    assert ranks_against_ties(scores, matches).tolist() == [places[0]]
    expected = np.mean([hit / place for hit, place in enumerate(places, 1)])
    assert average_precisions(scores, matches)[0] == pytest.approx(expected)


def test_without_ties_precision_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    scores, matches = random.random((5, 40)), random.random((5, 40)) < 0.2
    expected = [average_precision_score(*pair) for pair in zip(matches, scores, strict=True)]
    np.testing.assert_allclose(average_precisions(scores, matches), expected)
    with_empty = np.vstack([matches, np.zeros((1, 40), bool)])
    found = mean_average_precision(np.vstack([scores, scores[:1]]), with_empty)
    assert found == pytest.approx(np.mean(expected))


def test_chance_is_the_mean_over_all_orders():
    matches = np.array([[True, False, True, False, False], [False] * 4 + [True], [False] * 5])
    orders = np.array(list(permutations(range(5))), float)
    ranks, precisions = [], []
    for right in matches[:2]:
        all_alike = np.tile(right, (len(orders), 1))
        ranks.append(ranks_against_ties(orders, all_alike))
        precisions.append(average_precisions(orders, all_alike).mean())
    # a chance rank is the place of the first right item, which wrong ones alone make up
    expected = ranking_figures(np.concatenate(ranks), at=(1, 2, 9))
    found = chance_figures(matches, at=(1, 2, 9))
    assert found.pop("mean_average_precision") == pytest.approx(np.mean(precisions))
    assert found == pytest.approx(expected)


def test_figures_of_ranks():
    assert ranking_figures(np.array([1, 2, 4, 11])) == {
        "recall_at_1": 0.25,
        "recall_at_10": 0.75,
        "median_rank": 3,
        "mean_reciprocal_rank": pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 11) / 4),
    }


@pytest.mark.parametrize(
    ("scores", "matches", "message"),
    [
        (np.zeros((2, 3)), np.eye(3, dtype=bool), r"shape \(2, 3\) and \(3, 3\)"),
        (np.zeros((2, 2)), np.eye(2), "float64"),
        (np.array([[1, 2], [np.nan, 2]]), np.eye(2, dtype=bool), "query 1 is not a number"),
        (np.zeros((2, 2)), np.array([[True, False], [False, False]]), "query 1 has no right item"),
    ],
)
def test_what_cannot_be_ranked_is_named(scores: np.ndarray, matches: np.ndarray, message: str):
    with pytest.raises(MmgraphError, match=message):
        ranks_against_ties(scores, matches)


def test_no_query_has_no_figure():
    with pytest.raises(MmgraphError, match="no query was asked"):
        ranking_figures(np.array([], int))
    for figure in (lambda m: mean_average_precision(np.zeros((2, 2)), m), chance_figures):
        with pytest.raises(MmgraphError, match="no query has any right item"):
            figure(np.zeros((2, 2), bool))
