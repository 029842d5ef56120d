"""Folds: random ones, and whole groups, which are never on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.comparison.cross_validation import (
    cross_validations,
    folds_of,
    group_folds,
    stratified_folds,
)
from mmgraph.data.multimodal_data import Groups, MultimodalData
from mmgraph.graph.errors import MmgraphError


def data(groups: np.ndarray | None, rows: int = 60) -> MultimodalData:
    codes = np.arange(rows) % 3
    named = None if groups is None else Groups("person", groups)
    features = {"sound": np.arange(rows, dtype=float)[:, None]}
    return MultimodalData(features, codes, mm.Variable("activity", 3), named)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=80), st.integers(2, 12))
def test_groups_are_never_on_both_sides(groups: list[int], count: int):
    codes = np.array(groups)
    different = len(set(groups))
    if different < 2:
        with pytest.raises(MmgraphError, match="of one group"):
            group_folds(codes, count)
        return
    folds = group_folds(codes, count)
    assert len(folds) == min(count, different)
    for train, test in folds:
        assert len(test)
        assert not set(codes[train]) & set(codes[test])
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(codes)))
    everything = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(codes)))


def test_no_more_folds_than_groups_leaves_one_group_out():
    groups = np.repeat([2, 0, 1], [10, 30, 20])
    tests = {int(groups[test[0]]): len(test) for _, test in group_folds(groups, 5)}
    assert tests == {2: 10, 0: 30, 1: 20}


def test_both_splits_of_grouped_data():
    random, grouped = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0)
    assert (random.split, grouped.split) == ("random", "by person")
    assert (len(random.folds), len(grouped.folds)) == (5, 3)
    for (train, test), (expected, held_out) in zip(
        random.folds, stratified_folds(data(None).codes, 5, 0), strict=True
    ):
        np.testing.assert_array_equal(train, expected)
        np.testing.assert_array_equal(test, held_out)
    # Within the training rows of either split it goes on in the same way.
    assert random.data.groups is None
    train = grouped.data.rows(grouped.folds[0][0])
    assert train.groups is not None
    inner = folds_of(train, 5, 0)
    assert len(inner) == 2
    for fit, held in inner:
        assert not set(train.groups.codes[fit]) & set(train.groups.codes[held])
    assert grouped.tested.tolist() == [r for _, test in grouped.folds for r in test]


def test_names_of_files_and_folds_tell_the_splits_apart():
    random, grouped = cross_validations(data(np.repeat(np.arange(3), 20)), 3, 0)
    assert (random.step(1), grouped.step(1)) == ("fold_1", "fold_1_by_person")
    assert (random.fold_name(0), grouped.fold_name(0)) == ("fold 1 of 3", "fold 1 of 3 by person")
    assert (random.titled("A"), grouped.titled("A")) == ("A", "A, split by person")


def test_without_groups_there_is_one_split():
    (only,) = cross_validations(data(None), 4, 0)
    assert (only.split, len(only.folds)) == ("random", 4)


def test_a_limit_holds_for_each_split():
    splits = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0, 4)
    assert [len(split.folds) for split in splits] == [4, 3]
    with pytest.raises(MmgraphError, match="5 folds; 6 cannot be run"):
        cross_validations(data(None), 5, 0, 6)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(MmgraphError, match="at least two folds, not 1"):
        stratified_folds(data(None).codes, 1, 0)
    with pytest.raises(MmgraphError, match="at least two folds, not 1"):
        group_folds(np.arange(6), 1)
    with pytest.raises(MmgraphError, match="a state of the target has 20 rows, fewer than 21"):
        stratified_folds(data(None).codes, 21, 0)
