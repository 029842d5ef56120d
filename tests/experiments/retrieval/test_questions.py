"""Figures of queries as columns, and what they come to over folds."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.experiments.retrieval.questions import (
    figures,
    flat,
    found,
    precise,
    stacked,
    unflat,
)


def test_figures_are_means_over_the_queries_of_all_folds():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    first = found(scores, np.eye(3, dtype=bool), np.array([0, 0, 1]))
    second = found(scores[:1, :1], np.eye(1, dtype=bool), np.array([2]))
    row = figures(stacked([first, second]))
    assert row["queries"] == 4
    assert row["recall_at_1"] == 0.5
    assert row["recall_at_1_by_chance"] == pytest.approx((3 / 3 + 1) / 4)
    assert row["recall_at_10"] == 1.0
    assert not any("interval" in name for name in row)


def test_intervals_are_of_whole_groups():
    hit = np.repeat(np.arange(40) % 2, 25).astype(float)
    whole = figures({"group": np.repeat(np.arange(40), 25), "recall_at_1": hit})
    single = figures({"group": np.arange(1000), "recall_at_1": hit})
    assert whole["recall_at_1"] == single["recall_at_1"] == 0.5
    assert whole["recall_at_1_standard_error"] == pytest.approx(0.5 / 40**0.5, rel=0.1)
    assert single["recall_at_1_standard_error"] == pytest.approx(0.5 / 1000**0.5, rel=0.1)


def test_words_without_any_picture_are_not_asked():
    matches = np.array([[True, False], [False, False], [False, True]])
    columns = precise(np.array([[2.0, 1.0]] * 3), matches)
    assert columns["group"].tolist() == [0, 2]
    assert columns["average_precision"].tolist() == [1.0, 0.5]


def test_columns_have_names_that_tell_questions_apart():
    questions = {q: {"group": np.arange(2), "overlap": np.ones(2)} for q in ("b to a", "a")}
    arrays = flat(questions) | {"places": np.zeros(3)}
    assert list(unflat(arrays)) == ["a", "b to a"]
    assert unflat(arrays)["b to a"]["group"].tolist() == [0, 1]


def test_recall_is_told_by_category():
    columns = found(np.eye(40), np.eye(40, dtype=bool), np.arange(40))
    columns["recall_at_10"][:5] = 0
    columns["category"] = np.repeat([0, 2], 20)
    row = figures(columns, ["a", "b", "c"])
    assert row["recall_at_10_by_category"] == {"a": 0.75, "c": 1.0}
    assert "recall_at_10_by_category" not in figures(columns, ["a"])
