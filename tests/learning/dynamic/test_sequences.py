"""Sequences as users give them."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import torch

from mmgraph.graph.errors import EvidenceError
from mmgraph.learning.dynamic.sequences import (
    read_labels,
    read_modalities,
    read_row,
    read_sequences,
)

NAN, INF = np.nan, np.inf


def test_arrays_lists_tensors_and_frames_are_read():
    pandas = pytest.importorskip("pandas")
    rows = np.array([[1.0, NAN], [3, 4]])
    for given in (
        rows,
        torch.from_numpy(rows),
        np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]),
        pandas.DataFrame(rows),
        [rows],
        [[[1, None], [3, 4]]],
        (torch.from_numpy(rows),),
    ):
        read = read_sequences(given)
        assert read.single is not isinstance(given, list | tuple)
        np.testing.assert_array_equal(read.parts[0], rows)
    read = read_sequences([np.arange(3), [[5]], torch.arange(2)])
    assert read.lengths == [3, 1, 2]
    assert [part.shape[1] for part in read.parts] == [1, 1, 1]
    assert read.answer([1, 2]) == [1, 2]
    assert read_sequences(rows).answer([1]) == 1


def test_users_arrays_are_not_shared():
    rows = np.zeros((2, 2))
    read_sequences(rows).parts[0][:] = 1
    assert not rows.any()


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "there are no sequences"),
        ([np.zeros((2, 1)), np.zeros((0, 1))], "sequence 1 has no steps"),
        (np.zeros((0, 3)), "sequence 0 has no steps"),
        ([np.zeros((2, 0))], "sequence 0 is to be"),
        (np.zeros((2, 2, 2)), r"sequence 0 is to be .*, not of shape \(2, 2, 2\)"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "sequence 1 has 3 features, and 2 are expected"),
        ([np.zeros((2, 1)), [[0], [INF]]], "sequence 1, step 1: feature 0 is infinite"),
        ([[[0, -INF]]], "sequence 0, step 0: feature 1 is infinite"),
        ([[["a"]]], "sequence 0 holds 'a', which is no number; numpy"),
        ([[[1, 2], [3]]], "sequence 0 holds rows of different lengths"),
        ([[[1, 2]], [date(2024, 1, 2)]], r"sequence 1 holds datetime\.date\(2024, 1, 2\), which"),
        ([[[1, 2]], [3, 4]], r"1 has 1 features, and 2 are expected; rows .* numpy\.array\(rows\)"),
        ("rows", "not str"),
        ({"rows": np.zeros((2, 2))}, "not dict"),
        (None, "not NoneType"),
    ],
)
def test_bad_sequences_are_named(sequences, message):
    with pytest.raises(EvidenceError, match=message):
        read_sequences(sequences)


def test_modalities_stand_side_by_side_and_may_be_missing():
    a, b = np.ones((2, 2)), np.full((3, 1), 5.0)
    read = read_modalities({"b": [None, b], "a": [a, None]}, {"a": 2, "b": 1})
    np.testing.assert_array_equal(read.parts[0], [[1, 1, NAN]] * 2)
    np.testing.assert_array_equal(read.parts[1], [[NAN, NAN, 5]] * 3)
    assert not read.single
    assert read_modalities({"a": a}, {"a": 2, "b": 1}).single
    read = read_modalities({"a": [a], "b": None}, {"a": 2, "b": 1})
    np.testing.assert_array_equal(read.parts[0], [[1, 1, NAN]] * 2)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ({"aa": np.zeros(2)}, "no modality is called 'aa'; did you mean 'a'"),
        ({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, r"sequence 0: .*\{'a': 2, 'b': 3\}"),
        ({"a": [np.zeros((2, 1))] * 2, "b": [None]}, r"not \{'a': 2, 'b': 1\}"),
        ({"a": None}, "there are no sequences"),
        ({}, "there are no sequences"),
        ({"a": [np.zeros((2, 1)), None], "b": None}, "sequence 1 has no modality at all"),
        ({"a": np.zeros((2, 2))}, "modality 'a': sequence 0 has 2 features, and 1 are expected"),
        ({"b": [[[INF]]]}, "modality 'b': sequence 0, step 0: feature 0 is infinite"),
    ],
)
def test_bad_modalities_are_named(sequences, message):
    with pytest.raises(EvidenceError, match=message):
        read_modalities(sequences, {"a": 1, "b": 1})


def test_errors_of_modalities_count_sequences_as_they_were_given():
    given = {"a": [None, np.zeros((2, 1)), [[INF]]], "b": [np.zeros((1, 1))] * 3}
    with pytest.raises(EvidenceError, match="modality 'a': sequence 2, step 0"):
        read_modalities(given, {"a": 1, "b": 1})


def test_labels_are_read_by_name():
    states = ("walk", "sit", 3)
    read = read_labels([["sit", None, "walk"], np.array([-1, 3])], [3, 2], states)
    assert [part.tolist() for part in read] == [[1, -1, 0], [-1, 2]]
    (single,) = read_labels(np.array(["sit", "walk"]), [2], states)
    assert single.tolist() == [1, 0]
    missing = pd.Series([pd.NA, 1, -1], dtype="Int64")
    assert read_labels(missing, [3], (0, 1))[0].tolist() == [-1, 1, -1]
    read = read_labels([missing, [np.nan, 1.0]], [3, 2], (0, 1))
    assert [part.tolist() for part in read] == [[-1, 1, -1], [-1, 1]]
    (falling,) = read_labels(np.array([-1, 1, np.nan]), [3], (1, 0, -1))
    assert falling.tolist() == [2, 0, -1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1]], "labels for 1 sequences, and 2 of them"),
        ([[0, 1], [0]], "sequence 1 has 2 steps, and its labels are 1"),
        ([[0, 1], [0, 2]], "sequence 1, step 1: variable 'state' has no state 2"),
        ([[0, 1], np.zeros((2, 1))], r"sequence 1: labels are \(length,\), not of shape \(2, 1\)"),
        ([0, 1], r"sequence 0: labels are \(length,\), not of shape \(\)"),
        ("01", "not str"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(EvidenceError, match=message):
        read_labels(labels, [2, 2], (0, 1))


def test_the_nearest_label_is_suggested():
    with pytest.raises(EvidenceError, match="has no state 'wlak'; did you mean 'walk'"):
        read_labels([["wlak"]], [1], ("walk", "sit"))


def test_rows_are_read_like_sequences():
    np.testing.assert_array_equal(read_row([1, None], 2), [1, NAN])
    np.testing.assert_array_equal(read_row([1, -INF], 2, scores=True), [1, -INF])
    for row, message in (
        ([1.0], "2 finite cells, not 1"),
        ([1.0, -INF], "feature 1 of the row is infinite"),
        ("ab", "a row of 2 numbers is needed, not 'ab'"),
    ):
        with pytest.raises(EvidenceError, match=message):
            read_row(row, 2)
    with pytest.raises(EvidenceError, match="feature 0 of the row is infinite"):
        read_row([INF, 0], 2, scores=True)


def test_numbers_one_after_another_are_a_sequence_of_one_feature():
    read = read_sequences([1.0, None, 2])
    assert read.single
    np.testing.assert_array_equal(read.parts[0], [[1.0], [np.nan], [2.0]])
