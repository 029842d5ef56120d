"""What every classifier of rows does alike."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.inputs import UnusedColumnsWarning
from mmgraph.predictors.predictor import Predictor

MODALITIES = {"one": ["a", "b"], "other": ["c"]}


def rows() -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    frame = pd.DataFrame(random.standard_normal((60, 3)) + labels[:, None], columns=list("abc"))
    return frame, labels


@pytest.fixture(params=["pooled", "network", "wrapped", "machine"])
def classifier(request):
    return {
        "machine": mm.MachineClassifier(MODALITIES, hidden=3, joint=2, epochs=1),
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


def test_rows_without_weight_or_labels(classifier):
    frame, labels = rows()
    with pytest.raises(LearningError, match=r"the weights of .* are all zero"):
        classifier.fit(frame, labels, sample_weight=np.zeros(60))
    with pytest.raises(LearningError, match="requires y to be passed"):
        classifier.fit(frame)


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
