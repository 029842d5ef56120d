"""Leaves pooled by powers: against a Bayesian network, and by what each leaf may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf
from mmgraph.predictors.pooling.fitting import fit_pooled, inner_folds
from mmgraph.predictors.pooling.pooled_leaves import PlacedLeaf
from mmgraph.predictors.pooling.powers import HeldOut

STATES = 3


def data(rows: int = 120, seed: int = 0, groups: object = None) -> mm.MultimodalData:
    random = np.random.default_rng(seed)
    codes = random.permutation(np.arange(rows) % STATES)
    means = np.eye(STATES)[codes]
    return mm.MultimodalData.of(
        {
            "sound": random.standard_normal((rows, STATES)) + means,
            "touch": random.standard_normal((rows, STATES)) + 2 * means,
            "smell": random.standard_normal((rows, 2)),
        },
        [f"state {code}" for code in codes],
        groups=groups,
    )


def leaves() -> list[PlacedLeaf]:
    logistic = EncoderLeaf(LogisticRegression())
    places = [("sound",), ("touch",), ("smell",), ("sound", "touch", "smell")]
    return [PlacedLeaf("logistic", place, logistic) for place in places]


@pytest.fixture(scope="module")
def model():
    return fit_pooled(data(), leaves(), 4, 0)


GIVEN = [set(some) for size in range(4) for some in combinations(("sound", "touch", "smell"), size)]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: "+".join(sorted(given)))
def test_the_posterior_is_that_of_a_network_with_tempered_likelihoods(model, given):
    test = data(seed=1)
    powers = model.held_out.powers(frozenset(given))
    target = model.target
    variables, factors, evidence = [target], [], {}
    factors.append(mm.TableFactor((target,), np.exp(model.log_prior), child=target))
    for leaf, power in zip(model.leaves, powers, strict=True):
        child = mm.Variable(leaf.place.name, shape=(STATES,), family="gaussian")
        variables.append(child)
        factors.append(ScoreLeaf(child, target, np.zeros(STATES), float(power)))
        if set(leaf.place.modalities) <= given:
            evidence[child.name] = leaf.log_likelihoods(test)
    network = mm.BayesianNetwork(variables, factors)
    expected = mm.query(network, evidence, [target.name]).marginal(target.name).numpy()
    found = model.predict_proba(test, given)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-10)


def test_rows_that_lack_a_modality_are_answered_as_if_it_were_not_given(model):
    test = data(seed=1)
    sound = test.numbers("sound").copy()
    sound[::2] = np.nan
    blocks = dict(test.blocks) | {"sound": mm.MultimodalData.of({"sound": sound}).blocks["sound"]}
    sparse = mm.MultimodalData(blocks)
    found = model.predict_proba(sparse)
    expected = model.predict_proba(test)
    expected[::2] = model.predict_proba(test, ["touch", "smell"])[::2]
    np.testing.assert_allclose(found, expected)
    nothing = test.without("sound", "touch", "smell")
    np.testing.assert_allclose(model.predict_proba(nothing), np.full((120, STATES), 1 / STATES))


def test_more_modalities_are_no_worse_and_noise_gets_little_power(model):
    test = data(2000, seed=2)

    def loss(given) -> float:
        table = model.predict_proba(test, given)
        return -np.log(table[np.arange(2000), test.codes]).mean()

    assert loss(["sound", "touch", "smell"]) < loss(["touch"]) < loss(["sound"]) < np.log(STATES)
    assert loss(["smell"]) < np.log(STATES) + 0.03
    powers = model.held_out.powers(frozenset({"smell"}))
    assert powers[[0, 1, 3]].tolist() == [0, 0, 0]


@dataclass(frozen=True)
class Spying(Leaf):
    """A leaf that writes down which rows it learned from, told apart by their first feature."""

    kind = "spying"
    calls: list[set[float]] = field(default_factory=list)

    def fit(self, rows, seed):
        self.calls.append(set(rows.features[:, 0].tolist()))
        return Silent(rows.states)


@dataclass(frozen=True)
class Silent(FittedLeaf):
    """A leaf that says nothing."""

    states: int

    def log_likelihoods(self, features):
        return np.zeros((len(features), self.states))


def test_powers_are_learned_on_rows_of_other_groups():
    groups = np.repeat(np.arange(6), 20)
    grouped = data(groups=groups)
    spy = Spying()
    fit_pooled(grouped, [PlacedLeaf("spy", ("sound",), spy)], 3, 0)
    first = grouped.numbers("sound")[:, 0]
    *inner, whole = spy.calls
    assert whole == set(first.tolist())
    for seen in inner:
        learned = {int(g) for g in groups[[value in seen for value in first]]}
        rest = {int(g) for g in groups[[value not in seen for value in first]]}
        assert not learned & rest
    assert len(inner) == 3


def test_few_independent_rows_leave_powers_alike():
    random = np.random.default_rng(0)
    codes = random.integers(0, STATES, 90)
    said = np.stack([2 * np.eye(STATES)[codes], random.standard_normal((90, STATES))])
    spread = {}
    for independent in (3, 90):
        held = HeldOut(
            (("a",), ("b",)),
            said,
            codes,
            np.log(np.full(STATES, 1 / 3)),
            np.ones(90),
            independent,
            independent,
        )  # fmt: skip
        good, noise = held.powers(frozenset("ab"))
        spread[independent] = good / noise
        assert held.powers(frozenset("ab")) is held.powers(frozenset("ab"))
        assert held.powers(frozenset("b"))[0] == 0
    assert 1 < spread[3] < spread[90]


def test_leaves_of_noise_leave_the_prior_nearly_as_it_is():
    prior, excess = np.log(np.full(STATES, 1 / 3)), []
    for seed in range(10):
        random = np.random.default_rng(seed)
        codes, new = random.integers(0, STATES, (2, 400))
        said, heard = random.standard_normal((2, 4, 400, STATES))
        held = HeldOut((("a",),) * 4, said, codes, prior, np.ones(400), 400.0, 400.0)
        posterior = softmax(prior + np.tensordot(held.powers(frozenset("a")), heard, 1), axis=1)
        excess.append(-np.log(posterior[np.arange(400), new]).mean() - np.log(3))
    assert 400 * np.mean(excess) < 1.5  # nats of all rows together


def test_leaves_that_mislead_have_no_power():
    codes = np.arange(90) % STATES
    misled = np.where(np.eye(STATES)[codes] == 1, -9.0, 0.0)[None]
    held = HeldOut(
        (("a",),), misled, codes, np.log(np.full(STATES, 1 / 3)), np.ones(90), 90.0, 90.0
    )
    np.testing.assert_array_equal(held.powers(frozenset("a")), [0.0])


def test_inner_folds_of_rare_states_and_of_groups():
    rare = mm.MultimodalData.of({"x": np.arange(12.0)[:, None]}, ["a"] * 9 + ["b"] * 3)
    assert len(inner_folds(rare, 5, 0)) == 3
    alone = mm.MultimodalData.of({"x": np.arange(12.0)[:, None]}, ["a", "b"] * 6, groups=[1] * 12)
    assert len(inner_folds(alone, 4, 0)) == 4  # all of one group: by rows


def test_what_cannot_be_fitted_or_asked(model):
    with pytest.raises(UnknownVariableError, match="no modality 'soud'; did you mean 'sound'"):
        model.predict_proba(data(), ["soud"])
    wider = mm.MultimodalData({**data().blocks, "smell": data().blocks["sound"]})
    with pytest.raises(
        LearningError, match="leaf 'smell_logistic': rows have 3 features, not the 2 learned"
    ):
        model.predict_proba(wider)
    empty = data().without("smell")
    with pytest.raises(
        LearningError, match="no training row has all that the leaf 'smell_logistic' sees"
    ):
        fit_pooled(empty, leaves()[2:3], 3, 0)


def held_out(said: np.ndarray, codes: np.ndarray) -> HeldOut:
    rows = len(codes)
    even = np.log(np.full(said.shape[2], 1 / said.shape[2]))
    modalities = tuple((name,) for name in "abc"[: len(said)])
    return HeldOut(modalities, said, codes, even, np.ones(rows), float(rows), float(rows))


def test_powers_of_several_modalities_come_from_rows_that_have_them_all():
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, 1000)
    score = (2 * codes - 1 + random.standard_normal(1000))[:, None] * [-1.0, 1.0]
    copies = np.stack([score, score])  # two leaves that say the same
    whole = held_out(copies, codes).powers(frozenset("ab"))
    sparse = copies.copy()
    sparse[0, :400] = sparse[1, 400:800] = 0.0  # most rows lack one of them
    powers = held_out(sparse, codes).powers(frozenset("ab"))
    alone = held_out(sparse, codes).powers(frozenset("a"))
    np.testing.assert_allclose(powers.sum(), whole.sum(), rtol=0.25)
    np.testing.assert_allclose(alone[0], whole.sum(), rtol=0.25)


def test_a_leaf_that_never_answered_has_no_power():
    codes = np.arange(90) % STATES
    said = np.stack([2.0 * np.eye(STATES)[codes], np.zeros((90, STATES))])
    powers = held_out(said, codes).powers(frozenset("ab"))
    assert powers[0] > 0 == powers[1]


def test_weights_have_no_scale_and_rows_without_weight_are_not_there():
    rows = data(90)
    random = np.random.default_rng(1)
    frame = pd.DataFrame({f"x{i}": column for i, column in enumerate(rows.numbers("touch").T)})
    weights = random.uniform(0.5, 1.5, 90) * (np.arange(90) < 60)

    def answers(table: pd.DataFrame, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        clf = mm.MultimodalClassifier(leaves="logistic", folds=3)
        return clf.fit(table, codes, sample_weight=weights).predict_proba(frame)

    whole = answers(frame, rows.codes, weights)
    np.testing.assert_allclose(answers(frame, rows.codes, weights / 1e4), whole, atol=1e-6)
    there = answers(frame[:60], rows.codes[:60], weights[:60])
    np.testing.assert_array_equal(there, whole)
