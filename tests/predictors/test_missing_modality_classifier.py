"""Any classifier with any modality missing: against the same classifier fitted by hand."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.predictors.missing_modality_classifier import MissingModalityClassifier
from mmgraph.predictors.predictor import Predictor

MODALITIES = {"clinical": ["age", "weight"], "genes": ["g1", "g2", "g3"]}
COLUMNS = [c for columns in MODALITIES.values() for c in columns]


def patients(rows: int = 120, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    ill = random.permutation(np.arange(rows) % 2)
    common = random.standard_normal(rows)
    frame = pd.DataFrame(
        {c: 0.4 * common + 0.9 * random.standard_normal(rows) + ill for c in COLUMNS}
    )
    return frame, np.where(ill, "ill", "well")


def wrapped(**options) -> MissingModalityClassifier:
    return MissingModalityClassifier(LogisticRegression(), MODALITIES, **options)


def test_each_set_of_modalities_has_its_own_estimator():
    frame, labels = patients()
    partial = frame.copy()
    partial.loc[:30, MODALITIES["genes"]] = np.nan
    partial.loc[31:50, MODALITIES["clinical"]] = np.nan
    clf = wrapped().fit(partial, labels)
    assert list(clf.estimators_) == [("clinical", "genes")]
    test, _ = patients(seed=1)
    for given, rows in (
        (["clinical", "genes"], slice(51, None)),
        (["genes"], slice(31, None)),
        (["clinical"], np.r_[0:31, 51:120]),
    ):
        columns = [c for m in given for c in MODALITIES[m]]
        by_hand = LogisticRegression().fit(frame[columns].iloc[rows], labels[rows])
        expected = by_hand.predict_proba(test[columns])
        np.testing.assert_allclose(clf.predict_proba(test, given=given), expected, atol=1e-12)
        np.testing.assert_allclose(clf.predict_proba(test[columns]), expected, atol=1e-12)
    assert len(clf.estimators_) == 3
    mixed = test.copy()
    mixed.loc[::2, MODALITIES["genes"]] = np.nan
    answers = clf.predict_proba(mixed)
    np.testing.assert_allclose(answers[::2], clf.predict_proba(test, ["clinical"])[::2])
    np.testing.assert_allclose(answers[1::2], clf.predict_proba(test)[1::2])


@pytest.mark.parametrize("missing", ["reduced_models", "imputation"])
def test_without_any_modality_the_prior(missing):
    frame, labels = patients()
    labels[:30] = "ill"
    clf = wrapped(missing=missing).fit(frame, labels)
    prior = [(labels == "ill").mean(), (labels == "well").mean()]
    np.testing.assert_allclose(clf.predict_proba(frame, given=[]), np.tile(prior, (120, 1)))
    nothing = frame.assign(**dict.fromkeys(COLUMNS, np.nan))
    np.testing.assert_allclose(clf.predict_proba(nothing), np.tile(prior, (120, 1)))
    assert isinstance(clf, Predictor)


def test_imputed_cells_are_conditional_means():
    """Two features that are copies up to noise: a missing one is told by the other."""
    random = np.random.default_rng(0)
    first = random.standard_normal(400) * 3 + 7
    frame = pd.DataFrame({"a": first, "b": 2 * first + 0.01 * random.standard_normal(400)})
    labels = (first + 0.5 * random.standard_normal(400) > 7).astype(int)
    modalities = {"one": ["a"], "other": ["b"]}
    clf = MissingModalityClassifier(LogisticRegression(), modalities, missing="imputation")
    clf.fit(frame, labels)
    np.testing.assert_allclose(
        clf.predict_proba(frame),
        LogisticRegression().fit(frame, labels).predict_proba(frame),
        atol=1e-12,
    )
    assert np.abs(clf.predict_proba(frame, ["one"]) - clf.predict_proba(frame)).max() < 0.05
    constant = frame.assign(b=5.0)
    constant.loc[0, "b"] = np.nan  # what does not vary is filled in by its value
    clf.fit(constant, labels)
    by_hand = LogisticRegression().fit(SimpleImputer().fit_transform(constant), labels)
    expected = by_hand.predict_proba(constant.fillna(5.0))
    np.testing.assert_allclose(clf.predict_proba(constant), expected, atol=1e-12)


def test_missing_cells_cost_less_than_the_column():
    frame, labels = patients(400)
    test, truth = patients(2000, seed=1)
    sparse = test.mask(np.random.default_rng(2).random(test.shape) < 0.2)
    for missing in ("reduced_models", "imputation"):
        clf = wrapped(missing=missing).fit(frame, labels)
        alone = clf.score(test[MODALITIES["clinical"]], truth)
        assert alone < clf.score(sparse, truth) < clf.score(test, truth)


def test_classes_that_no_row_of_a_set_has():
    frame, labels = patients()
    labels = np.where(np.arange(120) < 20, "unclear", labels)
    frame.loc[:19, MODALITIES["genes"]] = np.nan
    clf = wrapped().fit(frame, labels)
    table = clf.predict_proba(frame, given=["genes"])[20:]
    unclear = clf.classes_.tolist().index("unclear")
    np.testing.assert_allclose(table[:, unclear], 20 / 120)
    np.testing.assert_allclose(table.sum(1), 1)
    # Of one class alone no estimator can be fitted: the prior stands.
    frame.loc[20:, MODALITIES["clinical"]] = np.nan
    clf = wrapped().fit(frame, labels)
    np.testing.assert_allclose(clf.predict_proba(frame.head(1))[0], clf.prior_)


def test_sets_named_beforehand_and_no_rows_held():
    frame, labels = patients()
    clf = wrapped(sets=[["genes"], ["genes", "clinical"]]).fit(frame, labels)
    assert set(clf.estimators_) == {("genes",), ("clinical", "genes")}
    assert clf.training_rows_ is None
    np.testing.assert_allclose(
        clf.predict_proba(frame, ["genes"]),
        wrapped().fit(frame, labels).predict_proba(frame, ["genes"]),
    )
    with pytest.raises(LearningError, match="fitted to the modalities clinical; the sets that"):
        clf.predict_proba(frame, ["clinical"])


def test_scikit_learn_clones_searches_and_predicts_by_groups():
    frame, labels = patients()
    groups = np.repeat(np.arange(12), 10)
    clf = wrapped()
    assert str(clone(clf).get_params()) == str(clf.get_params())
    table = cross_val_predict(
        clf, frame, labels, groups=groups, cv=GroupKFold(3), method="predict_proba"
    )
    for training, test in GroupKFold(3).split(frame, labels, groups):
        by_hand = LogisticRegression().fit(frame.iloc[training], labels[training])
        np.testing.assert_allclose(table[test], by_hand.predict_proba(frame.iloc[test]), atol=1e-9)
    search = GridSearchCV(clf, {"estimator__C": [1e-4, 1.0], "missing": ["imputation"]}, cv=3)
    assert search.fit(frame, labels).best_score_ > 0.7
    piped = make_pipeline(FunctionTransformer(lambda f: f.assign(g1=f["g1"] * 2)), clf)
    assert piped.fit(frame, labels).score(frame, labels) > 0.75
    again = pickle.loads(pickle.dumps(clf.fit(frame, labels)))
    np.testing.assert_array_equal(
        again.predict_proba(frame, ["genes"]), clf.predict_proba(frame, ["genes"])
    )


def test_rows_of_several_modalities_and_weights():
    frame, labels = patients()
    parts = {name: frame[columns] for name, columns in MODALITIES.items()}
    counts = np.random.default_rng(0).integers(0, 3, 120).astype(float)
    data = mm.MultimodalData.of(parts, labels, weights=counts)
    clf = wrapped().fit(data)
    repeated = np.repeat(np.arange(120), counts.astype(int))
    by_hand = LogisticRegression().fit(frame.iloc[repeated], labels[repeated])
    np.testing.assert_allclose(
        clf.predict_proba(data), by_hand.predict_proba(frame), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        clf.prior_, [(labels[repeated] == name).mean() for name in clf.classes_]
    )
    with pytest.raises(LearningError, match="takes no weights of rows"):
        MissingModalityClassifier(KNeighborsClassifier()).fit(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "impute"}, "missing='impute'; did you mean 'imputation'"),
        ({"missing": "imputation", "sets": [["genes"]]}, "imputation has one estimator"),
        ({"estimator": RidgeClassifier()}, "has no predict_proba"),
    ],
)
def test_what_cannot_be_learned_with(options, message):
    frame, labels = patients()
    with pytest.raises(LearningError, match=message):
        wrapped().set_params(**options).fit(frame, labels)


def test_refusals_by_name():
    frame, labels = patients()
    clf = wrapped().fit(frame, labels)
    with pytest.raises(UnknownVariableError, match="no modality 'gene'; did you mean 'genes'"):
        clf.predict_proba(frame, given=["gene"])
    with pytest.raises(UnknownVariableError, match="no modality 'gene'"):
        wrapped(sets=[["gene"]]).fit(frame, labels)
    frame.loc[:59, MODALITIES["genes"]] = np.nan
    frame.loc[60:, MODALITIES["clinical"]] = np.nan
    apart = wrapped().fit(frame, labels)
    full, _ = patients(seed=1)
    with pytest.raises(LearningError, match="no training row has all of the modalities"):
        apart.predict_proba(full)
    assert np.isfinite(wrapped(missing="imputation").fit(frame, labels).predict_proba(full)).all()
    with pytest.raises(LearningError, match=r"every modality of .* is missing in every row"):
        wrapped().fit(frame.assign(**dict.fromkeys(COLUMNS, np.nan)), labels)


@parametrize_with_checks(
    [
        MissingModalityClassifier(LogisticRegression()),
        MissingModalityClassifier(RandomForestClassifier(5, random_state=0), missing="imputation"),
    ],
    expected_failed_checks=lambda clf: (
        {
            f"check_sample_weight_equivalence_on_{kind}_data": "the forest itself fails it: "
            "bootstraps draw rows, whatever they count"
            for kind in ("dense", "sparse")
        }
        if isinstance(clf.estimator, RandomForestClassifier)
        else {}
    ),
)
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
