"""Folds: random ones, and whole groups, which are never on both sides."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.comparison.cross_validation import cross_validations
from mmgraph.data.groups import Groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of, stratified_folds, train_and_test
from mmgraph.graph.errors import MmgraphError


def data(groups: np.ndarray | None, rows: int = 60) -> MultimodalData:
    codes = np.arange(rows) % 3
    named = None if groups is None else Groups("person", groups)
    features = {"sound": np.arange(rows, dtype=float)[:, None]}
    return MultimodalData.of_numbers(features, codes, mm.Variable("activity", 3), named)


def test_both_splits_of_grouped_data():
    random, grouped = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0)
    assert (random.split, grouped.split) == ("random", "by person")
    assert (len(random.folds), len(grouped.folds)) == (5, 3)
    for (train, test), (expected, held_out) in zip(
        random.folds, train_and_test(stratified_folds(data(None).codes, 5, 0)), strict=True
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
