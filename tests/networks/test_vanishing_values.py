"""Where -1 is a value by all appearances, and would be read as missing, that is said."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError, VanishingValueWarning
from mmgraph.networks.boltzmann.inputs.evidence import evidence_of

SPINS = np.random.default_rng(0).choice([-1, 1], (60, 4))


def machine(states=None, labels=None):
    x = mm.Variable("x", states, (4,), family="bernoulli")
    return mm.RestrictedBoltzmannMachine(x, 3, labels)


@pytest.mark.parametrize("given", [
    SPINS, SPINS.astype(float), torch.tensor(SPINS), {"x": SPINS}, {"x": SPINS.tolist()},
    (SPINS - 1) // 2,
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.VanishingValueWarning")
def test_spins_are_no_truth_values(given):
    with pytest.raises(LearningError, match=r"'x' is given as numbers with -1 .* never occurs"):
        machine().fit(given, epochs=1)


def test_labels_may_hold_minus_one():
    fitted = machine((-1, 1)).fit(SPINS, epochs=1)
    chances = mm.query(fitted, None, ["x"]).marginal("x")[0, :, 1]
    np.testing.assert_allclose(chances, (SPINS == 1).mean(0), atol=0.1)


def test_what_is_missing_can_be_said_otherwise():
    holes = np.where(SPINS == -1, np.nan, 1.0)
    holes[:, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", VanishingValueWarning)
        machine().fit(holes, epochs=1)
        machine().fit({"x": mm.index(np.nan_to_num(holes, nan=-1).astype(int))}, epochs=1)
        some = np.random.default_rng(1).integers(-1, 2, (60, 4))
        some[:, 0] = 1
        machine().fit(some, epochs=1)  # both states occur: -1 is a missing cell


def test_answers_to_spins_are_warned_of():
    with pytest.warns(VanishingValueWarning, match="state 0 never occurs"):
        machine().represent(SPINS[(SPINS == 1).any(1)])
    with pytest.warns(VanishingValueWarning, match="state 0 never occurs"):
        mm.query(machine(), {"x": SPINS}, ["hidden"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", VanishingValueWarning)
        machine().represent([[1, -1, 1, -1]])  # a few cells: it may well be meant


def test_labels_that_are_signs():
    x = np.random.default_rng(0).integers(0, 2, (60, 4))
    with pytest.raises(LearningError, match="'y' is given as numbers with -1"):
        machine(labels=mm.Variable("y", 2)).fit(x, SPINS[:, 0], epochs=1)
    with pytest.warns(VanishingValueWarning, match=r"'y'.* state 2 never occurs"):
        machine(labels=mm.Variable("y", 3)).fit(x, np.arange(60) % 3 - 1, epochs=1)


ONE_OF_SIX = np.random.default_rng(3).integers(0, 2, (60, 6))
ONE_OF_SIX[:, 4] = np.random.default_rng(4).choice([-1, 1], 60)


def six(kind=mm.RestrictedBoltzmannMachine):
    return kind(mm.Variable("x", shape=(6,), family="bernoulli"), 3)


def frame_of(array):
    return pd.DataFrame(array, columns=[f"x[{i}]" for i in range(array.shape[1])])


@pytest.mark.parametrize("given", [
    ONE_OF_SIX, ONE_OF_SIX.astype(float), torch.tensor(ONE_OF_SIX), {"x": ONE_OF_SIX.tolist()},
    frame_of(ONE_OF_SIX), frame_of(ONE_OF_SIX).astype("Int64"),
    {f"x[{i}]": ONE_OF_SIX[:, i] for i in range(6)},
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.VanishingValueWarning")
def test_one_element_of_signs_beside_truth_values_is_named(given):
    with pytest.raises(LearningError, match=r"'x\[4\]' is given as numbers .* state 0 never"):
        six().fit(given, epochs=1)


@pytest.mark.parametrize("given", [
    frame_of(SPINS), frame_of(SPINS.astype(float)), {f"x[{i}]": SPINS[:, i] for i in range(4)},
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.VanishingValueWarning")
def test_signs_in_a_column_an_element(given):
    with pytest.raises(LearningError, match=r"'x' is given as numbers with -1 .* never occurs"):
        machine().fit(given, epochs=1)


def test_answers_name_the_element():
    with pytest.warns(VanishingValueWarning, match=r"'x\[4\]'.* state 0 never occurs"):
        six().represent(ONE_OF_SIX)


def test_elements_of_arrays_are_called_by_their_places():
    x = mm.Variable("x", 3, (2, 3), family="categorical")
    given = np.random.default_rng(5).integers(0, 3, (60, 6))
    given[:, 4] = np.arange(60) % 3 - 1
    with pytest.warns(VanishingValueWarning, match=r"'x\[1,1\]'.* state 2 never occurs"):
        mm.RestrictedBoltzmannMachine(x, 2).fit(given, epochs=1)


def test_missing_cells_are_no_values_where_all_states_stand_beside_them():
    """As at the rim of pictures, which is always dark: a mask of -1 there is a mask elsewhere."""
    seen = np.random.default_rng(6).integers(0, 2, (60, 6))
    seen[:, 0] = 0
    seen[np.random.default_rng(7).random((60, 6)) < 0.2] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("error", VanishingValueWarning)
        six().fit(seen, epochs=1)
        few = np.random.default_rng(3).integers(0, 2, (60, 6))
        few[9:, 4] = -1
        few[:9, 4] = 1
        six().fit(few, epochs=1)  # nine known cells of one element: it may be chance


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.VanishingValueWarning")
def test_data_that_is_learned_from_is_checked_without_labels():
    made = machine(labels=mm.Variable("y", 2))
    with pytest.raises(LearningError, match="'x' is given as numbers with -1"):
        evidence_of(made.variables, made.layers, SPINS, learns=True)
    with pytest.raises(LearningError, match="'y' is given as numbers with -1"):
        evidence_of(made.variables, made.layers, np.abs(SPINS), SPINS[:, 0], learns=True)
    assert (
        evidence_of(made.variables, made.layers, SPINS).batch == 60
    )  # what is asked about is warned of


def test_columns_of_frames_and_of_networks():
    mood, seen = mm.Variable("mood", 3), mm.Variable("seen", 2)
    frame = pd.DataFrame({"mood": np.arange(60) % 3 - 1, "seen": np.arange(60) % 2})
    with pytest.warns(VanishingValueWarning, match=r"'mood'.* state 2 never occurs"):
        mm.RestrictedBoltzmannMachine([mood, seen], 2).fit(frame, epochs=1)
    net = mm.BayesianNetwork([mood], [mm.TableFactor([mood], [0.2, 0.3, 0.5], child=mood)])
    with pytest.warns(VanishingValueWarning, match=r"'mood'.* state 2 never occurs"):
        net.fit(frame[["mood"]])
