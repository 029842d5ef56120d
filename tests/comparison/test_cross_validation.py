"""Folds: random ones, and whole groups, which are never on both sides."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.comparison.cross_validation import cross_validations
from mmgraph.data.copies import CopiesWarning
from mmgraph.data.groups import Groups
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of, stratified_folds, train_and_test
from mmgraph.graph.errors import MmgraphError


def data(groups: np.ndarray | None, rows: int = 60) -> MultimodalData:
    codes = np.arange(rows) % 3
    named = None if groups is None else Groups("person", groups)
    features = {"sound": np.random.default_rng(0).standard_normal((rows, 3))}
    return MultimodalData.of_numbers(features, codes, mm.Variable("activity", 3), named)


def test_both_splits_of_grouped_data():
    random, grouped = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0)
    assert (random.split, grouped.split) == ("random", "grouped")
    assert (random.groups, grouped.groups) == (None, "person")
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
    assert (random.step(1), grouped.step(1)) == ("fold_1", "fold_1_grouped")
    assert random.fold_name(0) == "fold 1 of 3"
    assert grouped.fold_name(0) == "fold 1 of 3, grouped (person)"
    assert (random.titled("A"), grouped.titled("A")) == ("A, random", "A, grouped (person)")


def test_without_groups_there_is_one_split():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (only,) = cross_validations(data(None), 4, 0)
    assert (only.split, len(only.folds), only.leak) == ("random", 4, None)


def drifting(runs: int = 12, length: int = 15) -> MultimodalData:
    """A signal that drifts while two activities, which it does not tell apart, take turns."""
    codes = np.tile(np.repeat([0, 1], length), runs // 2)
    signal = np.random.default_rng(0).standard_normal((len(codes), 3)).cumsum(0)
    return MultimodalData.of_numbers({"sound": signal}, codes, mm.Variable("activity", 2))


def test_a_leak_adds_blocks_and_is_warned_of_once():
    rows = drifting()
    with pytest.warns(LeakWarning, match=r"test rows the most .* Both splits are repor") as warned:
        random, blocks = cross_validations(rows, 4, 0, 3)
    assert len(warned) == 1
    assert (random.split, blocks.split, blocks.groups) == ("random", "grouped", "block")
    assert (len(random.folds), len(blocks.folds)) == (3, 3)
    assert (random.data.groups, random.leak) == (None, None)
    assert blocks.leak is not None
    assert blocks.leak.figures()["near"] > 3 * blocks.leak.figures()["near_by_chance"]
    np.testing.assert_array_equal(blocks.data.groups.codes, blocks.leak.blocks.codes)
    for train, test in blocks.folds:
        assert not set(blocks.data.groups.codes[train]) & set(blocks.data.groups.codes[test])
        inner = folds_of(blocks.data.rows(train), 3, 0)  # blocks are left out within, too
        assert len(inner) >= 2


def test_groups_that_are_named_need_no_alarm():
    rows = drifting()
    groups = Groups("hour", np.arange(len(rows)) // 36)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, grouped = cross_validations(MultimodalData(rows.blocks, rows.outcome, groups), 5, 0)
    assert (grouped.split, grouped.groups, grouped.leak) == ("grouped", "hour", None)


def test_copies_in_other_groups_are_warned_of():
    rows = data(np.repeat(np.arange(3), 20))
    copied = np.where(np.arange(60) == 45, 5, np.arange(60))
    with pytest.warns(CopiesWarning, match="rows 5 and 45 .* not of one 'person'"):
        cross_validations(MultimodalData(rows.rows(copied).blocks, rows.outcome, rows.groups), 3, 0)


def test_a_limit_holds_for_each_split():
    splits = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0, 4)
    assert [len(split.folds) for split in splits] == [4, 3]
    with pytest.raises(MmgraphError, match="5 folds; 6 cannot be run"):
        cross_validations(data(None), 5, 0, 6)


def test_shares_are_those_of_the_training_rows():
    _, grouped = cross_validations(data(np.repeat(np.arange(3), 20)), 5, 0)
    for (training, test), place in zip(grouped.folds, (0, 20, 40), strict=True):
        expected = np.bincount(grouped.data.codes[training]) / len(training)
        np.testing.assert_allclose(
            grouped.shares[place : place + len(test)], [expected] * len(test)
        )
