"""Which leaves stay: by held-out rows, within a budget, and however many run at a time."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.named import AUTO
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.pooling.fitting import BudgetWarning, fit_pooled, side_by_side
from mmgraph.predictors.pooling.placement import placed_leaves
from mmgraph.predictors.pooling.pooled_leaves import PooledLeaves


def table(kind: str, rows: int, seed: int = 0, groups: object = None) -> mm.MultimodalData:
    """Two modalities that tell the state by a line, or by a circle that no line can follow."""
    random = np.random.default_rng(seed)
    near, far = random.standard_normal((2, rows, 2))
    score = near[:, 0] + far[:, 0] if kind == "line" else 3 * (near**2).sum(1) - 4
    states = np.where(score + 0.5 * random.standard_normal(rows) > 0, "yes", "no")
    return mm.MultimodalData.of({"near": near, "far": far}, states.tolist(), groups=groups)


def fitted(data: mm.MultimodalData) -> PooledLeaves:
    """Kernels beside logistic regressions, which answer alone if they do as well."""
    placed = placed_leaves(data, ("logistic", "kernel"), "auto")
    plain = [leaf for leaf in placed if leaf.kind == "logistic"]
    return fit_pooled(data, placed, 3, 0, plain=plain)


def few_trees() -> EncoderLeaf:
    return EncoderLeaf(ExtraTreesClassifier(20, random_state=0))


def kinds(model: PooledLeaves) -> set[str]:
    return {leaf.place.kind for leaf in model.leaves}


def test_plain_leaves_answer_alone_where_nothing_is_clearly_better():
    model = fitted(table("line", 150))
    assert kinds(model) == {"logistic"}
    test = table("line", 2000, 1)
    assert (model.predict_proba(test).argmax(1) == test.codes).mean() > 0.85


def test_other_leaves_answer_where_plain_ones_do_not_do():
    model = fitted(table("circle", 300))
    assert kinds(model) == {"logistic", "kernel"}
    for given in ({"near"}, {"near", "far"}):
        powers = model.held_out.powers(frozenset(given))
        by_leaf = {leaf.place.name: p for leaf, p in zip(model.leaves, powers, strict=True)}
        assert by_leaf["near_logistic"] == 0 < by_leaf["near_kernel"]
    test = table("circle", 2000, 1)
    assert (model.predict_proba(test, ["near"]).argmax(1) == test.codes).mean() > 0.85


def test_of_few_groups_the_richer_leaves_answer():
    few = table("line", 120, groups=np.repeat(np.arange(4), 30))
    assert kinds(fitted(few)) == {"kernel"}
    many = table("line", 120, groups=np.repeat(np.arange(30), 4))
    assert kinds(fitted(many)) == {"logistic"}


@pytest.mark.slow
def test_the_default_tries_every_kind_and_keeps_what_helps():
    line = mm.MultimodalClassifier(folds=3, n_jobs=2).fit(table("line", 100))
    assert kinds(line.model_) == {"logistic"}
    circle = mm.MultimodalClassifier(folds=3, n_jobs=2).fit(table("circle", 200))
    assert kinds(circle.model_) == {*AUTO} - {"tables"}  # no column is of states
    test = table("circle", 2000, 1)
    assert (circle.predict_proba(test).argmax(1) == test.codes).mean() > 0.85


def test_leaves_that_are_named_all_stay():
    clf = mm.MultimodalClassifier(leaves=("logistic", "trees"), folds=2).fit(table("line", 60))
    assert [leaf.place.name for leaf in clf.model_.leaves] == [
        "near_logistic", "near_trees", "far_logistic", "far_trees", "joint_logistic", "joint_trees",
    ]  # fmt: skip


def test_a_spent_budget_leaves_later_kinds_out_and_says_so():
    data = table("circle", 80)
    clf = mm.MultimodalClassifier(leaves=("logistic", "trees"), folds=2, budget=1e-9)
    with pytest.warns(BudgetWarning, match=r"budget of 1e-09 s does not suffice .* trees: they"):
        clf.fit(data)
    assert kinds(clf.model_) == {"logistic"}
    long = table("circle", 2400)
    clf = mm.MultimodalClassifier(leaves=("logistic", "kernel"), joint=(), folds=2, budget=0.05)
    with pytest.warns(BudgetWarning, match="the leaves kernel"):  # which nobody has to wait for
        clf.fit(long)


def test_answers_do_not_depend_on_how_many_are_fitted_at_a_time():
    data, test = table("circle", 120), table("circle", 20, 1)
    leaves = (few_trees(), "kernel", PerceptronsLeaf(members=2, epochs=2))
    one, two = (
        mm.MultimodalClassifier(leaves=leaves, folds=2, n_jobs=jobs).fit(data).predict_proba(test)
        for jobs in (None, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_an_error_in_a_thread_is_the_errors_own():
    def fails() -> None:
        raise LearningError("what is wrong")

    begun: list[int] = []

    def slow(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)

    tasks = [fails, *(partial(slow, number) for number in range(100))]
    with pytest.raises(LearningError, match="what is wrong"):
        side_by_side(tasks, 2)
    assert len(begun) < 90  # no more began once one had failed


def test_joint_leaves_are_those_of_single_modalities_but_densities():
    leaves = {"near": ("mixture", "trees"), "far": ("kernel",)}
    with warnings.catch_warnings(action="error"):
        placed = placed_leaves(table("line", 40), leaves, "auto")
    assert [leaf.name for leaf in placed] == [
        "near_mixture", "near_trees", "far_kernel", "joint_trees", "joint_kernel",
    ]  # fmt: skip


def test_what_is_warned_of_in_threads_is_said_once_and_filters_stay():
    def warns() -> None:
        with warnings.catch_warnings():
            warnings.resetwarnings()
            warnings.warn("take care", RuntimeWarning, stacklevel=1)

    before = list(warnings.filters)
    with pytest.warns(RuntimeWarning, match="take care") as record:
        side_by_side([warns] * 20, 2)
    assert len(record) == 1
    assert list(warnings.filters) == before
    with warnings.catch_warnings(action="error"):
        for _ in range(3):
            mm.MultimodalClassifier(leaves=few_trees(), folds=2, n_jobs=4).fit(table("circle", 40))


def test_each_leaf_has_a_name_of_its_own():
    data = table("line", 40)
    with pytest.raises(LearningError, match="two leaves are called 'near_trees'"):
        placed_leaves(data, ("trees", "trees"), ())
    joint = mm.MultimodalData({"joint": data.block("near"), "far": data.block("far")}, data.outcome)
    with pytest.raises(LearningError, match="'joint_trees': name each once, and no modality"):
        placed_leaves(joint, "trees", "trees")
    with pytest.raises(LearningError, match="the leaf 'words' sees nothing of near, far"):
        placed_leaves(data, "trees", "words")
    several = {"near": EncoderLeaf(LogisticRegression()), "far": EncoderLeaf(GaussianNB())}
    placed = placed_leaves(data, several, "auto")
    assert [type(leaf.leaf.classifier) for leaf in placed[2:]] == [LogisticRegression, GaussianNB]


def test_fits_in_threads_of_the_caller_leave_warnings_as_they_were():
    before, show = list(warnings.filters), warnings.showwarning
    data = table("line", 40)
    clf = mm.MultimodalClassifier(leaves="logistic", folds=2, n_jobs=2)
    with ThreadPoolExecutor(4) as pool:
        fitted = list(pool.map(lambda _: clone(clf).fit(data), range(12)))
    assert len(fitted) == 12
    assert list(warnings.filters) == before
    assert warnings.showwarning is show
