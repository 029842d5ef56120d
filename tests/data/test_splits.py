"""Splits of rows: stratified folds as scikit-learn has them, and whole groups on one side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from mmgraph.data.groups import Groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of, stratified_folds
from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.variable import Variable


def data(groups: np.ndarray | None, rows: int = 60) -> MultimodalData:
    codes = np.arange(rows) % 3
    named = None if groups is None else Groups("person", groups)
    features = {"sound": np.arange(rows, dtype=float)[:, None]}
    return MultimodalData.of_numbers(features, codes, Variable("activity", 3), named)


@given(
    st.lists(st.integers(0, 14), min_size=1, max_size=4),
    st.integers(2, 6),
    st.integers(0, 2**32 - 1),
)
def test_stratified_folds_are_those_of_scikit_learn(more: list[int], count: int, seed: int):
    codes = np.repeat(np.arange(len(more)), np.array(more) + count)
    codes = np.random.default_rng(seed).permutation(codes)
    fold = stratified_folds(codes, count, seed)
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(splitter.split(codes[:, None], codes)):
        np.testing.assert_array_equal(np.flatnonzero(fold == number), test)


def test_few_rows_of_a_state_lie_in_different_folds():
    codes = np.array([0] * 7 + [1] * 2 + [2])
    fold = stratified_folds(codes, 3, 0)
    assert sorted(np.bincount(fold[:7])) == [2, 2, 3]
    assert len(set(fold[7:9])) == 2


@given(st.lists(st.integers(0, 9), min_size=2, max_size=80), st.integers(2, 12))
def test_groups_are_never_on_both_sides(groups: list[int], count: int):
    codes = np.array(groups)
    different = len(set(groups))
    assume(different > 1)
    folds = folds_of(data(codes, len(codes)), count, 0)
    assert len(folds) == min(count, different)
    for train, test in folds:
        assert len(test)
        assert not set(codes[train]) & set(codes[test])
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(codes)))
    everything = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(codes)))


def test_no_more_folds_than_groups_leaves_one_group_out():
    groups = np.repeat([2, 0, 1], [10, 30, 20])
    tests = {int(groups[test[0]]): len(test) for _, test in folds_of(data(groups), 5, 0)}
    assert tests == {2: 10, 0: 30, 1: 20}


def test_what_cannot_be_split_is_refused():
    with pytest.raises(MmgraphError, match="at least two folds, not 1"):
        folds_of(data(None), 1, 0)
    with pytest.raises(MmgraphError, match="at least two folds, not 1"):
        folds_of(data(np.arange(6), 6), 1, 0)
    with pytest.raises(
        MmgraphError, match="the state 0 of the target 'activity' has 20 rows, fewer than 21"
    ):
        folds_of(data(None), 21, 0)
    with pytest.raises(MmgraphError, match="all 7 rows are of one group"):
        folds_of(data(np.zeros(7, int), 7), 3, 0)
