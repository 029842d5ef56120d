"""Segments found, by cases made by hand."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.prediction.segment_figures import (
    SegmentCounts,
    count_segments,
    jackknife_error,
    macro_f1,
    runs,
)


def test_runs_have_bounds_and_labels():
    begins, ends, labels = runs(np.array([1, 1, -1, -1, 1, 0, 0, 0]))
    assert (begins.tolist(), ends.tolist(), labels.tolist()) == ([0, 4, 5], [2, 5, 8], [1, 1, 0])
    assert [part.tolist() for part in runs(np.zeros(0, int))] == [[], [], []]


@pytest.mark.parametrize(
    ("true", "predicted", "counts"),
    [
        ("000111", "000111", (2, 2, 2)),
        ("000111", "001111", (2, 2, 2)),  # 2/3 and 3/4
        ("000011", "011111", (0, 2, 2)),  # 1/4 and 2/5
        ("0000", "0010", (1, 3, 1)),  # a segment in pieces is matched once, by 2/4
        ("0011", "1100", (0, 2, 2)),
        ("00--11", "000111", (2, 2, 2)),  # steps without a label do not count
        ("00--00", "000000", (2, 2, 2)),  # and part segments on both sides
        ("----", "0011", (0, 0, 0)),
    ],
)
def test_segments_match_by_half_their_overlap(true, predicted, counts):
    codes = [np.array([-1 if c == "-" else int(c) for c in text]) for text in (true, predicted)]
    assert count_segments(*codes) == counts


def test_figures_of_counts():
    assert SegmentCounts(3, 4, 5).f1 == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))
    assert SegmentCounts(0, 0, 0).f1 == 1.0
    confusion = np.array([[8, 2, 0], [1, 4, 0], [0, 0, 0]])
    first, second = 16 / 19, 8 / 11
    assert macro_f1(confusion) == pytest.approx((first + second) / 2)
    assert macro_f1(confusion, [1]) == pytest.approx(second)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=12)
    counts = np.column_stack([values, np.ones(12)])
    error = jackknife_error(counts, lambda total: total[0] / total[1])
    assert error == pytest.approx(values.std(ddof=1) / 12**0.5)
    assert jackknife_error(counts[:1], lambda total: total[0]) is None


def test_labels_of_other_lengths_are_refused():
    with pytest.raises(LearningError, match="3 predicted labels, where there are 4 true"):
        count_segments(np.zeros(4, int), np.zeros(3, int))
