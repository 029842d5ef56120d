"""Every claim in words follows from made-up numbers, and what is unsure is said to be."""

from dataclasses import replace

import numpy as np
import pytest

from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.results import Condition
from tests.comparison.report import made_up


def words(*found, rows=None, **about):
    rows = rows or made_up.split_rows()
    made = [one(rows) for one in found]
    return " ".join(ComparisonReport(made_up.about(**about), (rows,), tuple(made)).words())


def model(name, share, given=made_up.MODALITIES, condition=made_up.PLAIN, **others):
    return lambda rows: made_up.answers(name, share, rows, given, condition, **others)


def test_it_is_said_where_graphical_models_lose_and_where_they_win():
    lost = words(model("network", 0.7), model("late_fusion", 0.9))
    assert "Graphical models against deep models (network and late_fusion" in lost
    assert "graphical models lose in log-loss, 0.819 against 0.394, by 0.4" in lost
    assert "graphical models lose in accuracy, 0.700 against 0.900, by 0.2" in lost
    assert "late_fusion has the lowest log-loss, 0.394" in lost
    assert "Worse by log-loss is network." in lost
    won = words(model("network", 0.9), model("late_fusion", 0.7))
    assert "graphical models do better in log-loss, 0.394 against 0.819" in won
    assert "lose" not in won


def test_what_cannot_be_told_apart_is_said_so_with_its_interval():
    text = words(model("network", 0.8), model("late_fusion", 0.805))
    assert "graphical models cannot be told apart in log-loss" in text
    assert "graphical models cannot be told apart in accuracy" in text
    assert "network cannot be told apart from late_fusion by log-loss." in text
    for wrong in ("lose", "do better", "Worse"):
        assert wrong not in text
    assert "differing by 0.005 (-0." in text


def test_equal_answers_make_no_difference_in_practice():
    rows = made_up.split_rows()
    one = made_up.answers("network", 0.8, rows)
    other = replace(one, model="late_fusion", family="deep")
    text = " ".join(ComparisonReport(made_up.about(), (rows,), (one, other)).words())
    assert "with probability 1.00 that makes no difference in practice" in text


def test_the_best_of_families_is_chosen_anew_where_modalities_are_missing():
    text = words(
        model("network", 0.9),
        model("late_fusion", 0.7),
        model("network", 0.6, ("sound",)),
        model("late_fusion", 0.8, ("sound",)),
    )
    assert "graphical models do better in log-loss" in text
    assert "By log-loss graphical models lose given only sound (network and late_fusion, by" in text


@pytest.mark.parametrize(
    ("whole", "part", "condition", "said"),
    [
        (
            0.7,
            0.8,
            "none",
            "Fusion loses to its best part (which, and by how much log-loss): network (sound, by",
        ),
        (0.7, 0.8, "refitted", "network (sound when fitted to it alone, by"),
        (0.8, 0.8, "none", "Fusion and its best part cannot be told apart"),
        (0.9, 0.7, "none", "Fusion is better than its best part: network (sound, by"),
    ],
)
def test_fusion_is_held_against_its_best_part(whole, part, condition, said):
    text = words(
        model("network", whole),
        model("network", part, ("sound",), Condition(condition)),
        model("network", 0.5, ("movement",)),
    )
    assert said in text
    assert text.count("Fusion loses") + text.count("Fusion and its") + text.count("Fusion is") == 1


def test_one_fit_is_held_against_models_fitted_to_parts():
    text = words(
        model("network", 0.9),
        model("network", 0.6, ("sound",)),
        model("network", 0.8, ("sound",), Condition("refitted")),
        model("network", 0.7, ("movement",)),
        model("network", 0.7, ("movement",), Condition("refitted")),
    )
    assert "in 1 of 2 cases, better in 0, and cannot be told apart in 1." in text
    assert "Most is lost by network given sound, by" in text


def test_noise_few_labels_and_calibration_are_told_at_their_worst():
    rows = made_up.split_rows()
    text = words(
        lambda rows: made_up.prior(rows)[0],
        model("network", 0.9),
        model("late_fusion", 0.9, sure=0.99),
        model("network", 0.7, condition=Condition("noise", "sound", 2.0)),
        model("late_fusion", 0.3, condition=Condition("noise", "sound", 2.0), sure=0.99),
        model("network", 0.8, condition=Condition("rows", "sound", 0.5)),
        model("network", 0.5, condition=Condition("labels", "", 0.01)),
        model("late_fusion", 0.5, condition=Condition("labels", "", 0.01)),
        rows=rows,
    )
    assert (
        "noise of 2 standard deviations in sound, network has the lowest log-loss, 0.819." in text
    )
    assert "Worse there than the shares of the classes alone: late_fusion." in text
    assert "With sound missing in 50% of the rows, network has" in text
    assert "Fitted to 1% of the training rows" in text
    assert "larger than chance makes it in 95 of 100 cases for late_fusion (0.090" in text
    assert "No miscalibration is shown for network" in text


@pytest.mark.parametrize(("groups", "shown"), [(0, True), (4, False), (40, True)])
def test_miscalibration_of_groups_must_be_that_of_more_than_a_few_of_them(groups, shown):
    rows = made_up.split_rows(groups=groups)
    one = made_up.answers("network", 0.9, rows, sure=0.9)
    told = one.probabilities.argmax(1)
    # A quarter of the rows is wrong more often than it says: one group of four, or ten of forty.
    off = (np.arange(400) % 4 == 0) & (np.arange(400) % 3 > 0)
    codes = np.where(off, (told + 1) % 3, rows.codes)
    text = " ".join(
        ComparisonReport(made_up.about(), (replace(rows, codes=codes),), (one,)).words()
    )
    assert ("larger than chance" in text) == shown
    assert ("Student's t of its standard error over groups" in text) == (shown and groups > 0)
    assert ("if rows are independent" in text) == (shown and not groups)
    assert ("No miscalibration is shown for network" in text) != shown


def test_few_groups_are_warned_of():
    rows = made_up.split_rows(groups=3, split="grouped")
    text = words(model("network", 0.8), model("late_fusion", 0.9), rows=rows, groups="person")
    assert "whole groups (person: 3) left out, 400 rows tested" in text
    assert "With 3 groups, intervals over groups are too narrow" in text


def test_nothing_is_claimed_of_models_that_failed_in_a_fold():
    text = words(
        model("network", 0.9, failed_folds=1, costs={"train_seconds": 1.0}),
        model("network", 0.9, ("sound",), failed_folds=1),
        model("late_fusion", 0.7, costs={"train_seconds": 3.0}),
        model("joint_fusion", 0.6, costs={"train_seconds": 2.0}),
    )
    assert "late_fusion has the lowest log-loss" in text
    assert "network" not in text


def test_the_front_is_of_differences_that_are_shown_and_without_the_prior():
    text = words(
        lambda rows: replace(made_up.prior(rows)[0], costs={"train_seconds": 0.1}),
        model("network", 0.8, costs={"train_seconds": 1.0}),
        model("hybrid", 0.799, costs={"train_seconds": 2.0}),
        model("late_fusion", 0.6, costs={"train_seconds": 3.0}),
    )
    assert "better by log-loss than any of these: network and hybrid." in text


def test_intervals_leave_no_possible_range():
    rows = made_up.split_rows(40)
    text = words(model("network", 0.96), rows=rows)
    assert "its accuracy is 0.975 (0.925 to 1.000)" in text


def test_costs_name_the_quickest_and_the_front():
    text = words(
        model("network", 0.8, costs={"train_seconds": 1.0}),
        model("late_fusion", 0.9, costs={"train_seconds": 20.0}),
        model("hybrid", 0.7, costs={"train_seconds": 30.0}),
    )
    assert "A fit takes late_fusion 20 s of CPU time, and network, the quickest, 1 s." in text
    assert "better by log-loss than any of these: network and late_fusion." in text
    best = words(
        model("network", 0.9, costs={"train_seconds": 1.0}),
        model("hybrid", 0.7, costs={"train_seconds": 30.0}),
    )
    assert "network, the best, is also the quickest to fit: 1 s." in best
    assert "better by log-loss than this: network." in best
