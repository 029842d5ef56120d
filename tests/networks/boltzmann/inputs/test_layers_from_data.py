"""Layers that are taken from the data, and machines that data which cannot be read leave alone."""

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError, MmgraphError

X = mm.Variable("x", shape=(3,), family="gaussian")
RNG = np.random.default_rng(0)
REALS = RNG.normal(size=(40, 3))
BITS = (RNG.random((40, 4)) < 0.5).astype(np.float64)


def numbers(machine: mm.RestrictedBoltzmannMachine) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in machine.parameters().values()]


@pytest.mark.parametrize("learn", ["fit", "partial_fit"])
def test_data_that_cannot_be_read_leaves_a_machine_as_it_was(learn):
    machine = mm.RestrictedBoltzmannMachine(hidden=5, epochs=2).fit(REALS)
    before, expected = numbers(machine), machine.represent(REALS)
    with pytest.raises(MmgraphError):
        getattr(machine, learn)(np.full((40, 3), 7.0 if learn == "fit" else np.inf))
    assert machine.is_fitted
    assert all(torch.equal(a, b) for a, b in zip(before, numbers(machine), strict=True))
    assert torch.equal(machine.represent(REALS), expected)


def test_a_machine_that_is_laid_out_anew_stays_on_its_device(cuda):
    machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=1, device=cuda).fit(REALS)
    assert machine.device.type == "cuda"
    assert machine.fit(BITS).device.type == "cuda"
    assert machine.set_params(hidden=2).fit(BITS).device.type == "cuda"
    moved = mm.RestrictedBoltzmannMachine(hidden=3, epochs=1).to(cuda)
    assert moved.get_params()["device"].startswith("cuda")
    assert moved.fit(REALS).device.type == "cuda"


def test_an_equal_argument_is_no_change():
    machine = mm.RestrictedBoltzmannMachine(hidden=300, epochs=1).fit(BITS)
    assert machine.set_params(hidden=300).is_fitted
    assert not machine.set_params(hidden=30).is_fitted


def test_machines_do_not_share_their_numbers():
    machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=2).fit(REALS)
    before = numbers(machine)
    machine.to("cpu").fit(REALS * 3)
    other = mm.RestrictedBoltzmannMachine(machine.visible, 3)
    other.adopt(machine.layer_factors())
    other.partial_fit(REALS)
    assert all(torch.equal(a, b) for a, b in zip(before, numbers(machine), strict=True))


def test_what_scaling_rounds_beyond_one_is_grey_all_the_same():
    scaled = (REALS - REALS.min(0)) / np.ptp(REALS, axis=0) * (1 + 4e-16)
    assert scaled.max() > 1
    machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=1).fit(scaled)
    assert machine.visible[0].family == "bernoulli"
    np.testing.assert_allclose(
        machine.represent(scaled), machine.represent(scaled.clip(0, 1)), atol=1e-12
    )


def test_missing_cells_of_every_kind_of_frame():
    pandas = pytest.importorskip("pandas")
    gaps = np.where(RNG.random(REALS.shape) < 0.1, np.nan, REALS)
    frame = pandas.DataFrame(gaps, columns=list("abc"))
    expected = mm.RestrictedBoltzmannMachine(hidden=3, epochs=2).fit(frame).represent(frame)
    for other in (frame.astype("Float64"), frame.astype(object).where(frame.notna(), pandas.NA)):
        machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=2).fit(other)
        assert torch.equal(machine.represent(other), expected)


@pytest.mark.parametrize("error", ["fine_tuning", "diverged"])
def test_a_first_fit_that_fails_makes_no_fitted_machine(error):
    machine = mm.RestrictedBoltzmannMachine(hidden=3)
    options = {"objective": error} if error == "fine_tuning" else {"learning_rate": 1e9}
    with pytest.raises(LearningError, match=error):
        machine.fit(REALS, **options, **({} if error == "fine_tuning" else {"optimiser": "sgd"}))
    assert not machine.is_fitted


def test_an_option_left_to_its_default_in_a_call():
    machine = mm.RestrictedBoltzmannMachine(hidden=3, batch_size=20, epochs=2)
    assert len(machine.fit(REALS, epochs=3).fit_report.history) == 3
    assert len(machine.fit(REALS, epochs="auto").fit_report.history) == 250  # 500 steps


def test_clones_draw_the_same_first_weights():
    clone = pytest.importorskip("sklearn.base").clone
    machine = mm.RestrictedBoltzmannMachine(
        mm.Variable("x", 2, shape=(4,), family="bernoulli"),
        3,
        generator=torch.Generator().manual_seed(3),
    )
    one, other = clone(machine), clone(machine)
    assert all(torch.equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: mm.RestrictedBoltzmannMachine(12), "hidden=12 is so many hidden units"),
        (
            lambda: mm.RestrictedBoltzmannMachine(X, dtype="float64"),
            "'dtype' is torch.dtype or None",
        ),
        (lambda: mm.RestrictedBoltzmannMachine(X, generator=3), "'generator' is torch.Generator"),
        (lambda: mm.RestrictedBoltzmannMachine(fit_options={"epoch": 3}), "no parameter 'epoch'"),
    ],
)
def test_arguments_that_will_not_do(build, message):
    with pytest.raises(MmgraphError, match=message):
        build()


def test_units_that_nobody_observes_are_named():
    labels = mm.Variable("y", ("a", "b"))
    machine = mm.RestrictedBoltzmannMachine(X, 3, labels)
    with pytest.warns(UserWarning, match="no row observes 'x': learned as latent units"):
        machine.fit(REALS * np.nan, ["a", "b"] * 20, epochs=2)


def test_names_of_columns_are_kept_in_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(REALS, columns=list("abc"))
    machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=2).fit(frame)
    mm.write(machine, tmp_path / "machine.mmgraph")
    read = mm.read(tmp_path / "machine.mmgraph")
    assert read.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(MmgraphError, match="same order"):
        read.transform(frame[["c", "a", "b"]])
