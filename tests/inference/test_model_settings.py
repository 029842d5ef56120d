"""All models of sequences have scikit-learn's habits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import mmgraph as mm
from mmgraph.graph.errors import LearningError

ROWS = np.random.default_rng(0).normal(size=(12, 1))


def network() -> Any:
    z, before = mm.Variable("z", 2), mm.Variable("z[-1]", 2)
    start = mm.BayesianNetwork([z], [mm.TableFactor([z], [0.5, 0.5], child=z)])
    factors = [
        mm.TableFactor([before], [0.5, 0.5], child=before),
        mm.TableFactor([before, z], [[0.9, 0.1], [0.2, 0.8]], child=z),
    ]
    return mm.DynamicBayesianNetwork(start, mm.BayesianNetwork([before, z], factors))


def system() -> Any:
    return mm.LinearGaussianSystem(0.9, 1.0, 1.0, observation_covariance=0.5)


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "network": (network, {"z": [0, 1, 1]}),
    "hidden": (lambda: mm.HiddenMarkovModel(np.int64(2), covariance="full"), ROWS),
    "durations": (lambda: mm.HiddenSemiMarkovModel(["a", "b"], longest=[2, 3], floor=0.1), ROWS),
    "coupled": (lambda: mm.CoupledHiddenMarkovModel({"x": 2, "y": 1}), {"x": ROWS, "y": ROWS}),
    "factorial": (lambda: mm.FactorialHiddenMarkovModel([2, 2]), ROWS),
    "linear": (system, ROWS),
    "switching": (lambda: mm.SwitchingLinearSystem([system()] * 2, np.full((2, 2), 0.5)), ROWS),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_clones_have_the_same_settings_and_have_learned_nothing(name):
    make, sequences = MODELS[name]
    model = make()
    if hasattr(model, "fit"):
        model.fit(sequences, iterations=1)
    assert np.isfinite(model.score(sequences))
    made = clone(model)
    assert type(made) is type(model)
    assert list(made.get_params()) == list(model.get_params())
    assert repr(made) == repr(make())
    assert copy.deepcopy(model).score(sequences) == model.score(sequences)
    first = next(iter(model.get_params()))
    assert model.set_params(**{first: model.get_params()[first]}) is model
    assert repr(model) == repr(make())
    with pytest.raises(LearningError, match=rf"setting of .*'{first}s'; did you mean '{first}'"):
        model.set_params(**{first + "s": 1})


def test_unknown_settings_name_the_nearest():
    with pytest.raises(LearningError, match="'covarianc'; did you mean 'covariance'"):
        mm.HiddenSemiMarkovModel(2, covarianc="full")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="states"):
        mm.HiddenMarkovModel()  # type: ignore[call-arg]
    assert mm.HiddenMarkovModel(2, "mixture").set_params().get_params()["emission"] == "mixture"


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_a_seed_draws_the_same_at_each_call():
    model = mm.HiddenMarkovModel(2).set_parameters(
        means=[[0.0], [9.0]], covariances=np.ones((2, 1))
    )
    same, again = model.sample(5), model.sample(5)
    np.testing.assert_array_equal(same[0], again[0])
    made = model.set_params(random_state=None).fit(ROWS, iterations=1)
    assert (made.sample(5)[0] != made.sample(5)[0]).any()
    np.testing.assert_array_equal(made.sample(5, 1)[0], made.sample(5, 1)[0])


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
def test_searches_of_scikit_learn_choose_the_number_of_states():
    generator = np.random.default_rng(0)
    sequences = [np.where(np.arange(30) % 20 < 10, 0.0, 9.0)[:, None] for _ in range(4)]
    sequences = [rows + generator.normal(size=rows.shape) for rows in sequences]
    model = mm.HiddenMarkovModel(1, random_state=0)
    found = GridSearchCV(model, {"states": [1, 2]}, cv=2).fit(sequences)
    assert found.best_params_ == {"states": 2}
