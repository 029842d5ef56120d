"""The classifier as users of scikit-learn meet it: frames, missing cells, folds, searches."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.data.folds import SplitWarning
from mmgraph.data.inferred_states import ManyStatesWarning
from mmgraph.data.reading import UnknownStateWarning
from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    MmgraphError,
    SchemaError,
    UnknownVariableError,
)
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.inputs import UnusedColumnsWarning
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
from mmgraph.predictors.pooling.placement import SilentModalityWarning

MODALITIES = {"clinical": ["age", "stage"], "genes": ["g1", "g2", "g3"]}


def patients(
    rows: int = 90, seed: int = 0, missing: float = 0.0
) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    ill = random.permutation(np.arange(rows) % 2)
    frame = pd.DataFrame({f"g{i}": random.standard_normal(rows) + ill for i in (1, 2, 3)})
    frame["age"] = 50 + 10 * random.standard_normal(rows) + 8 * ill
    frame["stage"] = np.where(random.random(rows) < 0.3 + 0.4 * ill, "late", "early")
    if missing:
        frame = frame.mask(random.random(frame.shape) < missing)
    return frame, np.where(ill, "ill", "well")


def small(**options) -> MultimodalClassifier:
    options = {"leaves": ("logistic",), "joint": (), "folds": 3} | options
    return MultimodalClassifier(MODALITIES, **options)


def loss(table: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(table[np.arange(len(labels)), (labels == "well").astype(int)]).mean())


def test_any_modality_may_be_missing():
    frame, labels = patients(300)
    test, truth = patients(600, seed=1)
    clf = small(joint=("logistic",)).fit(frame, labels)
    assert clf.classes_.tolist() == ["ill", "well"]
    both = clf.predict_proba(test)
    alone = {name: clf.predict_proba(test, given=[name]) for name in MODALITIES}
    assert loss(both, truth) < loss(alone["genes"], truth) < loss(alone["clinical"], truth) < 0.69
    for name, columns in MODALITIES.items():
        others = [c for c in test if c not in columns]
        expected = clf.predict_proba(test, given=[n for n in MODALITIES if n != name])
        np.testing.assert_allclose(clf.predict_proba(test[others]), expected)
        np.testing.assert_allclose(
            clf.predict_proba(test.assign(**dict.fromkeys(columns))), expected
        )
    prior = clf.predict_proba(test, given=[])
    np.testing.assert_allclose(prior, np.tile([0.5, 0.5], (600, 1)))
    assert (clf.predict(test) == clf.classes_[both.argmax(1)]).all()
    assert clf.score(test, truth) > 0.8


def test_missing_cells_cost_little():
    frame, labels = patients(300, missing=0.2)
    whole, _ = patients(300)
    test, truth = patients(600, seed=1, missing=0.2)
    sparse = loss(small().fit(frame, labels).predict_proba(test), truth)
    complete, truth = patients(600, seed=1)
    assert sparse < loss(small().fit(whole, labels).predict_proba(complete), truth) + 0.12
    assert sparse < 0.5


def test_every_kind_of_leaf_and_classifiers_of_ones_own():
    frame, labels = patients(60)
    clf = MultimodalClassifier(
        MODALITIES,
        leaves={
            "genes": ("mixture", "trees", "kernel", EncoderLeaf(GaussianNB())),
            "clinical": ("trees",),
        },
        joint=("logistic",),
        folds=2,
    ).fit(frame, labels)
    names = [leaf.place.name for leaf in clf.model_.leaves]
    genes = ["genes_mixture", "genes_trees", "genes_kernel", "genes_encoder_3"]
    assert names == ["clinical_trees", *genes, "joint_logistic"]
    assert clf.score(frame, labels) > 0.8


def test_scikit_learn_clones_searches_and_predicts_by_groups():
    frame, labels = patients(90)
    groups = np.repeat(np.arange(9), 10)
    clf = small()
    assert clone(clf).get_params() == clf.get_params()
    table = cross_val_predict(
        clf, frame, labels, groups=groups, cv=GroupKFold(3), method="predict_proba"
    )
    by_hand = np.zeros_like(table)
    for training, test in GroupKFold(3).split(frame, labels, groups):
        fitted = clone(clf).fit(frame.iloc[training], labels[training])
        by_hand[test] = fitted.predict_proba(frame.iloc[test])
    np.testing.assert_allclose(table, by_hand)
    search = GridSearchCV(clf, {"leaves": [("logistic",), ("mixture",)]}, cv=3, n_jobs=1)
    assert search.fit(frame, labels).best_score_ > 0.7
    piped = make_pipeline(FunctionTransformer(lambda f: f.assign(g1=f["g1"] * 2)), small())
    assert piped.fit(frame, labels).score(frame, labels) > 0.8
    again = pickle.loads(pickle.dumps(clf.fit(frame, labels)))
    np.testing.assert_array_equal(again.predict_proba(frame), clf.predict_proba(frame))


def test_the_same_seed_gives_the_same_answers():
    frame, labels = patients(60)
    first, second = (
        small(leaves=(EncoderLeaf(ExtraTreesClassifier(20)),), random_state=3)
        .fit(frame, labels)
        .predict_proba(frame)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_rows_of_several_modalities():
    frame, labels = patients(60)
    parts = {name: frame[columns] for name, columns in MODALITIES.items()}
    data = mm.MultimodalData.of(parts, labels)
    by_data = small().fit(data)
    assert by_data.classes_.tolist() == ["ill", "well"]
    by_frame = small().fit(frame[[c for columns in MODALITIES.values() for c in columns]], labels)
    np.testing.assert_allclose(by_data.predict_proba(data), by_frame.predict_proba(frame))
    with pytest.raises(LearningError, match="learned from MultimodalData: give such to it"):
        by_data.predict_proba(frame)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": None}, LearningError, "requires y to be passed"),
        ({"labels": ["ill"] * 60}, LearningError, r"one class only, \['ill'\]"),
        ({"labels": ["ill", None] * 30}, LearningError, "rows have no label, the first is row 1:"),
        (
            {"labels": ["odd", *["ill", "well"] * 29, "ill"]},
            MmgraphError,
            "'odd' .* has 1 rows, fewer",
        ),
        ({"modalities": {"a": ["g1"], "b": ["g1"]}}, SchemaError, "'g1' stands in 'a' and in 'b'"),
        ({"modalities": {"a": ["g4"]}}, SchemaError, "the table has no column 'g4'"),
        ({"leaves": ("tree",)}, LearningError, "no leaf is called 'tree'; did you mean 'trees'"),
        ({"frame": np.zeros(60)}, ValueError, "Expected 2D array, got 1D array"),
    ],
)
def test_what_cannot_be_learned_from(change, error, message):
    frame, labels = patients(60)
    options = {k: v for k, v in change.items() if k in ("leaves",)}
    clf = MultimodalClassifier(change.get("modalities", MODALITIES), folds=2, **options)
    with pytest.raises(error, match=message):
        clf.fit(change.get("frame", frame), change.get("labels", labels))


def test_warnings_and_refusals_by_name():
    frame, labels = patients(60)
    with pytest.warns(UnusedColumnsWarning, match="in no modality, and not looked at: 'name'"):
        clf = small().fit(frame.assign(name="x"), labels)
    with pytest.raises(UnknownVariableError, match="no modality 'gene'; did you mean 'genes'"):
        clf.predict_proba(frame, given=["gene"])
    with pytest.warns(UnknownStateWarning, match="row 0: 'stage' has the state 'final'"):
        odd = clf.predict_proba(frame.head(1).assign(stage="final"))
    np.testing.assert_allclose(odd, clf.predict_proba(frame.head(1).assign(stage=None)))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"age": np.nan, "stage": None}, "'clinical' of the data frame is missing in every row"),
        ({"age": 50.0, "stage": "late"}, "'clinical' of the data frame is constant"),
    ],
)
def test_a_modality_that_tells_nothing_is_left_out(cells, message):
    frame, labels = patients(60)
    with pytest.warns(SilentModalityWarning, match=message):
        clf = small(leaves=("mixture", "trees")).fit(frame.assign(**cells), labels)
    assert clf.model_.modalities == ("genes",)
    prior = [[0.5, 0.5]]
    np.testing.assert_allclose(clf.predict_proba(frame.head(1), given=["clinical"]), prior)
    np.testing.assert_allclose(
        clf.predict_proba(frame, given=["genes", "clinical"]), clf.predict_proba(frame)
    )
    nothing = frame.assign(**dict.fromkeys(frame.columns, np.nan))
    with (
        pytest.warns(SilentModalityWarning),
        pytest.raises(LearningError, match="no modality of the data frame tells anything"),
    ):
        small().fit(nothing, labels)


def test_texts_all_alike_are_left_out_and_modalities_that_never_meet_have_no_joint_leaves():
    frame, labels = patients(60)
    numbers = frame[["g1", "g2"]].to_numpy()
    halves = np.arange(60)[:, None] % 4 < 2
    data = mm.MultimodalData.of(
        {
            "left": np.where(halves, numbers, np.nan),
            "right": np.where(halves, np.nan, numbers),
            "note": ["stable"] * 60,
        },
        labels.tolist(),
    )
    with pytest.warns(SilentModalityWarning) as warned:
        clf = small(joint=("logistic",)).fit(data)
    told = " ".join(str(w.message) for w in warned)
    assert "'note' of the data is constant" in told
    assert "have all of left, right: there are no joint leaves" in told
    assert np.isfinite(clf.predict_proba(data)).all()


def test_rows_without_anything_have_the_prior_with_a_warning():
    frame, labels = patients(60)
    clf = small().fit(frame, labels)
    rows = frame.head(3).assign(g1=[1.0, np.nan, np.nan])
    rows.loc[[1, 2], ["g2", "g3"]] = np.nan
    with pytest.warns(PriorWarning, match=r"rows 1, 2 have none of the modalities looked at \("):
        table = clf.predict_proba(rows, given="genes")
    np.testing.assert_allclose(table[1:], np.full((2, 2), 0.5))
    np.testing.assert_array_equal(table, clf.predict_proba(rows, given=["genes"]))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (range(60), "each of the 60 rows is a 'group' of its own"),
        ([7] * 60, "all 60 rows are of one 'group'"),
    ],
)
def test_groups_that_keep_nothing_apart(groups, message):
    frame, labels = patients(60)
    with pytest.warns(SplitWarning, match=message):
        small().fit(frame, labels, groups=groups)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, LearningError, "two folds or more, not 1"),
        ({"leaves": ()}, LearningError, "there are no leaves"),
        ({"leaves": {"gene": ("trees",)}}, UnknownVariableError, "no modality 'gene'"),
        ({"modalities": ["age"]}, SchemaError, "a dictionary, of each its columns, not list"),
    ],
)
def test_options_that_are_none(options, error, message):
    frame, labels = patients(60)
    with pytest.raises(error, match=message):
        small().set_params(**options).fit(frame, labels)


def test_texts_for_rows_and_texts_among_numbers():
    frame, labels = patients(60)
    for wrong in ({"y": "ill"}, {"y": labels, "groups": "patient"}):
        with pytest.raises(LearningError, match="has a value for each row, and is no name"):
            small().fit(frame, **wrong)
    with pytest.raises(LearningError, match=r"not the path 'rows\.csv'"):
        small().fit("rows.csv", labels)
    odd = frame.assign(g1=[*frame["g1"].astype(str)[:59], "n/a"])
    with pytest.raises(EvidenceError, match=r"'g1' .* but for 'n/a' \(row 59\)"):
        small().fit(odd, labels)
    clf = small().fit(frame, labels)
    with pytest.raises(EvidenceError, match="row 59: 'g1' is no number: 'n/a'"):
        clf.predict_proba(odd)
    with pytest.raises(SchemaError, match="two columns of the table are called 'g1'"):
        small().fit(pd.concat([frame, frame[["g1"]]], axis=1), labels)


def test_data_of_other_columns_states_and_groups():
    frame, labels = patients(60)
    data = mm.MultimodalData.of({"genes": frame[["g1", "g2"]], "stage": frame[["stage"]]}, labels)
    clf = small().fit(data)
    for other in (
        {"genes": frame[["g2", "g1"]], "stage": frame[["stage"]]},
        {"genes": frame[["g1"]], "stage": frame[["stage"]]},
        {"genes": frame[["g1", "g2"]], "stage": frame[["stage"]].replace("late", "final")},
    ):
        with pytest.raises(SchemaError, match="is not what was learned from"):
            clf.predict_proba(mm.MultimodalData.of(other))
    with pytest.raises(LearningError, match="have groups and weights of their own"):
        small().fit(data, groups=labels)
    with pytest.raises(LearningError, match="all rows of the data have the label 'ill'"):
        small().fit(data.rows(labels == "ill"))


def test_numbered_columns_classes_seeds_and_fits_again():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2 + 5
    frame = pd.DataFrame(random.standard_normal((60, 3)) + labels[:, None])
    clf = small(random_state=np.random.RandomState(3)).set_params(
        modalities={"a": [0], "b": [1, 2]}
    )
    clf.fit(frame, labels)
    assert clf.explain(frame.head(1)).classes == (5, 6)
    assert clf.n_features_in_ == 3
    clf.set_params(modalities={"a": ["0", "1"]}, random_state=None)
    with pytest.warns(UnusedColumnsWarning, match="not looked at: '2'"):
        clf.fit(frame, labels)
    assert clf.feature_names_in_.tolist() == ["0", "1"]


def test_what_a_row_is_told_by():
    frame, labels = patients(60)
    clf = small().fit(frame, labels)
    told = clf.explain(frame.iloc[:1])
    np.testing.assert_allclose(told.posterior, clf.predict_proba(frame.iloc[:1]))
    np.testing.assert_allclose(
        told.without["genes"], clf.predict_proba(frame.iloc[:1], ["clinical"])
    )
    assert set(told.to_frame()["modality"]) == {"clinical", "genes"}


WORDS = {"ill": "cough fever cough tired", "well": "good rested sleeps well"}


def recordings(rows: int = 120, seed: int = 0) -> mm.MultimodalData:
    """Sequences of unequal length that differ in frequency, texts that differ in words."""
    random = np.random.default_rng(seed)
    labels = np.where(random.permutation(np.arange(rows) % 2), "ill", "well")
    waves, notes = [], []
    for label in labels:
        steps = np.arange(random.integers(20, 60))
        wave = np.sin(steps * (1.5 if label == "ill" else 0.9) + 6 * random.random())
        waves.append(wave + random.standard_normal(len(steps)))
        words = WORDS[label if random.random() < 0.8 else "ill"].split()
        notes.append(" ".join(["the patient", *random.choice(words, 3)]))
    waves[0], notes[1], notes[2] = None, None, ""
    return mm.MultimodalData.of(
        {"wave": waves, "note": notes, "age": random.standard_normal((rows, 1))}, labels
    )


def test_sequences_and_texts_tell_states_apart(tmp_path):
    clf = MultimodalClassifier(leaves=("logistic",), joint=("logistic",), folds=3)
    clf.fit(recordings())
    names = [leaf.place.name for leaf in clf.model_.leaves]
    assert names == ["wave_logistic", "note_words", "age_logistic", "joint_logistic"]
    assert clf.model_.leaves[-1].place.modalities == ("wave", "age")
    test = recordings(200, seed=1)
    truth = np.array(test.target.labels)[test.codes]
    losses = {}
    for given in (None, "wave", "note", "age"):
        losses[given] = loss(clf.predict_proba(test, given), truth)
    assert losses[None] < min(losses["wave"], losses["note"]) < 0.5
    assert max(losses["wave"], losses["note"]) < 0.6 < losses["age"]
    told = clf.explain(test.rows(np.array([1, 2])), features=True)
    assert ("wave", "wave[0]") in told.features
    assert ("age", "age[0]") in told.features
    assert not [name for modality, name in told.features if modality == "note"]
    note = told.leaves.index(("note", "words"))
    assert not told.nats[note, 0].any()  # no text
    assert np.abs(told.nats[note, 1]).max() < np.abs(clf.explain(test).nats[note]).max()
    row = np.flatnonzero(["cough" in (text or "") for text in test.blocks["note"].values])[:1]
    told = clf.explain(test.rows(row), features=True)
    cough = told.feature_nats[told.features.index(("note", "cough")), 0]
    assert cough[0] > 0 > cough[1]
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    np.testing.assert_array_equal(again.predict_proba(test), clf.predict_proba(test))


def test_leaves_that_do_not_suit_a_modality():
    data = recordings(40)
    with pytest.raises(LearningError, match=r"'trees' sees nothing of .* 'note'.*texts"):
        MultimodalClassifier(leaves={"note": ("trees",)}, folds=2).fit(data)
    clf = MultimodalClassifier(leaves=("words",), joint=(), folds=2).fit(data)
    assert [leaf.place.name for leaf in clf.model_.leaves] == ["note_words"]


@parametrize_with_checks(
    [MultimodalClassifier(leaves=(EncoderLeaf(LogisticRegression()),), folds=2)],
    expected_failed_checks=lambda _: {
        f"check_sample_weight_equivalence_on_{kind}_data": "folds are of rows, whatever they count"
        for kind in ("dense", "sparse")
    },
)
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def noted(rows: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    """Patients with free texts, of which some are missing."""
    frame, labels = patients(rows)
    random = np.random.default_rng(1)
    words = np.where(labels == "ill", "severe pain", "good sleep")
    days = random.permutation(rows)
    texts = [f"reports {w} since {d} days" for w, d in zip(words, days, strict=True)]
    return frame.assign(note=[None if i % 5 == 0 else t for i, t in enumerate(texts)]), labels


def test_a_column_of_texts_alone_is_a_modality_of_texts(tmp_path):
    frame, labels = noted()
    modalities = {"genes": ["g1", "g2", "g3"], "note": ["note"]}
    classifier = MultimodalClassifier(modalities, leaves=("logistic",), joint=(), folds=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ManyStatesWarning)
        classifier.fit(frame[["g1", "g2", "g3", "note"]], labels)
    assert {leaf.place.name for leaf in classifier.model_.leaves} == {
        "genes_logistic",
        "note_words",
    }
    new = pd.DataFrame({"note": ["severe pain since a week", "good sleep and no pain"]})
    assert classifier.predict(new).tolist() == ["ill", "well"]
    classifier.save(tmp_path / "noted.mmgraph")
    np.testing.assert_array_equal(
        mm.read(tmp_path / "noted.mmgraph").predict_proba(new), classifier.predict_proba(new)
    )


def test_texts_among_columns_stay_states_with_a_remedy():
    frame, labels = noted()
    modalities = {"all": ["g1", "note"]}
    with pytest.warns(ManyStatesWarning, match="make it a text .* leave it out of the mod") as of:
        MultimodalClassifier(modalities, leaves=("logistic",), folds=3).fit(
            frame[["g1", "note"]], labels
        )
    assert [one.filename for one in of] == [__file__] * len(of)
    clinical = MultimodalClassifier({"clinical": ["stage"]}, leaves={"clinical": ("words",)})
    with pytest.raises(LearningError, match=r"of columns: a column of texts .* is 'text' \(Mu"):
        clinical.fit(frame[["stage"]], labels)


def test_groups_reach_fit_where_metadata_are_routed():
    frame, labels = patients()
    clf = small().set_params(folds=2)
    with sklearn.config_context(enable_metadata_routing=True):
        clf.set_fit_request(groups=True)
        with pytest.warns(SplitWarning, match="each of the 60 rows is a 'group' of its own"):
            cross_val_predict(
                clf, frame, labels, cv=GroupKFold(3), params={"groups": np.arange(90)}
            )


def test_scikit_learn_splits_multimodal_data():
    frame, labels = patients()
    data = mm.MultimodalData.of({m: frame[c] for m, c in MODALITIES.items()})
    of_frame = cross_val_score(small(), frame, labels, cv=3)
    np.testing.assert_array_equal(
        cross_val_score(small().set_params(modalities=None), data, labels, cv=3), of_frame
    )
