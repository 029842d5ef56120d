"""What modalities, leaves and features said: sums, and cases whose answers are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf
from mmgraph.predictors.pooling.explanation import explained
from mmgraph.predictors.pooling.fitting import fit_pooled
from mmgraph.predictors.pooling.pooled_leaves import PlacedLeaf

STATES = 3


@dataclass(frozen=True)
class NaiveBayes(Leaf):
    """Features with normal densities of variance one, independent given the state."""

    kind = "naive"

    def fit(self, rows: Any, seed: int) -> FittedNaiveBayes:
        means = [np.nanmean(rows.features[rows.codes == s], axis=0) for s in range(STATES)]
        return FittedNaiveBayes(np.array(means))


@dataclass(frozen=True)
class FittedNaiveBayes(FittedLeaf):
    """Missing features drop out."""

    means: np.ndarray

    def log_likelihoods(self, features: np.ndarray) -> np.ndarray:
        return np.nansum(norm.logpdf(features[:, None], self.means), axis=2)


def data(rows: int = 120, seed: int = 0) -> mm.MultimodalData:
    random = np.random.default_rng(seed)
    codes = random.permutation(np.arange(rows) % STATES)
    means = np.eye(STATES)[codes]
    sound = random.standard_normal((rows, STATES)) + means
    sound[::7, 1] = np.nan
    touch = random.standard_normal((rows, STATES)) + 2 * means
    return mm.MultimodalData.of({"sound": sound, "touch": touch}, [f"state {c}" for c in codes])


def pooled(leaf: Leaf, joint: bool = True) -> Any:
    places = [("sound",), ("touch",), *([("sound", "touch")] if joint else [])]
    leaves = [PlacedLeaf("+".join(place), place, leaf) for place in places]
    return fit_pooled(data(), leaves, 4, 0)


@pytest.fixture(scope="module")
def naive() -> Any:
    return pooled(NaiveBayes())


def test_posteriors_add_up(naive):
    test = data(6, seed=3)
    told = explained(naive, test, ["touch"])
    np.testing.assert_allclose(
        softmax(np.log(told.prior) + told.nats.sum(0), axis=1), told.posterior
    )
    np.testing.assert_allclose(told.nats.sum(2), 0, atol=1e-12)
    assert not told.nats[[0, 2]].any()
    np.testing.assert_allclose(told.without["touch"], np.full((6, STATES), 1 / STATES))
    told = explained(naive, test, None)
    np.testing.assert_allclose(told.without["sound"], naive.predict_proba(test, ["touch"]))
    frame = told.to_frame()
    assert len(frame) == 6 * 3
    assert frame.columns.tolist() == ["row", "modality", "leaf", *naive.target.labels]
    assert set(frame["modality"]) == {"sound", "touch", "joint"}
    assert told.feature_nats.shape == (0, 6, STATES)
    with pytest.raises(LearningError, match="explain\\(rows, features=True\\) does"):
        told.features_frame()


def test_independent_features_give_together_what_their_leaves_give(naive):
    test = data(8, seed=3)
    told = explained(naive, test, None, features=True)
    assert told.features == (
        *(("sound", f"sound[{i}]") for i in range(STATES)),
        *(("touch", f"touch[{i}]") for i in range(STATES)),
    )
    np.testing.assert_allclose(told.feature_nats.sum(0), told.nats.sum(0), atol=1e-9)
    powers = naive.held_out.powers(frozenset(naive.modalities))
    features = test.numbers("sound")[:, 0]
    expected = sum(
        power * norm.logpdf(features[:, None], leaf.fitted.means[:, 0])
        for power, leaf in zip(powers[[0, 2]], [naive.leaves[0], naive.leaves[2]], strict=True)
    )
    np.testing.assert_allclose(told.feature_nats[0], expected - expected.mean(1, keepdims=True))
    assert not told.feature_nats[1, ::7].any()  # missing there
    frame = told.features_frame()
    assert len(frame) == 8 * 6
    assert frame.columns.tolist() == ["row", "modality", "feature", *naive.target.labels]


def test_of_a_linear_leaf_a_feature_gives_its_weight_times_what_is_unexpected():
    model = pooled(mm.EncoderLeaf(LogisticRegression(C=0.05)), joint=False)
    test = data(9, seed=4)
    told = explained(model, test, None, features=True)
    fitted = model.leaves[1].fitted
    power = model.held_out.powers(frozenset(model.modalities))[1]
    touch = test.numbers("touch")
    without = touch.copy()
    without[:, 2] = np.nan
    surprise = (fitted.preparation.forward(touch) - fitted.preparation.forward(without))[:, 2]
    weights = fitted.classifier.coef_[:, 2]
    expected = power * surprise[:, None] * (weights - weights.mean())
    np.testing.assert_allclose(told.feature_nats[5], expected, atol=1e-9)


def test_a_single_feature_that_is_taken_away_leaves_nothing():
    one = data().numbers("touch")[:, :1]
    single = mm.MultimodalData.of({"touch": one}, data().codes)
    model = fit_pooled(single, [PlacedLeaf("touch", ("touch",), NaiveBayes())], 4, 0)
    told = explained(model, single, None, features=True)
    np.testing.assert_allclose(told.feature_nats[0], told.nats[0])


def test_a_text_says_what_the_numbers_say(naive):
    test = data(7, seed=3)
    told = explained(naive, test, None, features=True)
    text = str(told)
    assert text.endswith("… and 2 more rows")
    lines = text.split("\n\n")[1].split("\n")
    first, second = np.argsort(-told.posterior[1])[:2]
    labels = naive.target.labels
    assert lines[0].startswith(f"row 1: {labels[first]} {told.posterior[1, first]:.3f}, ")
    assert lines[1] == f"nats for {labels[first]}, rather than {labels[second]} (log-odds):"
    nats = {name: float(number) for name, number in (line.split() for line in lines[2:7])}
    assert [*nats] == ["prior", "sound", "touch", "joint", "together"]
    together = np.log(told.posterior[1, first] / told.posterior[1, second])
    assert nats["together"] == pytest.approx(together, abs=0.006)
    assert sum(nats.values()) == pytest.approx(2 * together, abs=0.03)
    assert lines[7].startswith("largest leaves: ")
    assert len(re.findall(r"[+-]\d", lines[8])) == 5
    assert all(re.match("(sound|touch) ", f) for f in lines[8].split(": ")[1].split(", "))
    assert lines[9] == "  (the difference made by leaving out one cell; they do not add up)"
    assert lines[10:] == [
        f"without {m}: {labels[first]} {table[1, first]:.3f}, "
        f"{labels[second]} {table[1, second]:.3f}"
        for m, table in told.without.items()
    ]
    assert "largest features" not in str(explained(naive, test, None))


def test_what_is_missing_is_said_to_be_missing(naive):
    test = data(6, seed=3)
    told = explained(naive, test.without("sound"), None, features=True)
    lines = str(told).split("\n\n")[0].split("\n")
    assert [line.split() for line in lines if "missing" in line] == [
        ["sound", "missing"],
        ["joint", "missing"],
    ]
    assert [line[:13] for line in lines if line.startswith("without")] == ["without touch"]
    assert set(told.to_frame()["modality"]) == {"touch"}
    assert set(told.features_frame()["modality"]) == {"touch"}
    assert not told.to_frame().isna().any(axis=None)
    nothing = explained(naive, test.without("sound", "touch"), None)
    assert nothing.to_frame().columns.tolist() == ["row", "modality", "leaf", *naive.target.labels]
    some = explained(naive, test, ["touch"])
    assert "without sound" not in str(some)
