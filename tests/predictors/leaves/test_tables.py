"""The leaf of columns of states: naive Bayes, by hand and as scikit-learn has it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import CategoricalNB

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import LeafRows
from mmgraph.predictors.leaves.tables import TablesLeaf
from mmgraph.predictors.pooling.explanation import explained
from mmgraph.predictors.pooling.fitting import fit_pooled
from mmgraph.predictors.pooling.pooled_leaves import PlacedLeaf


def rows(count: int = 200, seed: int = 0) -> LeafRows:
    random = np.random.default_rng(seed)
    codes = np.arange(count) % 3
    first = np.where(random.random(count) < 0.6, codes, random.integers(0, 3, count))
    second = (random.random(count) < 0.2 + 0.3 * codes).astype(int)
    features = np.stack([first, second], axis=1).astype(float)
    return LeafRows(features, codes, np.ones(count), 3)


def test_without_a_prior_it_is_naive_bayes():
    training, test = rows(), rows(seed=1)
    said = TablesLeaf(strength=1e-9).fit(training, 0).log_likelihoods(test.features)
    reference = CategoricalNB(alpha=1e-9, force_alpha=True).fit(training.features, training.codes)
    expected = reference.predict_joint_log_proba(test.features) - reference.class_log_prior_
    np.testing.assert_allclose(
        said - said.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=1e-6
    )


def test_the_prior_is_worth_as_many_rows():
    features = np.array([[0.0], [0.0], [1.0], [1.0]])
    training = LeafRows(features, np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 2.0, 4.0]), 2)
    (table,) = TablesLeaf(strength=2.0).fit(training, 0).tables
    shares = np.array([0.25, 0.75])
    given = np.array([[2 + 0.5, 2 + 1.5], [0.5, 4 + 1.5]]) / 6
    np.testing.assert_allclose(np.exp(table), given / shares)


def test_missing_cells_and_states_without_rows_say_nothing():
    training = rows()
    fitted = TablesLeaf().fit(training, 0)
    alone = [TablesLeaf().fit(training._replace(features=training.features[:, [j]]), 0)
             for j in (0, 1)]  # fmt: skip
    cells = np.array([[1.0, 0.0], [1.0, np.nan], [np.nan, 0.0], [np.nan, np.nan], [7.0, np.nan]])
    said = fitted.log_likelihoods(cells)
    parts = [leaf.log_likelihoods(cells[:1, [j]])[0] for j, leaf in enumerate(alone)]
    np.testing.assert_allclose(said, [sum(parts), *parts, np.zeros(3), np.zeros(3)])
    holes = training.features.copy()
    holes[holes == 1] = np.nan
    unseen = TablesLeaf().fit(training._replace(features=holes), 0)
    assert not unseen.log_likelihoods(np.array([[1.0, 1.0]])).any()
    states = training._replace(states=4)
    assert np.isfinite(TablesLeaf().fit(states, 0).log_likelihoods(cells)).all()
    empty = TablesLeaf().fit(training._replace(features=np.full((200, 2), np.nan)), 0)
    assert not empty.log_likelihoods(cells).any()
    nothing = TablesLeaf().fit(training._replace(features=np.zeros((200, 0))), 0)
    assert nothing.log_likelihoods(np.zeros((4, 0))).tolist() == [[0.0] * 3] * 4
    with pytest.raises(LearningError, match="rows have 1 features, not the 2 learned from"):
        fitted.log_likelihoods(cells[:, :1])


def test_of_a_modality_it_sees_columns_of_states_alone():
    training = rows()
    frame = pd.DataFrame(training.features, columns=["stage", "sex"]).astype(int).astype(str)
    frame["age"] = np.random.default_rng(0).standard_normal(200)
    labels = [f"s{c}" for c in training.codes]
    data = mm.MultimodalData.of({"clinical": frame, "genes": frame[["age"]]}, labels)
    leaf = TablesLeaf()
    assert leaf.suits(data.blocks["clinical"])
    assert not leaf.suits(data.blocks["genes"])
    np.testing.assert_array_equal(leaf.features([data.blocks["clinical"]]), training.features)
    clf = mm.MultimodalClassifier(leaves=("tables", "logistic"), folds=3).fit(data)
    names = [placed.place.name for placed in clf.model_.leaves]
    assert names == ["clinical_tables", "clinical_logistic", "genes_logistic", "joint_logistic"]
    assert clf.score(data, labels) > 0.6
    with pytest.raises(LearningError, match="the leaf 'tables' sees nothing of the modality 'gen"):
        mm.MultimodalClassifier(leaves={"genes": "tables"}, folds=3).fit(data)


def test_what_columns_give_adds_up():
    training = rows()
    frame = pd.DataFrame(training.features, columns=["stage", "sex"]).astype(int).astype(str)
    frame.loc[3, "sex"] = None
    data = mm.MultimodalData.of({"clinical": frame}, training.codes)
    model = fit_pooled(data, [PlacedLeaf("tables", ("clinical",), TablesLeaf())], 3, 0)
    told = explained(model, data, None, features=True)
    assert told.features == (("clinical", "stage"), ("clinical", "sex"))
    np.testing.assert_allclose(told.feature_nats.sum(0), told.nats[0], atol=1e-12)
    assert not told.feature_nats[1, 3].any()
