"""What every classifier of rows does alike."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.data.copies import CopiesWarning
from mmgraph.data.folds import SplitWarning
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    MmgraphError,
    SchemaError,
    UnknownVariableError,
)
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.inputs import UnusedColumnsWarning
from mmgraph.predictors.pooling.placement import SilentModalityWarning
from mmgraph.predictors.predictor import Predictor

MODALITIES = {"one": ["a", "b"], "other": ["c"]}


def rows() -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    frame = pd.DataFrame(random.standard_normal((60, 3)) + labels[:, None], columns=list("abc"))
    return frame, labels


@pytest.fixture(params=["pooled", "network", "wrapped", "machine", "deep"])
def classifier(request):
    return {
        "deep": mm.DeepClassifier(MODALITIES, members=2, width=4, training={"epochs": 1}),
        "machine": mm.MachineClassifier(MODALITIES, hidden=3, joint=2, epochs=1, folds=2),
        "pooled": mm.MultimodalClassifier(MODALITIES, leaves=("logistic",), joint=(), folds=2),
        "network": mm.BayesianNetworkClassifier(MODALITIES, folds=2),
        "wrapped": mm.MissingModalityClassifier(LogisticRegression(), MODALITIES),
    }[request.param]


def test_rows_labels_and_answers(classifier):
    frame, labels = rows()
    assert classifier.fit(frame, labels) is classifier
    assert isinstance(classifier, Predictor)
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.feature_names_in_.tolist() == ["a", "b", "c"]
    for given in (None, ["one"], ["other"], []):
        table = classifier.predict_proba(frame, given=given)
        np.testing.assert_allclose(table.sum(1), 1)
        np.testing.assert_array_equal(classifier.predict(frame, given), table.argmax(1))
    np.testing.assert_allclose(classifier.predict_proba(frame, given=[]), 1 / 3)
    with pytest.raises(UnknownVariableError, match="no modality 'two'"):
        classifier.predict_proba(frame, given=["two"])


def test_warnings_stand_where_fit_was_called(classifier):
    frame, labels = rows()
    with pytest.warns(UnusedColumnsWarning) as caught:
        classifier.fit(frame.assign(d=1.0), labels)
    assert caught[0].filename == __file__


def test_renamed_columns_are_named():
    frame, labels = rows()
    frame = frame.rename(columns={"a": "crp_level"})
    clf = mm.MultimodalClassifier(
        {"one": ["crp_level", "b"], "other": ["c"]}, leaves=("logistic",), joint=(), folds=2
    ).fit(frame, labels)
    with pytest.warns(UnusedColumnsWarning, match="'crp_level'.*CRP_level"):
        clf.predict_proba(frame.rename(columns={"crp_level": "CRP_level"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.predict_proba(frame.drop(columns="crp_level").assign(patient=1))


def test_rows_without_weight_or_labels(classifier):
    frame, labels = rows()
    with pytest.raises(LearningError, match=r"the weights of .* are all zero"):
        classifier.fit(frame, labels, sample_weight=np.zeros(60))
    with pytest.raises(LearningError, match="requires y to be passed"):
        classifier.fit(frame)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.where(np.arange(60) == 3, -1.0, 1.0), "the weight of row 3 of the data frame is -1;"),
        (np.where(np.arange(60) == 3, np.nan, 1.0), "the weight of row 3 .* is missing; weights"),
        (np.where(np.arange(60) == 3, np.inf, 1.0), "'sample_weight' is infinite in row 3"),
        (["heavy"] * 60, "'sample_weight' is no array of numbers"),
        ([1.0, 2.0], "weights of the data frame: 2 rows, where the modality 'one' has 60"),
        (np.arange(60) % 3, "all 20 rows of the class '0' of the data frame have the weight zero"),
    ],
)
def test_weights_that_are_none(classifier, weights, message):
    frame, labels = rows()
    with pytest.raises(LearningError, match=message):
        classifier.fit(frame, labels, sample_weight=weights)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(60), r"one class only, \[0\.0\]: nothing to tell"),
        (
            np.where(np.arange(60) == 7, np.nan, np.arange(60) % 2),
            "row 7 has no label: leave it out, e",
        ),
        (
            [None if row in (2, 7, 9) else "ab"[row % 2] for row in range(60)],
            "3 rows have no label, the first is row 2: leave them out",
        ),
        (
            [None if row == 7 else "ab"[row % 2] for row in range(60)],
            "row 7 has no label: leave it out, e",
        ),
    ],
)
def test_labels_that_tell_nothing(classifier, labels, message):
    frame, _ = rows()
    with pytest.raises(LearningError, match=message):
        classifier.fit(frame, np.array(labels))


@pytest.mark.parametrize("cells", [1.0, np.nan, None])
def test_a_silent_modality_is_named(classifier, cells):
    frame, labels = rows()
    reason = "constant, or there in rows" if cells == 1.0 else "missing in every row"
    with pytest.warns(
        SilentModalityWarning, match=f"'other' of the data frame is {reason}"
    ) as said:
        classifier.fit(frame.assign(c=cells), labels)
    assert [one.filename for one in said if one.category is SilentModalityWarning] == [__file__]
    table = classifier.predict_proba(frame)
    np.testing.assert_allclose(table.sum(1), 1)
    np.testing.assert_allclose(classifier.predict_proba(frame, ["other"]), 1 / 3)


@pytest.mark.filterwarnings("ignore::mmgraph.predictors.pooling.placement.SilentModalityWarning")
def test_rows_that_tell_nothing(classifier):
    frame, labels = rows()
    with pytest.raises(LearningError, match=r"no (column|modality) of .* tells? anything"):
        classifier.fit(frame.assign(a=1.0, b=np.nan, c=2.0), labels)


def test_a_class_of_one_row_and_groups_of_one_row(classifier):
    frame, labels = rows()
    if isinstance(classifier, mm.MissingModalityClassifier):
        return  # it learns nothing from held-out rows
    with pytest.raises(MmgraphError, match=r"'9'.* has (1 rows, fewer than 2|one row)"):
        classifier.fit(frame, np.where(np.arange(60) == 3, 9, labels))
    with pytest.warns(SplitWarning, match="each of the 60 rows is a 'group' of its own"):
        classifier.fit(frame, labels, groups=np.arange(60))
    with pytest.raises(LearningError, match="row 3: there is no 'group'"):
        classifier.fit(frame, labels, groups=np.where(np.arange(60) == 3, np.nan, labels))
    copied = frame.iloc[np.arange(60) % 30]
    with pytest.warns(CopiesWarning, match="rows 0 and 30 are equal in all numbers"):
        classifier.fit(copied, labels, groups=np.arange(60) // 10)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.inf, "row 3: 'b' is infinite"),
        (1e300, r"row 3: 'b' is beyond ±1e\+38 .*: 1e\+300"),
        ("high", r"'b' .*'high'"),
    ],
)
def test_cells_that_are_no_measurements(classifier, cell, message):
    frame, labels = rows()
    wrong = frame.astype({"b": object})
    wrong.loc[3, "b"] = cell
    wrong = wrong.infer_objects()
    with pytest.raises(EvidenceError, match=message):
        classifier.fit(wrong, labels)
    with pytest.raises(EvidenceError, match=message):
        classifier.fit(frame, labels).predict_proba(wrong)
    far = frame.assign(b=np.where(np.arange(60) == 3, 1e37, frame["b"]))
    assert np.isfinite(classifier.predict_proba(far)).all()


def test_new_rows_of_other_columns(classifier):
    frame, labels = rows()
    classifier.fit(frame, labels)
    expected = classifier.predict_proba(frame)
    turned = frame[["c", "b", "a"]].assign(more="x")
    np.testing.assert_array_equal(classifier.predict_proba(turned), expected)
    message = "none of the columns that the schema names: 'a', 'b', 'c'"
    with pytest.raises(SchemaError, match=message):
        classifier.predict_proba(frame.rename(columns=str.upper))
    with pytest.raises(LearningError, match="the data frame has no rows"):
        classifier.predict_proba(frame[:0])
    np.testing.assert_allclose(classifier.predict_proba(frame[:1]), expected[:1])


def test_real_numbers_are_no_labels(classifier):
    frame, labels = rows()
    message = r"is continuous, real numbers and no classes: mm\.MultimodalRegressor"
    with pytest.raises(LearningError, match=message):
        classifier.fit(frame, labels + 0.5)
    data = mm.MultimodalData.of({"one": frame[["a", "b"]]}, labels + 0.5)
    with pytest.raises(LearningError, match="'target' of the data is continuous"):
        classifier.fit(data)


def test_a_modality_that_data_lack_is_missing(classifier):
    frame, labels = rows()
    parts = {modality: frame[columns] for modality, columns in MODALITIES.items()}
    data = mm.MultimodalData.of(parts, np.array(list("xyz"))[labels])
    classifier.set_params(modalities=None).fit(data)
    alone = mm.MultimodalData.of({"other": parts["other"]})
    np.testing.assert_array_equal(
        classifier.predict_proba(alone), classifier.predict_proba(data.without("one"))
    )
    with pytest.warns(PriorWarning, match="none of the modalities looked at"):
        table = classifier.predict_proba(alone, given=["one"])
    np.testing.assert_allclose(table, 1 / 3)
    more = mm.MultimodalData.of({"new": ["text"] * 60, "other": parts["other"]})
    np.testing.assert_array_equal(classifier.predict_proba(more), classifier.predict_proba(alone))


def test_a_modality_that_was_never_there_is_looked_at_in_vain(classifier):
    frame, labels = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells nothing; one epoch is no training
        classifier.fit(frame.assign(c=np.nan), labels)
    np.testing.assert_array_equal(
        classifier.predict_proba(frame, ["other", "one"]), classifier.predict_proba(frame, "one")
    )
    with pytest.warns(PriorWarning, match="rows 0, 1, .* have none") as caught:
        table = classifier.predict_proba(frame, "other")
    np.testing.assert_allclose(table, 1 / 3)
    assert caught[0].filename == __file__
    lacking = frame.copy()
    lacking.loc[3, ["a", "b"]] = np.nan
    with pytest.warns(PriorWarning, match="row 3 has none"):
        classifier.predict_proba(lacking)
    with pytest.raises(UnknownVariableError, match="no modality 'otter'; did you mean 'other'"):
        classifier.predict_proba(frame, ["otter"])


@pytest.mark.parametrize("spelled", [np.arange(3), np.arange(3.0), np.array(["x", "y", "z"])])
def test_the_target_among_the_columns_is_named(classifier, spelled):
    frame, labels = rows()
    leaky = frame.assign(c=spelled[labels])
    with pytest.warns(LeakWarning, match="column 'c' of the modality 'other' is the target") as of:
        classifier.fit(leaky, pd.Series(spelled[labels], name="c"))
    assert [one.filename for one in of if one.category is LeakWarning] == [__file__]
    leaky.loc[7, "c"] = spelled[(labels[7] + 1) % 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeakWarning)
        classifier.fit(leaky, spelled[labels])


@pytest.mark.filterwarnings("ignore::mmgraph.predictors.pooling.placement.SilentModalityWarning")
def test_a_fit_that_fails_leaves_nothing(classifier, tmp_path):
    frame, labels = rows()
    classifier.fit(frame, labels)
    with pytest.raises(LearningError):
        classifier.fit(frame, np.where(np.arange(60) == 7, np.nan, labels))
    with pytest.raises(NotFittedError):
        classifier.predict_proba(frame)
    with pytest.raises(LearningError):
        classifier.fit(frame.assign(a=1.0, b=1.0, c=1.0), labels)
    with pytest.raises(NotFittedError):
        classifier.predict(frame)
    with pytest.raises(MmgraphError, match="not fitted"):
        classifier.save(tmp_path / "none.mmgraph")
    assert classifier.fit(frame, labels).predict(frame).shape == (60,)


def test_the_target_is_called_as_its_series(classifier):
    frame, labels = rows()
    classifier.fit(frame, pd.Series(labels, name="complication"))
    assert classifier.schema_.target == "complication"
    with_labels = frame.assign(complication="never heard of")
    np.testing.assert_array_equal(
        classifier.predict_proba(with_labels), classifier.predict_proba(frame)
    )
    assert classifier.fit(frame, labels).schema_.target == "target"
    assert classifier.fit(frame, pd.Series(labels, name="a")).schema_.target == "target"
