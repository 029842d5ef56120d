"""What all kinds of leaves hold to, and what each is by its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import LeafRows
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf

LEAVES = {
    "mixture": MixtureLeaf(components=3, restarts=2),
    "trees": EncoderLeaf(ExtraTreesClassifier(30)),
    "logistic": EncoderLeaf(LogisticRegression()),
    "kernel": EncoderLeaf(SVC(decision_function_shape="ovr"), quantiles=True),
    "perceptrons": PerceptronsLeaf(members=3, hidden=16, epochs=20, batch=32),
}
each_leaf = pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)


def rows(count: int = 150, states: int = 3, seed: int = 0, missing: float = 0.0) -> LeafRows:
    random = np.random.default_rng(seed)
    codes = random.integers(0, states, count)
    features = random.standard_normal((count, 4)) + 2 * np.eye(states, 4)[codes]
    features[random.random(features.shape) < missing] = np.nan
    return LeafRows(features, codes, np.ones(count), states)


def posterior(leaf, training: LeafRows, features: np.ndarray) -> np.ndarray:
    return softmax(leaf.fit(training, 0).log_likelihoods(features) + training.log_shares(), axis=1)


@each_leaf
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_they_tell_states_apart_and_repeat_by_their_seed(leaf, missing):
    training, test = rows(missing=missing), rows(seed=1, missing=missing)
    table = posterior(leaf, training, test.features)
    assert np.isfinite(table).all()
    assert (table.argmax(1) == test.codes).mean() > (0.75 if not missing else 0.6)
    np.testing.assert_array_equal(table, posterior(leaf, training, test.features))


@each_leaf
def test_states_without_rows_and_features_without_values(leaf):
    training = rows()
    some = training.codes != 1
    part = LeafRows(training.features[some], training.codes[some], training.weights[some], 3)
    part.features[:, 3] = np.nan
    part.features[:, 2] = 1.0
    said = leaf.fit(part, 0).log_likelihoods(rows(seed=1).features)
    assert said.shape == (150, 3)
    assert np.isfinite(said).all()


@each_leaf
def test_two_states(leaf):
    training, test = rows(states=2), rows(states=2, seed=1)
    table = posterior(leaf, training, test.features)
    assert (table.argmax(1) == test.codes).mean() > 0.8


def test_an_encoder_is_its_classifier_by_the_rule_of_bayes():
    training, test = rows(), rows(seed=1)
    leaf = EncoderLeaf(LogisticRegression())
    fitted = leaf.fit(training, 0)
    scaled = fitted.preparation.forward(training.features)
    classifier = LogisticRegression().fit(scaled, training.codes)
    expected = classifier.predict_proba(fitted.preparation.forward(test.features)).clip(1e-3)
    table = posterior(leaf, training, test.features)
    np.testing.assert_allclose(table, expected / expected.sum(1, keepdims=True))


def test_what_is_no_encoder():
    with pytest.raises(LearningError, match="has neither predict_proba nor decision_function"):
        EncoderLeaf(np.zeros(3))


def test_rows_count_by_their_weights():
    training = rows(60, states=2)
    weighted = training._replace(weights=np.where(np.arange(60) < 30, 3.0, 1.0))
    encoder = EncoderLeaf(LogisticRegression()).fit(weighted, 0)
    scaled = encoder.preparation.forward(training.features)
    reference = LogisticRegression().fit(scaled, training.codes, sample_weight=weighted.weights)
    np.testing.assert_allclose(encoder.classifier.coef_, reference.coef_)
    mixture = MixtureLeaf(components=1).fit(weighted, 0)
    scaled = mixture.preparation.scaled(training.features)
    for state in range(2):
        members = training.codes == state
        mean = np.average(scaled[members], axis=0, weights=weighted.weights[members])
        np.testing.assert_allclose(mixture.density.means[state, 0], mean)
    shares = np.exp(weighted.log_shares())
    np.testing.assert_allclose(shares, np.bincount(training.codes, weighted.weights) / 120)


def test_perceptrons_are_the_mean_of_their_members():
    training, test = rows(), rows(seed=1)
    fitted = LEAVES["perceptrons"].fit(training, 0)
    inputs = torch.as_tensor(fitted.preparation.forward(test.features), dtype=torch.float32).clamp(
        -3, 3
    )
    probabilities = []
    for member in range(3):
        outputs = inputs
        for number, (weights, biases) in enumerate(fitted.layers):
            outputs = outputs @ weights[member] + biases[member]
            outputs = outputs.relu() if number < 2 else outputs
        probabilities.append(outputs.double().softmax(-1).numpy())
    expected = np.log(np.mean(probabilities, axis=0).clip(1e-6)) - training.log_shares()
    np.testing.assert_allclose(fitted.log_likelihoods(test.features), expected, atol=1e-5)


def test_a_mixture_of_many_features_is_of_their_principal_components():
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, 80)
    features = random.standard_normal((80, 120)) + codes[:, None]
    fitted = MixtureLeaf().fit(LeafRows(features, codes, np.ones(80), 2), 0)
    assert fitted.directions is not None
    assert fitted.directions.shape == (120, 40)
    assert (fitted.log_likelihoods(features).argmax(1) == codes).mean() > 0.95
