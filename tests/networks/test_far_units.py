"""Real values that lie far from zero are learned and answered like the same ones around zero."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError


def table(offset: float, rows: int = 200) -> np.ndarray:
    generator = np.random.default_rng(0)
    z = generator.normal(size=(rows, 3))
    z[:, 1] = z[:, 0] + 0.3 * z[:, 1]
    return np.round(z * 64) / 64 + offset  # sums with the offsets below are without rounding


def fitted(x: np.ndarray, **options) -> mm.RestrictedBoltzmannMachine:
    variable = mm.Variable("x", shape=(3,), family="gaussian")
    generator = torch.Generator().manual_seed(0)
    machine = mm.RestrictedBoltzmannMachine(variable, 4, generator=generator)
    settings = {"optimiser": "adam", "learning_rate": 0.02, "epochs": 15, "batch_size": 50}
    return machine.fit(x, **settings, **options)


@pytest.mark.parametrize("offset", [1e7, 1e8, 2.0**40])
def test_an_offset_changes_nothing(offset, tmp_path):
    x, moved = table(0), table(offset)
    near, far = fitted(x), fitted(moved)
    assert near.dtype == torch.float32
    assert far.dtype == torch.float64
    np.testing.assert_allclose(far.represent(moved), near.represent(x), atol=2e-3)
    likelihood = far.log_likelihood(moved).value
    torch.testing.assert_close(likelihood, near.log_likelihood(x).value, rtol=0, atol=0.01)

    gaps = moved.copy()
    gaps[:, 1] = np.nan
    filled = far.impute(gaps)["x"].numpy()
    np.testing.assert_array_equal(filled[:, [0, 2]], moved[:, [0, 2]])
    gaps_near = np.where(np.isnan(gaps), np.nan, x)
    expected = near.impute(gaps_near)["x"].numpy()
    np.testing.assert_allclose(filled - offset, expected, atol=5e-3)

    for method in ("layer_summation", "mean_field"):
        post, same = (
            mm.query(m, {"x": g[:5]}, ["x", "hidden"], method=method)
            for m, g in ((far, gaps), (near, gaps_near))
        )
        np.testing.assert_allclose(post.mean("x") - offset, same.mean("x"), atol=5e-3)
        np.testing.assert_allclose(post.mean("hidden"), same.mean("hidden"), atol=5e-3)
    np.testing.assert_allclose(
        mm.query(far, {"x": moved[:5]}, method="layer_summation").log_evidence,
        likelihood[:5],
        atol=1e-6,
    )
    prior = mm.query(far, None, ["x"]).mean("x")
    np.testing.assert_allclose(prior - offset, mm.query(near, None, ["x"]).mean("x"), atol=5e-3)
    best, near_best = mm.map_query(far), mm.map_query(near)
    np.testing.assert_allclose(best["x"] - offset, near_best["x"], atol=5e-3)
    drawn = mm.sample(far, 500, generator=torch.Generator().manual_seed(0))["x"] - offset
    same = mm.sample(near, 500, generator=torch.Generator().manual_seed(0))["x"]
    np.testing.assert_allclose(np.asarray(drawn).std(0), np.asarray(same).std(0), atol=0.15)

    mm.write(far, tmp_path / "far.mmgraph")
    again = mm.read(tmp_path / "far.mmgraph").impute(gaps)["x"]
    np.testing.assert_array_equal(again, filled)


def test_a_machine_goes_back_to_the_precision_that_it_was_made_for():
    machine = fitted(table(1e8))
    machine.fit(table(0), epochs=1)
    assert machine.dtype == torch.float32


def test_a_file_keeps_the_precision_that_a_machine_was_made_for(tmp_path):
    machine = fitted(table(1e8))
    mm.write(machine, tmp_path / "far.mmgraph")
    found = mm.read(tmp_path / "far.mmgraph")
    assert (found.dtype, found.asked_dtype) == (torch.float64, torch.float32)
    assert found.get_params()["dtype"] == torch.float32
    for one in (found, found.to("cpu")):
        one.fit(table(0), epochs=1)
        assert one.dtype == torch.float32

    document = tmp_path / "far.mmgraph" / "network.json"
    whole = json.loads(document.read_text())
    whole["settings"]["dtype"] = "float31"
    document.write_text(json.dumps(whole))
    with pytest.raises(FormatError, match="the dtype 'float31' is not known"):
        mm.read(tmp_path / "far.mmgraph")
    del whole["settings"]["dtype"]  # as before precisions were written
    document.write_text(json.dumps(whole))
    assert mm.read(tmp_path / "far.mmgraph").asked_dtype == torch.float64


def test_weights_of_far_units_are_what_they_were():
    machine = fitted(table(2.0**13))  # far, and near enough for sums of doubles
    states = {"x": torch.tensor(table(2.0**13)[:4]), "hidden": torch.zeros(4, 4)}
    plain = mm.FactorGraph(machine.variables.values(), machine.factors)
    given = {"x": table(2.0**13)[:4], "hidden": np.zeros((4, 4), int)}
    torch.testing.assert_close(mm.log_partition(plain, given), -plain.energy(states))


def test_data_that_are_not_to_be_standardised_are_trained_in_double_precision():
    variable = mm.Variable("x", shape=(3,), family="gaussian")
    machine = mm.RestrictedBoltzmannMachine(variable, 4)
    machine.fit(table(4000.0), standardise=False, optimiser="sgd", learning_rate=1e-9, epochs=1)
    assert machine.dtype == torch.float64


def test_what_never_changes_is_still_named():
    x = table(1e8)
    x[:, 2] = 1e8 + 1
    with pytest.raises(LearningError, match=r"'x\[2\]' has the same value"):
        fitted(x)
