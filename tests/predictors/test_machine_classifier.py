"""The deep Boltzmann machine as a classifier: what is missing, what columns hold, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UselessLabelsWarning
from mmgraph.networks.boltzmann.answers import PriorWarning

MODALITIES = {"clinical": ["age", "stage", "smokes"], "genes": ["g1", "g2", "g3"]}
SMALL = {"hidden": 8, "joint": 8, "epochs": 12, "folds": 2}
ONCE = SMALL | {"epochs": 1}


def patients(rows: int = 160, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of two modalities, a tenth of whose cells are missing, and two classes."""
    random = np.random.default_rng(seed)
    ill = random.permutation(np.arange(rows) % 2)
    frame = pd.DataFrame({f"g{i}": random.standard_normal(rows) + 1.5 * ill for i in (1, 2, 3)})
    frame["age"] = 50 + 10 * random.standard_normal(rows) + 8 * ill
    chances = random.random(rows)
    frame["stage"] = np.where(chances < 0.3 + 0.5 * ill, "late", np.where(chances > 0.9, "?", "no"))
    frame["smokes"] = np.where(random.random(rows) < 0.3 + 0.4 * ill, "yes", "no")
    return frame.mask(random.random(frame.shape) < 0.1), np.where(ill, "ill", "well")


def log_loss(table: np.ndarray, labels: np.ndarray) -> float:
    return -float(np.log(table[np.arange(len(labels)), (labels == "well").astype(int)]).mean())


@pytest.fixture(scope="module")
def fitted() -> mm.MachineClassifier:
    return mm.MachineClassifier(MODALITIES, **SMALL | {"epochs": 14}).fit(*patients(70))


@pytest.mark.parametrize("given", [None, ["clinical"], ["genes"]])
def test_one_machine_tells_by_any_modality(fitted, given):
    frame, labels = patients(300, seed=1)
    assert log_loss(fitted.predict_proba(frame, given), labels) < 0.63
    names = ["clinical", "genes"] if given is None else given
    columns = [c for m in names for c in MODALITIES[m]]
    np.testing.assert_allclose(
        fitted.predict_proba(frame[columns]), fitted.predict_proba(frame, given), atol=1e-12
    )


def test_states_and_numbers_are_units_of_their_own(fitted):
    variables = {v.name: (v.family, v.shape) for v in fitted.machine_.visible}
    assert variables == {
        "clinical.numbers": ("gaussian", (1,)),
        "clinical.states3": ("categorical", (1,)),
        "clinical.states2": ("categorical", (1,)),
        "genes.numbers": ("gaussian", (3,)),
    }
    frame, _ = patients(4, seed=2)
    known = fitted.predict_proba(frame.assign(stage="late"), ["clinical"])
    other = fitted.predict_proba(frame.assign(stage="no"), ["clinical"])
    assert (known[:, 0] > other[:, 0]).all()


def test_training_rows_may_lack_modalities():
    frame, labels = patients()
    frame.loc[::3, MODALITIES["genes"]] = np.nan
    frame.loc[1::3, MODALITIES["clinical"]] = np.nan
    frame.loc[:4] = np.nan
    clf = mm.MachineClassifier(MODALITIES, temper=False, **SMALL).fit(frame, labels)
    test, truth = patients(300, seed=1)
    assert log_loss(clf.predict_proba(test), truth) < 0.5


def test_columns_that_do_not_vary_and_modalities_that_are_never_there():
    frame, labels = patients(40)
    frame = frame.assign(age=1.0, stage="no", g1=np.nan, g2=np.nan, g3=np.nan)
    clf = mm.MachineClassifier(MODALITIES, **SMALL | {"epochs": 2}).fit(frame, labels)
    assert clf.told_ == ("clinical",)
    assert [v.name for v in clf.machine_.visible] == ["clinical.states2"]
    with pytest.raises(LearningError, match="no modality of the data frame tells"):
        clf.fit(frame.assign(smokes="no"), labels)


def test_without_any_modality_the_prior(fitted):
    frame, _ = patients(5)
    prior = np.full((5, 2), 0.5)
    np.testing.assert_array_equal(fitted.predict_proba(frame, given=[]), prior)
    plain = mm.MachineClassifier(MODALITIES, temper=False, **ONCE).fit(*patients(40))
    for clf in (fitted, plain):
        with pytest.warns(PriorWarning) as caught:
            table = clf.predict_proba(frame.mask(frame.notna()))
        assert len(caught) == 1
        np.testing.assert_array_equal(table, prior)


def test_warnings_of_training_stand_where_fit_was_called():
    frame, labels = patients(60)
    untrained = mm.MachineClassifier(MODALITIES, hidden=2, joint=2, epochs=1)
    with pytest.warns(UselessLabelsWarning) as caught:
        untrained.fit(frame, labels)
    assert {one.filename for one in caught} == {__file__}


@pytest.mark.slow
def test_powers_make_it_modest_on_other_groups():
    """What is learned in some groups says nothing of another."""
    random = np.random.default_rng(0)
    groups, ill = np.arange(240) // 40, np.arange(240) % 2
    means = 2 * random.standard_normal((6, 2, 6))
    table = random.standard_normal((240, 6)) + means[groups, ill]
    labels, old = np.where(ill, "ill", "well"), groups < 5
    losses = {}
    for temper in (True, False):
        clf = mm.MachineClassifier(temper=temper, **SMALL | {"epochs": 30})
        clf.fit(table[old], labels[old], groups=groups[old])
        losses[temper] = log_loss(clf.predict_proba(table[~old]), labels[~old])
    assert losses[True] < losses[False]
    assert losses[True] < 0.8


def test_seeds_and_options_of_scikit_learn():
    frame, labels = patients(40)
    clf = mm.MachineClassifier(MODALITIES, temper=False, **ONCE)
    first = clf.fit(frame, labels).predict_proba(frame)
    np.testing.assert_array_equal(clone(clf).fit(frame, labels).predict_proba(frame), first)
    other = clone(clf).set_params(random_state=1).fit(frame, labels)
    assert abs(other.predict_proba(frame) - first).max() > 1e-3
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(), clf), {"machineclassifier__joint": [2, 4]}, cv=2
    )
    search.fit(frame, labels)
    assert search.best_params_["machineclassifier__joint"] in (2, 4)
    table = cross_val_predict(clf, frame, labels, cv=2, method="predict_proba")
    np.testing.assert_allclose(table.sum(1), 1)


def test_rows_count_by_their_weights():
    frame, labels = patients(40)
    clf = mm.MachineClassifier(MODALITIES, temper=False, **SMALL | {"epochs": 5})
    first = clf.fit(frame, labels, sample_weight=np.r_[np.zeros(20), np.full(20, 2.0)])
    second = clone(clf).fit(frame[20:], labels[20:])
    np.testing.assert_array_equal(first.predict_proba(frame), second.predict_proba(frame))
    ill = clone(clf).fit(frame, labels, sample_weight=1.0 + 8 * (labels == "ill"))
    even = clone(clf).fit(frame, labels).predict_proba(frame)[:, 0].mean()
    np.testing.assert_allclose(ill.prior_, [0.9, 0.1])
    assert ill.predict_proba(frame)[:, 0].mean() > even + 0.05


def test_images_and_sequences_are_numbers():
    random = np.random.default_rng(0)
    codes = np.arange(60) % 2
    data = mm.MultimodalData.of(
        {
            "image": random.standard_normal((60, 3, 3)) + codes[:, None, None],
            "walk": [random.standard_normal((4 + code, 2)) for code in codes],
        },
        np.where(codes, "ill", "well"),
    )
    clf = mm.MachineClassifier(temper=False, **SMALL).fit(data)
    assert clf.told_ == ("image", "walk")
    assert (clf.predict(data) == np.where(codes, "ill", "well")).mean() > 0.9


def test_what_cannot_be_learned():
    frame, labels = patients(40)
    for options, message in (
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"joint": 0}, "'joint' must have a whole number of units"),
        ({"hidden": (4, -1)}, "must have a whole number of units"),
    ):
        with pytest.raises(mm.graph.errors.MmgraphError, match=message):
            mm.MachineClassifier(MODALITIES, **SMALL | options).fit(frame, labels)
    texts = mm.MultimodalData.of({"note": ["a", "b"] * 20, "genes": frame[["g1"]]}, labels)
    with pytest.raises(LearningError, match="'note' of the data is of texts"):
        mm.MachineClassifier().fit(texts)


@pytest.mark.slow
@parametrize_with_checks(
    [mm.MachineClassifier(hidden=8, joint=8, epochs=8, temper=False)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "weights draw as many rows, and no more",
    },
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
