"""What a comparison's report says of made-up answers: figures, differences, what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.report.page_tables import recording_table
from mmgraph.comparison.results import Condition
from mmgraph.comparison.statistics.paired_bootstrap import paired_bootstrap
from mmgraph.graph.errors import MmgraphError
from tests.comparison.report import made_up

ALL = ", ".join(made_up.MODALITIES)


@cache
def report(groups: int = 0) -> ComparisonReport:
    split = "grouped" if groups else "random"
    rows, found = made_up.full(split, groups)
    return ComparisonReport(made_up.about(), (rows,), tuple(found))


def test_rows_have_figures_of_each_condition_and_costs_of_the_plain_one():
    lines = report().rows()
    (plain,) = [
        r
        for r in lines
        if (r["model"], r["given"], r["condition"]) == ("hybrid", ["sound", "movement"], "none")
    ]
    assert plain["family"] == "hybrid"
    assert plain["accuracy"] == pytest.approx(0.91, abs=0.02)
    assert plain["accuracy_standard_error"] == pytest.approx(np.sqrt(0.91 * 0.09 / 400), rel=0.1)
    assert plain["train_seconds"] == 100
    assert plain["parameters"] is None
    noisy = [r for r in lines if r["condition"] == "noise" and r["model"] == "hybrid"]
    assert [(r["modality"], r["level"]) for r in noisy[:2]] == [("sound", 0.5), ("sound", 1.0)]
    assert noisy[2]["accuracy"] < noisy[0]["accuracy"]
    assert noisy[0]["train_seconds"] is None
    frame = report().to_frame()
    assert len(frame) == len(lines)
    assert set(frame["given"]) == {ALL, "sound", "movement", ""}


@pytest.mark.parametrize("groups", [0, 40])
def test_differences_are_paired_and_signed(groups):
    pairs = report(groups).differences("network", "late_fusion")
    assert len(pairs) == 2 * 3  # metrics by sets of modalities
    line = pairs[(pairs.metric == "accuracy") & (pairs.given == ALL)].iloc[0]
    assert line.low < line.difference < line.high < 0
    assert line.difference == pytest.approx(-0.1, abs=0.03)
    assert line.verdict == "late_fusion is better"
    assert line.better + line.equivalent + line.worse == pytest.approx(1)
    other = report(groups).differences("late_fusion", "network")
    turned = other[(other.metric == "accuracy") & (other.given == ALL)].iloc[0]
    assert turned.difference == -line.difference
    assert turned.worse == pytest.approx(line.better)
    assert turned.p_value == pytest.approx(line.p_value)


def test_rows_of_all_conditions_have_the_same_keys():
    lines = report().rows()
    assert len({tuple(line) for line in lines}) == 1
    for line in lines:
        assert isinstance(line["debiased_calibration_error"], float)
    rows, found = made_up.full()
    failed = replace(found[4], failed_folds=2, costs={"train_seconds": 3.0})
    made = ComparisonReport(made_up.about(), (rows,), (failed,)).rows()
    assert (made[0]["failed_folds"], made[0]["train_seconds"]) == (2, 3.0)


def test_recordings_are_pooled_from_their_windows():
    rows = made_up.split_rows(groups=40)
    rows = replace(rows, codes=rows.groups % 3, recordings=rows.groups)
    one = made_up.answers("network", 0.7, rows)
    made = ComparisonReport(made_up.about(), (rows,), (one,))
    windows, pooled = made.rows()
    assert (windows["unit"], pooled["unit"]) == ("rows", "recordings")
    assert list(windows) == list(pooled)
    right = []
    for recording in range(40):
        means = np.log(one.probabilities[rows.groups == recording]).mean(0)
        right.append(means.argmax() == recording % 3)
    assert pooled["accuracy"] == pytest.approx(np.mean(right))
    assert pooled["accuracy"] > windows["accuracy"]
    (line,) = recording_table(made, "random").rows
    assert line[2].text.startswith(f"{np.mean(right):.3f} ±")


def test_what_differs_by_chance_alone_cannot_be_told_apart():
    rows = made_up.split_rows()
    a, b = made_up.answers("a", 0.8, rows), made_up.answers("b", 0.8, rows)
    pairs = ComparisonReport(made_up.about(), (rows,), (a, b)).differences("a", "b")
    assert set(pairs.verdict) == {"cannot be told apart"}
    same = replace(a, model="c")
    pairs = ComparisonReport(made_up.about(), (rows,), (a, same)).differences("a", "c")
    assert set(pairs.difference) == {0.0}
    assert set(pairs.equivalent) == {1.0}


def test_few_groups_say_nothing_unless_folds_agree():
    rows = made_up.split_rows(groups=3)
    a, b = made_up.answers("a", 0.7, rows), made_up.answers("b", 0.8, rows)
    sure = ComparisonReport(made_up.about(), (rows,), (a, b)).differences("a", "b")
    turn = rows.groups == 0
    table = np.where(turn[:, None], b.probabilities, a.probabilities)
    unsure = ComparisonReport(
        made_up.about(), (rows,), (a, replace(b, probabilities=table))
    ).differences("a", "b")
    assert "cannot be told apart" in set(unsure.verdict)
    assert set(sure.verdict) == {"b is better"}
    assert sure.p_value.max() < unsure.p_value.min()


def test_folds_that_agree_perfectly_are_evidence():
    rows = made_up.split_rows(groups=3)
    table = np.full((len(rows.codes), 3), 0.25)
    table[np.arange(len(rows.codes)), rows.codes] = 0.5
    a = replace(made_up.answers("a", 0.7, rows), probabilities=np.full(table.shape, 1 / 3))
    b = replace(a, model="b", probabilities=table)
    pairs = ComparisonReport(made_up.about(), (rows,), (a, b)).differences("a", "b")
    (line,) = pairs[pairs.metric == "log_loss"].to_dict("records")
    assert line["p_value"] == pytest.approx(0, abs=1e-12)
    assert line["verdict"] == "b is better"


def test_the_short_table_has_the_best_first():
    lines = repr(report()).splitlines()
    assert lines[0] == "Made up, random, sound + movement:"
    assert [line.split()[0] for line in lines[2:4]] == ["hybrid", "late_fusion"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows, found: ((rows,), ()), "no model has answered: machine: the loss"),
        (lambda rows, found: ((rows,), (*found, found[0])), "answers twice"),
        (
            lambda rows, found: ((rows,), (replace(found[0], probabilities=np.ones((2, 3))),)),
            r"'prior' answers an array of shape \(2, 3\).*\(400, 3\)",
        ),
        (lambda rows, found: ((replace(rows, split="grouped"),), tuple(found)), "split 'random'"),
    ],
)
def test_what_is_no_comparison_is_refused(change, message):
    tested, answers = change(*made_up.full())
    with pytest.raises(MmgraphError, match=message):
        ComparisonReport(made_up.about(), tested, answers, (made_up.failure(),))


def test_models_that_are_not_there_are_named():
    with pytest.raises(MmgraphError, match=r"'netwrk'; did you mean 'network'"):
        report().differences("netwrk", "late_fusion")
    with pytest.raises(MmgraphError, match="differs from itself"):
        report().differences("network", "network")
    with pytest.raises(MmgraphError, match="equivalence cannot be -1"):
        report().differences("network", "hybrid", rope=-1)


def test_a_condition_is_found_whatever_the_order_of_modalities():
    made = report()
    one = made.find("network", "random", ("movement", "sound"))
    assert one is made.find("network", "random")
    assert made.find("network", "random", None, Condition("noise", "sound", 9.0)) is None


@pytest.mark.parametrize("groups", [0, 40])
def test_intervals_are_those_of_the_paired_bootstrap_of_tables(groups):
    made, split = report(groups), "grouped" if groups else "random"
    rows = made.of_split(split)
    tables = {m: made.find(m, split).probabilities for m in ("network", "late_fusion")}
    for metric in ("log_loss", "accuracy"):
        one = made.difference(made.find("network", split), made.find("late_fusion", split), metric)
        referee = paired_bootstrap(tables, rows.codes, rows.groups, metric=metric, draws=2000)
        other = referee["network", "late_fusion"]
        assert one.difference == pytest.approx(other.value)
        noise = 0.1 * (other.high - other.low)
        assert [one.low, one.high] == pytest.approx([other.low, other.high], abs=noise)
