"""One protocol for all models: the same folds, groups on one side, nothing done twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

import mmgraph as mm
from mmgraph.comparison.costs.measuring import measured
from mmgraph.comparison.protocol import task
from mmgraph.comparison.protocol.plan import INNER_FOLDS
from mmgraph.comparison.protocol.task import WARMING
from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.report.contributions import contributions
from mmgraph.comparison.results import Condition
from mmgraph.data.folds import SplitWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import (
    LearningError,
    MmgraphError,
    SchemaError,
    UnknownVariableError,
)

ROWS = 40


def data(groups: object = None, rows: int = ROWS) -> MultimodalData:
    """Rows that say which they are, in no order, and two states by turns."""
    random = np.random.default_rng(0)
    codes = np.arange(rows) % 2
    return MultimodalData.of(
        {
            "number": random.permutation(rows)[:, None],
            "noise": random.normal(size=(rows, 2)) + codes[:, None],
        },
        np.array(["even", "odd"])[codes],
        groups=groups,
    )


class Watching:
    """Writes down what it learns from and what it is asked, and answers by ``tell``."""

    def __init__(self, path: Path, tell: float = 0.25, fails: str = "") -> None:
        self.path, self.tell, self.fails = path, tell, fails

    def fit(self, data: MultimodalData, /) -> Self:
        self.classes_ = np.array(data.target.labels)
        if len(data) > 2 * WARMING:  # else it is warmed up, or learns from few labels
            self._fit(data)
        return self

    def _fit(self, data: MultimodalData) -> None:
        self._note("fit", data)
        if self.fails == "fit" or (self.fails and len(data) == int(self.fails)):
            raise LearningError("this model never learns")

    def predict_proba(
        self, data: MultimodalData, /, given: Collection[str] | None = None
    ) -> np.ndarray:
        assert given is not None
        if len(data) > 2 * WARMING:
            self._note("ask", data)
        right = np.where(data.codes == 0, 1 - self.tell, self.tell)
        return np.stack([right, 1 - right], 1)

    def _note(self, what: str, data: MultimodalData) -> None:
        groups = None if data.groups is None else sorted(set(data.groups.codes.tolist()))
        numbers = data.numbers("number").ravel().tolist() if "number" in data.blocks else None
        line = {"what": what, "groups": groups, "rows": numbers, "modalities": data.modalities}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def compare(rows: Any, models: Any, **options: Any) -> ComparisonReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.compare(rows, models=models, **{"n_jobs": 1, "opponents": False} | options)


def as_json(report: ComparisonReport) -> str:
    """All that is kept, as text; costs too where they are of one run."""
    return json.dumps(
        [
            [a.model, a.family, a.split, a.given, a.condition, a.probabilities.tolist(),
             dict(a.costs), [dict(s) for s in a.settings]]
            for a in report.answers
        ]
    )  # fmt: skip


def answers(report: ComparisonReport) -> dict[Any, list[Any]]:
    """What is said, without the seconds that it took."""
    return {
        (a.model, a.split, a.given, a.condition): a.probabilities.tolist() for a in report.answers
    }


def test_groups_are_never_on_both_sides_of_outer_or_inner_folds(tmp_path: Path):
    rows = data(np.repeat(np.arange(8), 5))
    watching = Watching(tmp_path / "log")
    kinds = {"watched": watching}
    report = compare(rows, kinds, folds=4, given=["noise"])
    logged = lines(watching.path)
    assert [one.split for one in report.tested] == ["random", "grouped"]
    assert len(logged) == 8 * 3  # a fit, and two sets of modalities
    for fit, *asked in zip(*[iter(logged)] * 3, strict=True):
        for ask in asked:
            assert not {*fit["rows"]} & {*ask["rows"]}
            assert len(fit["rows"]) + len(ask["rows"]) == ROWS
            assert fit["groups"] is None or not {*fit["groups"]} & {*ask["groups"]}
    assert [fit["groups"] is None for fit in logged[::3]] == [True] * 4 + [False] * 4


def test_inner_folds_choose_a_setting_by_log_loss_within_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from mmgraph.comparison.models import named

    path = tmp_path / "log"
    kind = named.ModelKind(
        "tuned", "reference", lambda seed, tell: Watching(path, tell),
        ({"tell": 0.4}, {"tell": 0.1}, {"tell": 0.45}),
    )  # fmt: skip
    monkeypatch.setitem(named.MODELS, "tuned", kind)
    rows = data(np.repeat(np.arange(8), 5))
    report = compare(rows, ["tuned"], folds=4, given=[], tune=True)
    for one in report.answers:
        assert [*one.settings] == [{"tell": 0.1}] * 4
        right = one.probabilities[np.arange(ROWS), report.of_split(one.split).codes]
        np.testing.assert_allclose(right, 0.9)
    logged = lines(path)
    inner = logged[: 2 * 8 * 3 * INNER_FOLDS]
    outer = logged[len(inner) :]
    assert len(outer) == 2 * 8
    for fold in range(8):
        tested = {*outer[2 * fold + 1]["rows"]}
        mine = inner[fold * 6 * INNER_FOLDS : (fold + 1) * 6 * INNER_FOLDS]
        for fit, ask in zip(mine[::2], mine[1::2], strict=True):
            assert not ({*fit["rows"]} | {*ask["rows"]}) & tested
            assert not {*fit["rows"]} & {*ask["rows"]}
            assert fold < 4 or not {*fit["groups"]} & {*ask["groups"]}
    assert report.about.settings["tuned"] == kind.settings
    once = compare(rows, ["tuned"], folds=4, given=[])
    assert [*once.answers[0].settings] == [{"tell": 0.4}] * 4


@pytest.mark.slow
def test_what_is_kept_is_not_done_again_and_is_the_same_to_the_byte(tmp_path: Path):
    watching = Watching(tmp_path / "log")
    models = {"watched": watching, "shares": "prior", "normal": GaussianNB()}
    options = {"folds": 2, "directory": tmp_path, "conditions": ("subsets", "refitted", "labels")}
    done: list[tuple[int, int, str]] = []
    first = compare(data(), models, **options, progress=lambda *line: done.append(line))
    fits = len(lines(watching.path))
    again = compare(data(), models, **options)
    assert as_json(first) == as_json(again)
    assert first.failures == again.failures
    assert len(lines(watching.path)) == fits
    total = 3 * 2 * (1 + 2 + 1)
    assert [(d, t) for d, t, _ in done] == [(i + 1, total) for i in range(total)]
    assert done[0][2] == "watched, fold 1 of 2"
    # Another order changes nothing, and a new model nothing but its own fits.
    turned = {name: models[name] for name in ("normal", "shares", "watched")}
    assert answers(compare(data(), turned, **options)) == answers(first)
    more = compare(data(), {**models, "other": Watching(tmp_path / "log", 0.1)}, **options)
    assert answers(more).items() >= answers(first).items()
    assert len(lines(watching.path)) == 2 * fits
    # Other rows are answered anew.
    compare(data(rows=38), {"watched": watching}, **options)
    assert len(lines(watching.path)) > 2 * fits


def test_a_second_run_writes_the_same_bytes(tmp_path: Path):
    models = {"normal": GaussianNB(), "shares": "prior"}
    texts = []
    for run in ("first", "second"):
        report = compare(
            data(), models, folds=2, given=["noise"], directory=tmp_path / "fits",
        )  # fmt: skip
        (tmp_path / run).mkdir()
        files = report.write(tmp_path / run / "comparison.html")
        texts.append([Path(file).read_bytes() for file in files])
    assert [Path(file).suffix for file in files] == [".html", ".json"]
    assert texts[0] == texts[1]
    assert b'"train_seconds": 0.' in texts[0][1]  # of the first run, which a second would not hit


class Waiting(Watching):
    """Takes for ever over its third fit."""

    def _fit(self, data: MultimodalData) -> None:
        super()._fit(data)
        if sum(line["what"] == "fit" for line in lines(self.path)) == 3:
            self.path.with_suffix(".third").touch()
            time.sleep(60)


def _interrupted(directory: Path) -> None:
    compare(data(), {"slow": Waiting(directory / "log")}, folds=4, given=[], directory=directory)


@pytest.mark.slow
def test_a_kill_loses_one_fit(tmp_path: Path):
    # Forked: nothing is imported anew, and the one thread holds no lock.
    process = multiprocessing.get_context("fork").Process(target=_interrupted, args=(tmp_path,))
    process.start()
    began = time.monotonic()
    while not (tmp_path / "log.third").exists():
        assert process.is_alive()
        assert time.monotonic() < began + 60
        time.sleep(0.01)
    process.kill()
    process.join()
    fits = [line for line in lines(tmp_path / "log") if line["what"] == "fit"]
    assert len(fits) == 3
    _interrupted(tmp_path)
    fits = [line for line in lines(tmp_path / "log") if line["what"] == "fit"]
    assert len(fits) == 5  # of four folds one was lost
    assert fits[2] == fits[3]
    assert not [f for f in os.listdir(tmp_path / "steps") if f.startswith(".")]


@pytest.mark.slow
def test_answers_do_not_depend_on_how_many_processes_there_are(tmp_path: Path):
    models = ["prior", "logistic", "naive_bayes", "extra_trees"]
    one = compare(data(), models, folds=2, conditions=("subsets", "noise"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        two = mm.compare(
            data(), models=models[::-1], folds=2, conditions=("subsets", "noise"), n_jobs=2,
            opponents=False,
            directory=tmp_path,
        )  # fmt: skip
    assert answers(one) == answers(two)
    assert len(list((tmp_path / "steps").iterdir())) == 8


def test_the_same_models_by_hand():
    rows = data()
    report = compare(rows, {"shares": "prior", "bayes": "naive_bayes"}, folds=2, given=["noise"])
    (tested,) = report.tested
    by_hand = []
    for training, test in mm.folds(rows, count=2):
        fitted = mm.BayesianNetworkClassifier().fit(rows.rows(training))
        by_hand.append(fitted.predict_proba(rows.rows(test), given=["noise"]))
    said = report.find("bayes", "random", ("noise",))
    assert said is not None
    np.testing.assert_allclose(said.probabilities, np.concatenate(by_hand), rtol=1e-12)
    np.testing.assert_array_equal(rows.codes[tested.rows], tested.codes)
    assert tested.training_rows == (20, 20)
    assert (said.family, report.families["shares"]) == ("graphical", "reference")
    assert said.costs["train_seconds"] > 0
    assert said.costs["rows_per_second"] > 0


def test_conditions_have_their_answers():
    report = compare(
        data(), ["prior"], folds=2, conditions=("subsets", "refitted", "noise", "labels")
    )
    asked = [(a.given, a.condition) for a in report.answers]
    both = ("number", "noise")
    assert asked[:3] == [(g, Condition()) for g in (both, ("number",), ("noise",))]
    disturbed = [c for g, c in asked if c.kind in ("noise", "cells", "rows") and g == both]
    assert len(disturbed) == 2 * (5 + 3 + 3)
    assert {(g, c) for g, c in asked if c.kind == "refitted"} == {
        (("number",), Condition("refitted")),
        (("noise",), Condition("refitted")),
    }
    shares = [c.level for _, c in asked if c.kind == "labels"]
    assert shares == [0.2]  # of 20 training rows each share is two of each class


def test_costs_are_of_plain_fits_and_the_memory_of_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(task, "measured_apart", measured)
    watching = Watching(tmp_path / "log")
    options = {"folds": 2, "conditions": ("subsets", "costs"), "directory": tmp_path}
    done: list[tuple[int, int, str]] = []
    report = compare(
        data(), {"watched": watching}, **options, progress=lambda *line: done.append(line)
    )
    assert done[-1][:2] == (3, 3)
    assert "watched, fold 1 of 2, costs" in [text for _, _, text in done]
    logged = lines(watching.path)
    assert [line["what"] for line in logged] == ["fit", *["ask"] * 3, "fit", "fit", *["ask"] * 3]
    assert logged[4]["rows"] == logged[0]["rows"]
    assert len(report.answers) == 3
    for one in report.answers:
        assert [*one.costs] == ["train_seconds", "parameters", "rows_per_second", "peak_bytes"]
        assert one.costs["parameters"] == 0
        assert one.costs["peak_bytes"] >= 0
    assert compare(data(), {"watched": watching}, **options).to_json() == report.to_json()
    # Given nothing the shares of the classes answer, though no model of them is compared.
    values = [v for v in contributions(report) if v.metric == "accuracy"]
    assert {v.modality for v in values} == {"number", "noise"}
    accuracy = report.row(report.answers[0])["accuracy"]
    assert sum(v.value for v in values) == pytest.approx(accuracy - 0.5)
    assert lines(watching.path) == logged


def test_memory_of_a_process_that_ends_is_a_failure_that_need_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def ended(*arguments: object) -> None:
        raise MmgraphError("the process that was measured ended with exit code -9")

    monkeypatch.setattr(task, "measured_apart", ended)
    options = {"folds": 2, "conditions": "costs", "directory": tmp_path}
    report = compare(data(), ["prior"], **options)
    (failure,) = report.failures
    assert failure.condition == Condition("costs")
    assert "ended with exit code -9" in failure.message
    assert report.answers[0].costs["parameters"] == 2
    assert "peak_bytes" not in report.answers[0].costs
    assert len(list((tmp_path / "steps").iterdir())) == 2


class Filling(Watching):
    """Learns 80 MB."""

    def fit(self, data: MultimodalData, /) -> Self:
        self.learned = np.ones(10**7)
        return super().fit(data)


@pytest.mark.slow
def test_memory_of_a_process_of_its_own(tmp_path: Path):
    report = compare(data(), {"fills": Filling(tmp_path / "log")}, folds=2, conditions="costs")
    costs = report.answers[0].costs
    assert costs["parameters"] == 10**7
    assert 8e7 <= costs["peak_bytes"] < 9e7


def test_refitted_models_have_never_seen_the_other_modality(tmp_path: Path):
    watching = Watching(tmp_path / "log")
    compare(data(), [watching], folds=2, conditions=("subsets", "refitted"))
    fits = [line["modalities"] for line in lines(watching.path) if line["what"] == "fit"]
    assert fits == 2 * [["number", "noise"], ["number"], ["noise"]]


def test_rows_that_belong_together_are_resampled_together_in_both_splits():
    groups = np.repeat(np.arange(8), 5)
    report = compare(data(groups), ["prior"], folds=4)
    for split in ("random", "grouped"):
        tested = report.of_split(split)
        np.testing.assert_array_equal(tested.groups, groups[tested.rows])
    assert compare(data(), ["prior"], folds=4).of_split("random").groups is None


def test_a_model_that_fails_is_named_and_the_others_answer(tmp_path: Path):
    rows = data(rows=41)
    once = Watching(tmp_path / "log", fails="20")  # it has 21 training rows in the other fold
    never = Watching(tmp_path / "log", fails="fit")
    report = compare(rows, {"once": once, "never": never, "prior": "prior"}, folds=2)
    assert [(f.model, f.fold, f.message) for f in report.failures] == [
        ("once", 0, "this model never learns"),
        ("never", 0, "this model never learns"),
        ("never", 1, "this model never learns"),
    ]
    said, shares = report.find("once", "random"), report.find("prior", "random")
    assert said is not None
    assert shares is not None
    first = report.of_split("random").folds == 0
    np.testing.assert_array_equal(said.probabilities[first], shares.probabilities[first])
    assert (said.probabilities[~first].max(1) == 0.75).all()
    assert (said.failed_folds, shares.failed_folds) == (1, 0)
    assert report.models == ("once", "prior")
    with pytest.raises(MmgraphError, match="no model has answered: never: this model never lea"):
        compare(rows, {"never": never}, folds=2)


class Wrong(Watching):
    """Answers what are no probabilities."""

    def predict_proba(self, data: Any, /, given: Any = None) -> np.ndarray:
        table = np.full((len(data), 2), 0.5)
        table[3, 1] = np.nan if len(given) == 1 else 0.5
        return table


def test_a_question_that_fails_loses_no_other(tmp_path: Path):
    report = compare(data(), {"wrong": Wrong(tmp_path / "log")}, folds=2, given=["noise"])
    assert report.find("wrong", "random") is not None
    assert report.find("wrong", "random", ("noise",)) is None
    assert {(f.fold, f.given) for f in report.failures} == {(0, ("noise",)), (1, ("noise",))}
    assert "test row 3 is answered by [0.5, nan]" in report.failures[0].message


def test_a_class_absent_from_a_fold_is_named_and_answered():
    codes = np.array([0, 1] * 15 + [2] * 10)
    features = np.random.default_rng(0).normal(size=(40, 1)) + codes[:, None]
    rows = MultimodalData.of(
        {"x": features}, np.array(list("abc"))[codes], groups=np.minimum(np.arange(40) // 10, 3)
    )
    with pytest.warns(SplitWarning, match=r"fold . of the grouped split lack the class 'c'"):
        report = mm.compare(
            rows, models=["prior", "naive_bayes", "logistic", "svm_stacking", GaussianNB()],
            folds=4, n_jobs=1, opponents=False,
        )  # fmt: skip
    assert report.failures == ()
    assert sorted(report.of_split("grouped").absent) == [(), (), (), ("c",)]
    for one in report.answers:
        assert (one.probabilities >= 0).all()
        np.testing.assert_allclose(one.probabilities.sum(1), 1)


@pytest.mark.slow
def test_a_modality_never_there_in_training_is_no_obstacle():
    rows = data()
    number = rows.blocks["noise"].values.copy()
    number[:] = np.nan
    empty = MultimodalData.of({"noise": rows.blocks["noise"].values, "gone": number}, rows.codes)
    models = ["prior", "naive_bayes", "logistic", "extra_trees", "gradient_boosting",
              "svm_stacking", GaussianNB()]  # fmt: skip
    report = compare(empty, models, folds=2)
    assert report.failures == ()
    for model in report.models:
        gone, shares = report.find(model, "random", ("gone",)), report.find("prior", "random")
        assert gone is not None
        assert shares is not None
        np.testing.assert_allclose(gone.probabilities, shares.probabilities, atol=0.02)


def frame() -> pd.DataFrame:
    rows = data()
    table = pd.DataFrame(rows.blocks["noise"].values, columns=["a", "b"])
    return table.assign(c=rows.numbers("number"), y=rows.codes, who=np.repeat(np.arange(8), 5))


def test_a_frame_is_read_as_its_columns_say():
    report = compare(
        frame(), ["prior"], target="y", groups="who", modalities={"one": ["a", "b"], "two": ["c"]},
        folds=2,
    )  # fmt: skip
    assert report.about.modalities == ("one", "two")
    assert (report.about.target, report.about.classes) == ("y", ("0", "1"))
    assert (report.about.groups, report.about.rows) == ("who", ROWS)
    beside = frame()
    labels = beside.pop("y")
    same = compare(beside.drop(columns="who"), ["prior"], target=labels, folds=2)
    assert same.about.modalities == ("features",)


@pytest.mark.parametrize(
    ("rows", "options", "error", "match"),
    [
        (data(), {"models": ["logistics"]}, LearningError, "'logistics'; did you mean 'logistic'"),
        (data(), {"models": [3]}, LearningError, "3 is no model"),
        (data(), {"models": []}, LearningError, "no model is named"),
        (data(), {"models": [GaussianNB(), GaussianNB()]}, LearningError, "two models are called"),
        (data(), {"conditions": ("noice",)}, MmgraphError, "'noice'; did you mean 'noise'"),
        (data(), {"given": ["nois"]}, UnknownVariableError, "'nois'.*'noise'"),
        (data(), {"folds": 1}, MmgraphError, "two folds"),
        (data(), {"folds": 21}, MmgraphError, "'even'.*20 rows, fewer than 21"),
        (data(), {"tuned": True}, MmgraphError, "'tuned'; did you mean 'tune'"),
        (data(), {"target": "x"}, SchemaError, "the target of the data is 'target'"),
        (data(), {"modalities": {"a": ["b"]}}, SchemaError, "of their own"),
        (data().rows(slice(0, None, 2)), {}, LearningError, "one class only, 'even'"),
        (frame(), {"target": "z"}, SchemaError, "no column 'z'"),
        (frame().assign(y=1), {"target": "y"}, LearningError, "one class only"),
        (MultimodalData.of({"x": [[1.0], [2.0]]}), {}, LearningError, "no target"),
        ([[1.0]], {}, LearningError, "a data frame or MultimodalData, not list"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    rows: Any, options: dict[str, Any], error: type[Exception], match: str
):
    with pytest.raises(error, match=match):
        mm.compare(rows, **{"models": ["prior"], "folds": 2, "n_jobs": 1, **options})


class Breaking(Watching):
    """Fails as no model should."""

    raises: type[Exception] = ValueError

    def _fit(self, data: MultimodalData) -> None:
        super()._fit(data)
        raise self.raises("no good")


class Starved(Breaking):
    """Would learn if there were more memory."""

    raises = MemoryError


def test_what_failed_unforeseen_is_not_tried_again(tmp_path: Path):
    models = {
        "prior": "prior",
        "breaking": Breaking(tmp_path / "breaking"),
        "starved": Starved(tmp_path / "starved"),
    }
    first, again = (compare(data(), models, folds=2, directory=tmp_path) for _ in range(2))
    assert first.failures == again.failures
    assert len(first.failures) == 4
    assert len(lines(tmp_path / "breaking")) == 2
    assert len(lines(tmp_path / "starved")) == 4  # memory may be there another time


def test_what_other_versions_have_answered_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from mmgraph.comparison.protocol import plan

    watching = Watching(tmp_path / "log")
    fits = []
    for version in ("1.0", "1.0", "2.0"):
        monkeypatch.setattr(plan, "versions", lambda version=version: {"torch": version})
        compare(data(), {"watched": watching}, folds=2, directory=tmp_path)
        fits.append(sum(line["what"] == "fit" for line in lines(watching.path)))
    assert fits == [2, 2, 4]


class Compiling(Watching):
    """Takes half a second when it first learns in a process, and longer to answer with less."""

    begun: ClassVar[bool] = False

    def fit(self, data: MultimodalData, /) -> Self:
        if not type(self).begun:
            _busy(0.5)
            type(self).begun = True
        return super().fit(data)

    def predict_proba(
        self, data: MultimodalData, /, given: Collection[str] | None = None
    ) -> np.ndarray:
        if given is not None and len(given) == 2 and len(data) > 2 * WARMING:
            _busy(0.05)
        return super().predict_proba(data, given)


def _busy(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_costs_are_of_learning_alone_and_of_answers_given_everything(tmp_path: Path):
    report = compare(data(), {"compiling": Compiling(tmp_path / "log")}, folds=2)
    costs = report.answers[0].costs
    assert costs["train_seconds"] < 0.1  # not half a second in one of two folds
    assert 100 < costs["rows_per_second"] <= 20 / 0.05  # though parts are answered at once


def test_opponents_that_are_lacking_stand_after_what_was_asked_for():
    report = compare(data(), ["naive_bayes", "logistic"], folds=2, given=[], opponents=True)
    others = ("prior", "extra_trees", "gradient_boosting", "svm_stacking")
    assert report.models == ("naive_bayes", "logistic", *others)
    assert {report.families[name] for name in others} == {"reference"}
