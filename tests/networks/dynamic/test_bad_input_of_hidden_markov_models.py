"""What hidden Markov models refuse, and which words name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import (
    EvidenceError,
    GraphError,
    LearningError,
    NotFittedError,
    ZeroProbabilityError,
)
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel

NAN = np.nan


def refused(error, message, ask):
    with pytest.raises(error, match=message):
        ask()


def test_bad_declarations_are_named():
    for states in (0, -1, [], ["a", "a"], 2.5, None, {"a", "b"}, "ab"):
        refused(GraphError, "variable 'state'", lambda s=states: HiddenMarkovModel(s))
    refused(GraphError, "a text, a number or a truth", lambda: HiddenMarkovModel([(1, 2), (3, 4)]))
    refused(
        LearningError, "unknown emission 'gausian'; did you mean 'gaussian'",
        lambda: HiddenMarkovModel(2, "gausian"),
    )  # fmt: skip
    refused(LearningError, "not negative", lambda: HiddenMarkovModel(2, pseudo_counts=-1))
    refused(LearningError, "not negative, as -1", lambda: HiddenMarkovModel(2, floor=-1))
    own = HiddenMarkovModel(3, GaussianEmission([[0.0], [1]], [[1.0], [1]]))
    refused(LearningError, "of 2 states, the model of 3", lambda: own.fit(np.zeros(4)))
    rows = np.random.default_rng(0).standard_normal((20, 2))
    for settings, message in (
        ({"covariance": "diag"}, "unknown covariance 'diag'; did you mean 'diagonal'"),
        ({"emission": "mixture", "components": 0}, "at least one component, not 0"),
        ({"emission": "autoregressive", "order": 0}, "at least 1, not 0"),
        ({"emission": "scores"}, "a column for each of the 3 states, not 2"),
        ({"emission": "categorical"}, "which is no category's index"),
    ):
        refused(LearningError, message, lambda s=settings: HiddenMarkovModel(3, **s).fit(rows))


def test_bad_parameters_are_named():
    model = HiddenMarkovModel(2)
    normal = {"means": [[0.0], [1]], "covariances": [[1.0], [1]]}
    for arguments, message in (
        ({}, "the emission has no parameters yet"),
        (normal | {"start": [0.5, 0.6]}, "start sums to 1.1, not to 1"),
        (normal | {"transition": [[1, 0], [0.5, 0.4]]}, "row 1 of transition sums to 0.9"),
        (normal | {"transition": np.eye(3)}, r"transition is to be of shape \(2, 2\)"),
        (normal | {"means": [[0.0, 1], [1, 1]]}, "diagonal covariances of 2 states and 2 features"),
        (normal | {"covariances": [[1.0], [0]]}, "the covariance of state 1 is not positive"),
        (normal | {"mean": [[0.0]]}, "array of gaussian emissions: 'mean'; did you mean 'means'"),
        (normal | {"means": "a"}, "not the arrays of gaussian emissions"),
        (normal | {"means": [[0.0], [1, 2]]}, "not the arrays of gaussian emissions"),
        ({"means": [[0.0]], "covariances": [[1.0]]}, "of 1 states, the model of 2"),
        ({"emission": GaussianEmission([[0.0]], [[1.0]])}, "of 1 states, the model of 2"),
    ):
        refused(LearningError, message, lambda a=arguments: model.set_parameters(**a))
    refused(NotFittedError, "no parameters yet", lambda: model.predict(np.zeros(3)))
    model.set_parameters(**normal)
    assert model.set_parameters(transition=np.eye(2)).parameters.emission.means[1] == 1


def test_bad_sequences_are_named():
    model = HiddenMarkovModel(3)
    model.set_parameters(means=np.zeros((3, 2)), covariances=np.ones((3, 2)))
    fine = np.zeros((3, 2))
    for sequences, message in (
        ([], "there are no sequences"),
        ([fine, np.zeros((0, 2))], "sequence 1 has no steps"),
        ([fine, np.zeros((2, 3))], "sequence 1 has 3 features, and 2 are expected"),
        ([fine, [[0, 1], [np.inf, 2]]], "sequence 1, step 1: feature 0 is infinite"),
        ([fine, [[0, -np.inf]]], "sequence 1, step 0: feature 1 is infinite"),
    ):
        for ask in (model.log_likelihood, model.posterior, model.predict, model.fit):
            refused(EvidenceError, message, lambda a=ask, s=sequences: a(s))
    for labels, message in (
        ([[0, 1, 2]], "labels for 1 sequences, and 2 of them"),
        ([[0, 1, 2], [0]], "sequence 1 has 3 steps, and its labels are 1"),
        ([[0, 1, 2], [0, 1, 3]], "sequence 1, step 2: variable 'state' has no state 3"),
    ):
        refused(EvidenceError, message, lambda y=labels: model.fit([fine, fine], y))
    refused(LearningError, "restarts are at least 1", lambda: model.fit(fine, restarts=0))
    refused(LearningError, "iterations are at least 1", lambda: model.fit(fine, iterations=0))
    refused(LearningError, "'data' or 'current'", lambda: model.fit(fine, start="here"))
    refused(LearningError, "at least one step, not 0", lambda: model.sample(0))
    refused(EvidenceError, "not negative, as -1", lambda: model.sample_paths(fine, -1))
    gone = np.full((3, 2), NAN)
    refused(LearningError, "missing in all rows", lambda: HiddenMarkovModel(2).fit(gone))
    np.testing.assert_allclose(model.log_likelihood(gone), 0, atol=1e-12)


def test_impossible_sequences_are_named():
    model = HiddenMarkovModel(2, "categorical").set_parameters(
        [1, 0], [[0.5, 0.5], [0, 1]], probabilities=[[1.0, 0], [0, 1]]
    )
    sequences = [np.array([0, 1.0]), np.array([0, NAN, 1, 0])]
    for ask in (model.posterior, model.predict, lambda s: model.fit(s, start="current")):
        refused(
            ZeroProbabilityError, "sequence 1 is impossible from step 3", lambda a=ask: a(sequences)
        )
    np.testing.assert_array_equal(model.log_likelihood(sequences), [np.log(0.5), -np.inf])


@pytest.mark.parametrize("kind", ["gaussian", "mixture", "autoregressive"])
@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_units_do_not_matter_until_squares_leave_the_range_of_doubles(kind):
    rows = np.random.default_rng(0).normal(size=(40, 2)) + 4 * (np.arange(40) > 20)[:, None]
    fits = [HiddenMarkovModel(2, kind).fit(rows * unit, iterations=5) for unit in (1, 1e-70)]
    paths = [fit.predict(rows * unit) for fit, unit in zip(fits, (1, 1e-70), strict=True)]
    np.testing.assert_array_equal(*paths)
    for unit in (1e-200, 1e200):
        with pytest.raises(LearningError, match=r"feature 0 has cells of .*: their squares"):
            HiddenMarkovModel(2, kind).fit(rows * unit)
