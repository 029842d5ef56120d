"""The order of classes, and what y may be."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.preprocessing import StandardScaler

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, GraphError, LearningError, UnknownStateError
from mmgraph.networks.boltzmann.inputs.labels import class_order, classes_of, label_codes
from tests.networks.boltzmann_machines import scattered

X = mm.Variable("x", shape=(30,), family="gaussian")
QUICK = {"objective": "multi_prediction", "epochs": 8, "batch_size": 50, "learning_rate": 0.04}


def tumours() -> tuple[np.ndarray, np.ndarray]:
    """Every other row of the breast cancer data."""
    loaded = load_breast_cancer()
    x, y = StandardScaler().fit_transform(loaded.data), loaded.target_names[loaded.target]
    return x[::2], y[::2]


def classifier(states: tuple, **options) -> mm.RestrictedBoltzmannMachine:
    return mm.RestrictedBoltzmannMachine(
        X, 12, mm.Variable("tumour", states), **{**QUICK, **options}
    )


@pytest.mark.parametrize("states", [("malignant", "benign"), ("benign", "malignant")])
def test_the_order_of_declaration_does_not_turn_scores_round(states):
    x, y = tumours()
    machine = classifier(states)
    assert cross_val_score(machine, x, y, cv=2, scoring="roc_auc").mean() > 0.97


def test_labels_that_scikit_learn_has_numbered():
    x, y = tumours()
    machine = mm.RestrictedBoltzmannMachine(X, 12, labels="tumour", **QUICK)
    chances = cross_val_predict(machine, x, y, cv=2, method="predict_proba")
    assert ((chances[:, 1] > 0.5) == (y == "malignant")).mean() > 0.93
    declared = classifier(("malignant", "benign"))
    with pytest.raises(EvidenceError, match="cross_val_predict numbers labels"):
        cross_val_predict(declared, x, y, cv=2, method="predict_proba")


def test_other_scorers_speak_of_the_same_classes():
    x, y = tumours()
    machine = classifier(("malignant", "benign"))
    assert cross_val_score(machine, x, y, cv=2, scoring="accuracy").mean() > 0.93
    assert -cross_val_score(machine, x, y, cv=2, scoring="neg_log_loss").mean() < 0.25


@pytest.mark.parametrize(
    ("states", "classes"),
    [
        (("z", "a", "m"), ["a", "m", "z"]),
        ((3, 1, 2), [1, 2, 3]),
        ((True, False), [False, True]),
        ((2.5, -1), [-1, 2.5]),
        (4, [0, 1, 2, 3]),
        (("b", 2, "a", True), [True, 2, "a", "b"]),
    ],
)
def test_classes_are_sorted(states, classes):
    labels = mm.Variable("y", states)
    found = classes_of(labels)
    assert found.tolist() == classes
    assert [labels.labels[i] for i in class_order(labels)] == classes
    assert (found.dtype == object) == (len({isinstance(c, str) for c in classes}) == 2)


def test_columns_of_probabilities_are_those_of_the_classes():
    labels = mm.Variable("label", ("c", "a", "b"))
    machine = scattered(mm.RestrictedBoltzmannMachine(mm.Variable("x", 2, shape=(4,)), 3, labels))
    rows = {"x": np.random.default_rng(0).integers(0, 2, (6, 4))}
    declared = mm.query(machine, rows, ["label"], method="mean_field").marginal("label").numpy()
    np.testing.assert_allclose(machine.predict_proba(rows), declared[:, [1, 2, 0]], atol=1e-6)
    expected = np.array(["c", "a", "b"])[declared.argmax(1)]
    np.testing.assert_array_equal(machine.predict(rows), expected)
    assert machine.score(rows, expected) == 1.0


@pytest.mark.parametrize(
    ("states", "y", "message"),
    [
        (("malignant", "benign"), [0, 1], r"y holds numbers \(.\), but the labels.*are texts"),
        (("0", "1"), np.array([0, 1]), "are texts .'0', '1'.: predictions would be those"),
        (("no", "yes"), [True, False], "y holds numbers"),
        ((0, 1), ["0", "1"], "y holds texts .'0'., but the labels of 'tumour' are numbers"),
        (2, np.array(["1", "0"]), "y holds texts"),
    ],
)
def test_labels_of_another_kind_are_refused(states, y, message):
    labels = mm.Variable("tumour", states)
    with pytest.raises(EvidenceError, match=message):
        label_codes(labels, y, 2)
    x = np.random.default_rng(0).normal(size=(2, 30))
    machine = mm.RestrictedBoltzmannMachine(X, 2, labels)
    with pytest.raises(EvidenceError, match=message):
        machine.fit(x, y)
    with pytest.raises(EvidenceError, match=message):
        scattered(machine).score(x, y)


@pytest.mark.parametrize(
    ("states", "y", "codes"),
    [
        (("b", "a"), ["a", "b", None], [1, 0, -1]),
        (("b", "a"), np.array(["a", -1, "b"], dtype=object), [1, -1, 0]),
        (("b", "a"), mm.index([1, 0, -1]), [1, 0, -1]),
        (("b", "a"), pandas.Series(["a", None, "b"], dtype="category"), [1, -1, 0]),
        ((-1, 1), np.array([1.0, -1.0, np.nan]), [1, 0, -1]),
        (3, torch.tensor([2, -1, 0]), [2, -1, 0]),
        ((False, True), np.array([1, 0, 1]), [1, 0, 1]),
        (("[0, 35)", "[35, inf)"), [12.0, 40.0, 35.0], [0, 1, 1]),
    ],
)
def test_labels_that_are_read(states, y, codes):
    assert label_codes(mm.Variable("y", states), y, 3).tolist() == codes


def test_a_column_of_labels_and_a_single_row():
    x, y = tumours()
    flat = classifier(("malignant", "benign"), epochs=1).fit(x, y)
    column = classifier(("malignant", "benign"), epochs=1)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        column.fit(x, y[:, None])
    np.testing.assert_array_equal(flat.predict_proba(x), column.predict_proba(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flat.predict(x[0]).shape == flat.predict(x[:1]).shape == (1,)
        one = flat.predict_proba({"x": x[0]})
    np.testing.assert_allclose(one, flat.predict_proba(x[:1]))
    assert flat.score(x[:1], flat.predict(x[:1])) == flat.score(x[0], flat.predict(x[0])[0]) == 1.0
    assert flat.score(x[:1], flat.predict(x[:1])[:, None]) == 1.0
    assert flat.transform(x[0]).shape == (1, 12)


def test_scores_leave_out_rows_without_a_label():
    x, y = tumours()
    machine = classifier(("malignant", "benign"), epochs=2).fit(x, y)
    some = y.astype(object)
    some[::2] = None
    assert machine.score(x, some) == pytest.approx(machine.score(x[1::2], y[1::2]))
    with pytest.raises(LearningError, match="no row has a label"):
        machine.score(x, [None] * len(x))
    with pytest.raises(UnknownStateError, match="no state 'benig'; did you mean 'benign'"):
        machine.score(x[:1], ["benig"])


def test_machines_without_labels_predict_none():
    machine = mm.RestrictedBoltzmannMachine(X, 2)
    for name in ("predict", "predict_proba", "classes_"):
        assert not hasattr(machine, name)
        assert hasattr(classifier(("a", "b")), name)
        with pytest.raises(GraphError, match="no label units"):
            getattr(machine, name)


def test_labels_taken_from_y():
    x, y = tumours()
    machine = mm.RestrictedBoltzmannMachine(hidden=12, labels="tumour", **QUICK)
    assert not hasattr(machine, "classes_")
    machine.fit(x, y)
    assert machine.labels.labels == ("benign", "malignant")
    assert machine.score(x, y) > 0.9
    assert machine.fit(x, y == "benign").classes_.tolist() == [False, True]
    again = pickle.loads(pickle.dumps(machine))
    assert again.classes_.tolist() == [False, True]
    with pytest.raises(LearningError, match=r"Unknown label type.*continuous"):
        machine.fit(x, x[:, 0])
    with pytest.raises(LearningError, match="requires y to be passed"):
        machine.fit(x)
    with pytest.raises(LearningError, match="whose labels nobody has said"):
        machine.fit(x, mm.index([0] * len(x)))
    with pytest.raises(LearningError, match="y has no label"):
        machine.fit(x, [None] * len(x))
    assert machine.get_params()["labels"] == "tumour"
