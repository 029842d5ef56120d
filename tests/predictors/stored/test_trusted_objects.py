"""Objects of scikit-learn through skops: types that are trusted, trees that lead nowhere else."""

from __future__ import annotations

import fractions
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops

from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.trusted_objects import packed, unpacked

LIMIT = 2**24


def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    codes = np.arange(60) % 3
    return random.standard_normal((60, 4)) + codes[:, None], codes


def read_back(objects: dict[str, Any]) -> dict[str, Any]:
    return unpacked(packed(objects, "the leaf 'a'"), "a.skops", LIMIT)


@pytest.mark.parametrize(
    "classifier",
    [
        AdaBoostClassifier(n_estimators=3, random_state=0),
        BaggingClassifier(max_features=2, n_estimators=3, random_state=0),
        DecisionTreeClassifier(max_leaf_nodes=5),
        ExtraTreesClassifier(3),
        GradientBoostingClassifier(n_estimators=3),
        MLPClassifier((4,), max_iter=400, tol=0.1),
        CalibratedClassifierCV(GaussianNB(), cv=3),
        RandomForestClassifier(3, max_leaf_nodes=6),
        SVC(),
    ],
    ids=lambda c: type(c).__name__,
)
def test_classifiers_of_scikit_learn_answer_alike(classifier: Any):
    table, codes = rows()
    classifier.fit(table, codes)
    again = read_back({"it": classifier})["it"]
    how = "predict_proba" if hasattr(classifier, "predict_proba") else "decision_function"
    np.testing.assert_array_equal(getattr(again, how)(table), getattr(classifier, how)(table))


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (fractions.Fraction(1, 3), "fractions.Fraction"),
        (None, "TreePredictor"),
        (SVC(kernel=read_back), "test_trusted_objects.read_back"),
    ],
)
def test_other_types_are_refused_by_name_both_ways(thing: Any, name: str):
    if thing is None:
        thing = HistGradientBoostingClassifier(max_iter=2).fit(*rows())
    with pytest.raises(FormatError, match=f"the leaf 'a' cannot be written: .*{name}"):
        packed({"it": thing}, "the leaf 'a'")
    with pytest.raises(FormatError, match=r"a\.skops holds types that are not trusted .*" + name):
        unpacked(skops.dumps({"it": thing}), "a.skops", LIMIT)


def with_nodes(**changes: Any) -> Any:
    """A forest, in the first node of whose first tree something stands that must not."""
    forest = ExtraTreesClassifier(2, random_state=0).fit(*rows())
    tree = forest.estimators_[0].tree_
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    for field, value in changes.items():
        nodes[field][0] = value
    tree.__setstate__(state | {"nodes": nodes})
    return forest


@pytest.mark.parametrize(
    "changes",
    [
        {"left_child": 10**9},
        {"right_child": -5},
        {"left_child": 0},
        {"left_child": -2},
        {"feature": 4},
        {"feature": -1},
    ],
    ids=str,
)
def test_trees_whose_nodes_point_outside_are_refused(changes: dict[str, int]):
    content = packed({"it": with_nodes(**changes)}, "the leaf 'a'")
    with pytest.raises(FormatError, match=r"a\.skops: a tree's nodes point outside it"):
        unpacked(content, "a.skops", LIMIT)


def test_trees_of_rows_that_have_more_features_are_refused():
    forest = with_nodes()
    forest.n_features_in_ = 2
    with pytest.raises(FormatError, match=r"a tree is not of its forest's 2 features"):
        read_back({"it": forest})
    forest.estimators_[0].n_features_in_ = forest.estimators_[1].n_features_in_ = 2
    with pytest.raises(FormatError, match=r"a tree's nodes point outside it"):
        read_back({"it": forest})


def test_what_is_no_such_file_is_refused():
    whole = packed({"it": SVC()}, "the leaf 'a'")
    for content in (b"", whole[:50], whole[:-30], pickle.dumps(SVC()), b"PK\5\6" + bytes(18)):
        with pytest.raises(FormatError, match=r"a\.skops: expected objects as skops writes them"):
            unpacked(content, "a.skops", LIMIT)
    with pytest.raises(FormatError, match=r"a\.skops: expected objects by name, found list"):
        unpacked(skops.dumps([1]), "a.skops", LIMIT)
    with pytest.raises(FormatError, match="unpacks to more than the limit of 100 bytes"):
        unpacked(whole, "a.skops", 100)


def test_rounds_of_boosting_have_a_tree_a_class():
    boosted = GradientBoostingClassifier(n_estimators=2).fit(*rows())
    boosted.estimators_ = np.tile(boosted.estimators_, (1, 2))  # compiled code would overrun
    content = packed({"boosted": boosted}, "a classifier")
    with pytest.raises(FormatError, match="the trees of a round are not one a class"):
        unpacked(content, "m.skops", 10**9)
