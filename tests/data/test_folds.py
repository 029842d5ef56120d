"""Every way to split rows: beside scikit-learn, by what must hold of any, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

import mmgraph as mm
from mmgraph.data.copies import CopiesWarning
from mmgraph.data.folds import HOW, SplitWarning
from mmgraph.graph.errors import LearningError, MmgraphError

seeds = st.integers(0, 2**32 - 1)


def data(labels, groups=None, times=None) -> mm.MultimodalData:
    rows = mm.MultimodalData.of(
        {"x": np.random.default_rng(0).standard_normal((len(labels), 2))}, labels, groups=groups
    )
    if times is None:
        return rows
    return mm.MultimodalData(rows.blocks, rows.outcome, rows.groups, times=np.asarray(times, float))


def same(folds, expected) -> None:
    for (training, test), (other_training, other_test) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(training, other_training)
        np.testing.assert_array_equal(test, other_test)


def all_tested_once(folds, rows: int) -> None:
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(rows))


@given(st.integers(5, 40), st.integers(2, 5), seeds)
def test_random_and_stratified_folds_are_those_of_scikit_learn(rows, count, seed):
    codes = np.arange(rows) % 2
    assume(rows // 2 >= count)
    table = np.zeros((rows, 1))
    values = mm.MultimodalData.of({"x": table})
    same(
        mm.folds(values, "random", count, seed),
        KFold(count, shuffle=True, random_state=seed).split(table),
    )
    stratified = StratifiedKFold(count, shuffle=True, random_state=seed).split(table, codes)
    same(mm.folds(data(codes), "auto", count, seed), stratified)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=12, max_size=60),
    st.integers(2, 4),
    seeds,
)
@pytest.mark.filterwarnings("ignore::mmgraph.data.folds.SplitWarning")
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_stratified_grouped_folds_are_those_of_scikit_learn(rows, count, seed):
    groups, codes = np.array(rows).T
    assume(len(np.unique(groups)) >= count)
    assume(np.unique(codes, return_counts=True)[1].max() >= count)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    expected = list(splitter.split(np.zeros((len(rows), 1)), codes, groups))
    assume(all(len(test) for _, test in expected))
    folds = mm.folds(data(codes, groups), "stratified_grouped", count, seed)
    same(folds, expected)
    all_tested_once(folds, len(rows))
    for training, test in folds:
        assert not set(groups[training]) & set(groups[test])


def test_stratified_grouped_folds_spread_the_states():
    groups = np.repeat(np.arange(20), 10)
    codes = (np.arange(20) < 10).astype(int).repeat(10)  # a person has one state
    for _, test in mm.folds(data(codes, groups), "stratified_grouped", 5):
        np.testing.assert_array_equal(np.bincount(codes[test]), [20, 20])


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=40), st.integers(2, 6))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_groups_are_left_out_one_by_one_or_together(groups, count):
    groups = np.array(groups)
    different = len(set(groups.tolist()))
    assume(different > 1)
    rows = data(np.arange(len(groups)) % 2, groups)
    single = mm.folds(rows, "leave_one_group_out")
    expected = LeaveOneGroupOut().split(np.zeros((len(groups), 1)), groups=rows.groups.codes)
    same(single, expected)
    same(mm.folds(rows, count=count), mm.folds(rows, "grouped", count))
    assert len(mm.folds(rows, count=count)) == min(count, different)


def test_repeats_are_the_folds_of_the_next_seeds():
    rows = data([0, 1] * 10)
    twice = mm.folds(rows, "stratified", 5, 7, repeats=2)
    same(twice, mm.folds(rows, count=5, seed=7) + mm.folds(rows, count=5, seed=8))
    grouped = data([0, 1] * 10, np.arange(20) // 2)
    assert len(mm.folds(grouped, "stratified_grouped", 5, repeats=3)) == 15


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=12, max_size=60), st.integers(2, 6), seeds)
@pytest.mark.filterwarnings("ignore::mmgraph.data.folds.SplitWarning")
def test_whole_groups_are_dealt_by_the_seed(groups, count, seed):
    groups = np.array(groups)
    names, sizes = np.unique(groups, return_counts=True)
    assume(len(names) > 1)
    rows = data(np.arange(len(groups)) % 2, groups)
    folds = mm.folds(rows, "grouped", count, seed)
    same(folds, mm.folds(rows, "grouped", count, seed))
    all_tested_once(folds, len(rows))
    tested = [len(test) for _, test in folds]
    assert len(tested) == min(count, len(names))
    if len(names) > count:
        assert max(tested) - min(tested) <= sizes.max()
    else:  # each group is a fold
        same(folds, mm.folds(rows, "grouped", count, 0))
    for training, test in folds:
        assert not set(groups[training]) & set(groups[test])


def test_another_seed_and_repeats_deal_groups_anew():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), random.integers(5, 15, 30))
    rows = data(np.arange(len(groups)) % 2, groups)
    deals = [mm.folds(rows, "grouped", 5, seed) for seed in range(4)]
    assert len({tuple(test) for folds in deals for _, test in folds}) == 20
    for folds in deals:
        assert np.ptp([len(test) for _, test in folds]) <= 5
    same(mm.folds(rows, "grouped", 5, 2, repeats=2), deals[2] + deals[3])
    # Inner folds as outer ones.
    inner = [mm.nested_folds(rows, "grouped", 5, 3, seed)[0].inner for seed in (0, 1)]
    assert len({tuple(test) for folds in inner for _, test in folds}) == 6


@given(st.integers(6, 60), st.integers(2, 5), st.integers(0, 4))
def test_folds_in_time_are_those_of_scikit_learn(rows, count, gap):
    each = rows // (count + 1)
    assume(rows - count * each - gap > 0 and each)
    expected = list(TimeSeriesSplit(count, gap=gap).split(np.zeros((rows, 1))))
    values = mm.MultimodalData.of({"x": np.zeros((rows, 1))})
    same(mm.folds(values, "time", count, gap=gap), expected)
    # By times, in any order of the rows.
    order = np.random.default_rng(rows).permutation(rows)
    shuffled = mm.MultimodalData(values.blocks, times=np.arange(rows)[order].astype(float))
    for (training, test), (other, held) in zip(
        mm.folds(shuffled, "time", count, gap=gap), expected, strict=True
    ):
        np.testing.assert_array_equal(np.sort(order[training]), other)
        np.testing.assert_array_equal(np.sort(order[test]), held)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=12, max_size=60),
    st.integers(2, 4),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.booleans(),
)
@pytest.mark.filterwarnings("ignore::mmgraph.data.folds.SplitWarning")
def test_blocks_keep_their_distance(times, count, gap, timed):
    rows = data(np.arange(len(times)) % 2, times=times if timed else None)
    places = np.array(times) if timed else np.arange(len(times))
    refused, folds = "", []
    try:
        folds = mm.folds(rows, "blocks", count, gap=gap)
    except MmgraphError as error:
        refused = str(error)
    if refused:
        assert timed
        assert "no training row that is farther than" in refused
        return
    all_tested_once(folds, len(times))
    assert 2 <= len(folds) <= count
    for training, test in folds:
        distance = abs(places[:, None] - places[test]).min(1)
        np.testing.assert_array_equal(training, np.flatnonzero(distance > gap))


def test_blocks_of_recordings_hold_every_state():
    codes = np.tile(np.repeat([0, 1, 2], 20), 3)
    folds = mm.folds(data(codes), "blocks")
    assert [test.tolist() for _, test in folds] == [
        list(range(start, start + 60)) for start in (0, 60, 120)
    ]
    numbers = mm.MultimodalData.of({"x": np.zeros((10, 1))}, np.arange(10) + 0.5)
    assert [len(test) for _, test in mm.folds(numbers, "blocks", 3)] == [4, 3, 3]


def test_rows_of_one_time_are_on_one_side():
    times = [0, 0, 1, 1, 1, 1, 2, 2, 3]
    rows = mm.MultimodalData(data([0] * 9).blocks, times=np.array(times, float))
    folds = mm.folds(rows, "time", 2)
    assert [(len(training), test.tolist()) for training, test in folds] == [
        (2, [2, 3, 4, 5]),
        (6, [6, 7, 8]),
    ]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=30, max_size=60), st.sampled_from(HOW), seeds)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_inner_folds_lie_in_training_rows_and_honour_what_outer_ones_do(groups, how, seed):
    groups = np.array(groups)
    assume(len(set(groups.tolist())) > 3)
    by_group = "group" in how
    rows = data(np.arange(len(groups)) % 2, groups if by_group else None)
    nested = mm.nested_folds(rows, how, 3, 2, seed)
    outer = mm.folds(rows, how, 3, seed)
    same([(fold.training, fold.test) for fold in nested], outer)
    for training, test, inner in nested:
        assert len(inner) >= 2
        for fitted, held in inner:
            assert set(fitted) | set(held) <= set(training)
            assert not set(fitted) & set(held)
            if by_group:
                assert not set(groups[fitted]) & set(groups[held])
                assert not set(groups[fitted]) & set(groups[test])
            if how == "time":
                assert fitted.max() < held.min()


def test_a_gap_holds_across_rows_that_are_cut_out():
    codes = np.tile(np.repeat([0, 1], 10), 4)
    for training, test, inner in mm.nested_folds(data(codes), "blocks", 4, 3, gap=2):
        assert abs(training[:, None] - test).min() == 3
        for fitted, held in inner:
            assert abs(fitted[:, None] - held).min() >= 3


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (data([0, 1] * 6), {"how": "startified"}, "did you mean 'stratified'"),
        (data([0, 1] * 6), {"count": 1}, "at least two folds, not 1"),
        (data(list("aaaaaabb")), {}, "the state 'b' of the target 'target' has 2 rows, fewer"),
        (data([0.5, 1.5, 2.5]), {}, "3 rows are fewer than 5 folds"),
        (data([0.5, 1.5] * 6), {"how": "stratified"}, "'target' of the data has no states"),
        (data([0, 1] * 6), {"how": "grouped"}, "the data have no groups"),
        (data([0, 1] * 6, ["a"] * 12), {}, "all 12 rows are of one group"),
        (data([0, 1] * 6, ["a"] * 12), {"how": "leave_one_group_out"}, "of one group"),
        (data([0, 1] * 6, list("abc") * 4), {"how": "blocks"}, "on both sides; data.without_gro"),
        (data([0, 1] * 6), {"repeats": 0}, "once or more"),
        (data([0, 1] * 6), {"how": "blocks", "repeats": 2}, "need a seed"),
        (data([0, 1] * 6), {"gap": 1}, "is of 'blocks' and 'time' alone"),
        (data([0, 1] * 6), {"how": "time", "gap": -1}, "at least zero"),
        (data([0, 1] * 6), {"how": "time", "gap": np.nan}, "at least zero"),
        (data([0, 1] * 6), {"how": "time", "gap": 9}, "fold 1 of 5 has no training row"),
        (data([0, 1] * 2), {"how": "time"}, "4 rows are too few for 5 folds in time"),
        (data([0, 1] * 6, times=[1] * 12), {"how": "time"}, "rows of one time are too many"),
        (data([0, 1] * 3, times=[1, 2, np.nan, 4, 5, 6]), {"how": "time"}, "row 2 of the data has"),
        (data([0]), {"how": "blocks"}, "1 rows are too few for two blocks"),
    ],
)
def test_what_cannot_be_split_is_refused(rows, options, message):
    with pytest.raises(MmgraphError, match=message):
        mm.folds(rows, **options)


def test_a_row_without_its_label_is_refused():
    with pytest.raises(LearningError, match="row 3 of the data has no 'target'"):
        mm.folds(data(["a", "b", "a", None, "b"] * 2), count=2)


def test_a_group_a_row_is_warned_of():
    with pytest.warns(SplitWarning, match="each of the 12 rows is a 'group' of its own"):
        mm.folds(data([0, 1] * 6, range(12)))


def test_a_state_that_no_training_row_has_is_warned_of():
    rows = data(list("aabbaacc"), [0, 0, 1, 1, 0, 0, 2, 2])
    with pytest.warns(
        SplitWarning, match="fold 1 of 3 has 4 test rows of the state 'a' of 'target'"
    ):
        mm.folds(rows, count=3)


def repeated(values, groups, **more) -> mm.MultimodalData:
    return mm.MultimodalData.of({"x": values, **more}, groups=groups)


def test_copies_in_different_groups_are_warned_of():
    values = np.random.default_rng(0).standard_normal((40, 3))
    groups = np.arange(40) // 10
    values[7, 1] = np.nan
    values[25] = values[7]
    with pytest.warns(CopiesWarning, match="rows 7 and 25 are equal in all numbers, .* 'group':"):
        mm.folds(repeated(values, groups))
    values[3, 0], values[39], values[39, 0] = 0.0, values[3], -0.0
    with pytest.warns(CopiesWarning, match="'group'; 2 rows have such a copy: folds"):
        mm.folds(repeated(values, groups), "leave_one_group_out")
    images = np.stack([values, values], axis=1)
    with pytest.warns(CopiesWarning, match="rows 7 and 25"):
        mm.folds(repeated(images, groups))


def test_a_single_copy_among_few_columns_is_no_chance():
    values = np.random.default_rng(0).standard_normal((40, 2))
    values[25] = values[7]
    with pytest.warns(CopiesWarning, match="rows 7 and 25"):
        mm.folds(repeated(values, np.arange(40) // 10))


def test_images_are_compared_in_every_number():
    images = np.random.default_rng(0).random((40, 30, 30, 3))
    groups = np.arange(40) // 10
    images[25] = images[7]
    images[25, 0, 0, 1] += 1  # which is none of those compared first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.folds(repeated(images, groups))
    images[25] = images[7]
    with pytest.warns(CopiesWarning, match="rows 7 and 25 are equal in all numbers"):
        mm.folds(repeated(images, groups))


def test_rows_that_are_no_copies():
    random = np.random.default_rng(0)
    values = random.standard_normal((40, 3))
    groups = np.arange(40) // 10
    values[5] = values[7]  # of one group
    values[12], values[25] = np.nan, np.nan  # nothing is there
    few = random.integers(0, 2, (40, 3)).astype(float)  # equal by chance
    noted = repeated(np.zeros((40, 1)), groups, note=[f"note {i}" for i in range(40)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (repeated(values, groups), repeated(few, groups), noted):
            assert len(mm.folds(rows)) == 4
