"""Machines learn from data, in any units, and stand in for scikit-learn's estimators."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.networks.boltzmann.options import (
    LIKELIHOOD_DEFAULTS,
    MULTI_PREDICTION_DEFAULTS,
    fit_options,
)
from mmgraph.networks.boltzmann.units import Units
from tests.networks.boltzmann_machines import every_family, rows_of, scattered

QUICK = {"epochs": 3, "batch_size": 20, "chains": 20}


def labelled(rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes whose means differ, of six columns in very different units."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, rows)
    means = np.random.default_rng(9).normal(size=(3, 6)) * 2
    x = (means[y] + generator.normal(size=(rows, 6))) * [1, 1000, 0.01, 1, 50, 1]
    return x + np.array([0, 5e4, -3, 10, 0, 1]), y


def classifier(hidden: int = 30, **options) -> mm.RestrictedBoltzmannMachine:
    visible = mm.Variable("x", shape=(6,), family="gaussian")
    usual = {"epochs": 40, "learning_rate": 0.02, "batch_size": 20, "chains": 20}
    return mm.RestrictedBoltzmannMachine(
        visible, hidden, mm.Variable("y", 3), fit_options={**usual, **options}
    )


@pytest.mark.parametrize("objective", ["contrastive_divergence", "multi_prediction"])
def test_labels_are_learned_whatever_the_units(objective):
    x, y = labelled()
    epochs = {"contrastive_divergence": 40, "multi_prediction": 20}[objective]
    machine = classifier(objective=objective, epochs=epochs).fit(x, y)
    held_out, truth = labelled(200, 1)
    assert machine.score(held_out, truth) > 0.9
    drawn = machine.sample(300, generator=torch.Generator().manual_seed(0), chains=300).codes["x"]
    assert (np.abs(drawn.numpy().mean(0) - x.mean(0)) < 0.6 * x.std(0)).all()
    assert (np.abs(np.log(drawn.numpy().std(0) / x.std(0))) < 0.5).all()


def test_the_same_data_in_other_units_makes_the_same_machine():
    x, y = labelled()
    # No samples are drawn, which rounding would turn from 0 to 1 now and then.
    options = {"objective": "multi_prediction", "epochs": 10}
    machine = classifier(6, **options).to(dtype=torch.float64).fit(x, y)
    moved = classifier(6, **options).to(dtype=torch.float64).fit((x - 3) * 7, y)
    np.testing.assert_allclose(
        machine.predict_proba(x), moved.predict_proba((x - 3) * 7), atol=1e-6
    )
    one, other = machine.log_likelihood(x), moved.log_likelihood((x - 3) * 7)
    torch.testing.assert_close(one.value, other.value + 6 * np.log(7))


def test_a_change_of_units_leaves_the_distribution_as_it_is():
    machine = every_family()
    data = {n: a[:3] for n, a in rows_of(machine).items()}
    data["depth"] = np.array([[1.0, 2], [3, 5], [-1, 0]])
    evidence = mm.Evidence.of(data, machine.variables)
    rows = TrainingRows.of(machine, evidence, dtype=torch.float64)
    units = Units.of(machine, rows)
    graph = units.of_data(machine, torch.float64)
    standard = (data["depth"] - data["depth"].mean(0)) / data["depth"].std(0)
    rate = data["rate"] / np.sqrt(np.square(data["rate"]).mean(0))
    for name, expected in (("depth", standard), ("rate", rate)):
        np.testing.assert_allclose(
            units.standardised(rows, torch.float64).clamped[name].values, expected
        )
    before = mm.query(machine, data)
    after = mm.query(graph, {**data, "depth": standard, "rate": rate})
    for name in ("joint", "lidar.hidden1", "camera.hidden1"):
        torch.testing.assert_close(before.mean(name), after.mean(name))
    logarithms = float(torch.cat([s.log() for s in units.scales.values()]).sum())
    ratio = mm.log_partition(machine) - mm.log_partition(graph)
    joint = before.log_partition - after.log_partition
    torch.testing.assert_close(joint, ratio.expand(3) - logarithms)
    numbers = {n: t.clone() for n, t in machine.parameters().items()}
    units.write(graph, machine)
    for name, tensor in machine.parameters().items():
        torch.testing.assert_close(tensor, numbers[name])


def test_first_numbers_come_from_the_data():
    generator = np.random.default_rng(0)
    visible = [
        mm.Variable("g", shape=(2,), family="gaussian"),
        mm.Variable("b", shape=(2,), family="bernoulli"),
        mm.Variable("c", 3, shape=(1,)),
        mm.Variable("w", shape=(3,), family="replicated_softmax"),
        mm.Variable("r", shape=(1,), family="rectified_gaussian"),
    ]
    machine = mm.RestrictedBoltzmannMachine(visible, 3, dtype=torch.float64)
    data = {
        "g": generator.normal([5, -2], [3, 0.5], (500, 2)),
        "b": (generator.random((500, 2)) < [0.9, 0.2]).astype(int),
        "c": generator.choice(3, (500, 1), p=[0.7, 0.2, 0.1]),
        "w": generator.multinomial(7, [0.5, 0.3, 0.2], 500),
        "r": generator.exponential(2.0, (500, 1)),
    }
    data["g"][0] = np.nan
    machine.fit(data, epochs=1, learning_rate=1e-9, centring=False, weight_scale=1e-9)
    posterior = mm.query(machine, method="mean_field")
    np.testing.assert_allclose(posterior.mean("g")[0], np.nanmean(data["g"], 0), atol=1e-6)
    np.testing.assert_allclose(posterior.variance("g")[0], np.nanvar(data["g"], 0), rtol=1e-6)
    np.testing.assert_allclose(posterior.mean("b")[0], data["b"].mean(0), atol=1e-6)
    np.testing.assert_allclose(
        posterior.marginal("c")[0, 0], np.bincount(data["c"][:, 0]) / 500, atol=1e-6
    )
    np.testing.assert_allclose(posterior.mean("w")[0], data["w"].mean(0), atol=1e-5)
    np.testing.assert_allclose(posterior.mean("r")[0], data["r"].mean(0), atol=1e-4)


def test_fitting_again_starts_afresh_and_a_warm_start_goes_on():
    x, y = labelled()
    machine = classifier().fit(x, y)
    first = {n: t.clone() for n, t in machine.parameters().items()}
    machine.fit(x, y)
    for name, tensor in machine.parameters().items():
        assert torch.equal(tensor, first[name])
    machine.fit(x, y, warm_start=True, epochs=1, learning_rate=1e-9)
    for name, tensor in machine.parameters().items():
        torch.testing.assert_close(tensor, first[name], rtol=1e-3, atol=1e-3)
    machine.fit(x, y, objective="fine_tuning", epochs=2)
    assert not torch.equal(machine.parameters()["weights:y:hidden"], first["weights:y:hidden"])


def test_progress_validation_and_what_is_reported():
    x, y = labelled()
    machine = classifier()
    told = []
    machine.fit(
        x, y, validation=(x[:20], y[:20]), settings=TrainingSettings(epochs=2, batch_size=20),
        progress=lambda epoch, monitors: told.append((epoch, machine.predict(x[:3]), monitors)),
    )  # fmt: skip
    assert [epoch for epoch, _, _ in told] == [1, 2]
    assert "free_energy_gap" in told[0][2]
    assert machine.fit_report.history == [monitors for _, _, monitors in told]


def test_a_checkpoint_goes_on_to_the_same_numbers(tmp_path):
    x, y = labelled()
    whole = classifier().fit(x, y, checkpoint=tmp_path / "whole", **QUICK)

    class Stopped(Exception):
        pass

    def stop(epoch, monitors):
        if epoch == 2:
            raise Stopped

    machine = classifier()
    with pytest.raises(Stopped):
        machine.fit(x, y, checkpoint=tmp_path / "cut", progress=stop, **QUICK)
    sound = {n: t.clone() for n, t in machine.parameters().items()}
    assert all(t.isfinite().all() for t in sound.values())
    again = classifier().fit(x, y, checkpoint=tmp_path / "cut", **QUICK)
    for name, tensor in again.parameters().items():
        assert torch.equal(tensor, whole.parameters()[name])
    with pytest.raises(errors.FormatError, match="another training"):
        classifier(hidden=7).fit(x, y, checkpoint=tmp_path / "cut", **QUICK)


def test_multi_prediction_has_defaults_of_its_own():
    given = {"objective": "multi_prediction", "learning_rate": 0.01}
    chosen = fit_options({}, None, given).settings
    assert (chosen.optimiser, chosen.schedule, chosen.learning_rate) == ("adam", "cosine", 0.01)
    assert chosen.momentum == MULTI_PREDICTION_DEFAULTS["momentum"]
    plain = TrainingSettings()
    named = {"objective": "multi_prediction", "optimiser": "sgd"}
    assert fit_options({}, None, named).settings == plain
    assert fit_options({}, plain, {"objective": "multi_prediction"}).settings == plain
    assert fit_options({}, None, {"optimiser": "sgd"}).settings == plain
    assert fit_options({}, None, {}).settings == TrainingSettings(**LIKELIHOOD_DEFAULTS)
    both = {"objective": "multi_prediction", "pretrain": "greedy", "epochs": 3}
    assert fit_options({}, None, both).pretraining == TrainingSettings(epochs=3)


def test_multi_prediction_gets_far_with_its_defaults():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 300)
    centres = generator.normal(size=(3, 6))
    x = centres[y] + 0.7 * generator.normal(size=(300, 6))
    visible = mm.Variable("x", shape=(6,), family="gaussian")
    machines = [mm.RestrictedBoltzmannMachine(visible, 20, mm.Variable("y", 3)) for _ in range(2)]
    machines[0].fit(x, y, objective="multi_prediction")
    machines[1].fit(x, y, objective="multi_prediction", optimiser="sgd")
    chances = [m.predict_proba(x)[np.arange(300), y] for m in machines]
    losses = [float(-np.log(np.asarray(c)).mean()) for c in chances]
    assert losses[0] < 0.7 * losses[1]
    assert (machines[0].predict(x) == y).mean() > 0.85


def test_greedy_pretraining_is_called_by_name(tmp_path):
    sound = mm.Variable("s", shape=(3,), family="gaussian", modality="sound")
    camera = mm.Variable("c", shape=(4,), family="bernoulli", modality="camera")
    generator = np.random.default_rng(0)
    data = {"s": generator.normal(size=(60, 3)), "c": generator.integers(0, 2, (60, 4))}
    machine = mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway(sound, (3, 2)), mm.Pathway(camera, 3)], 4
    )
    machine.fit(data, pretrain="greedy", pretraining=QUICK, checkpoint=tmp_path, **QUICK)
    assert (tmp_path / "pretraining").is_dir()
    assert machine.represent(data).isfinite().all()


@pytest.mark.parametrize("option", [{"pretraining": True}, {"prediction": True}])
def test_options_that_are_no_mappings_are_refused(option):
    x = np.random.default_rng(0).integers(0, 2, (20, 4))
    machine = mm.DeepBoltzmannMachine(hidden=(3, 2))
    with pytest.raises(errors.LearningError, match=r"a mapping.*not True"):
        machine.fit(x, **option, **QUICK)
    assert not machine.is_fitted


def test_training_that_diverges_leaves_a_sound_machine():
    x, y = labelled()
    machine = classifier()
    with pytest.raises(errors.LearningError, match="diverged in epoch"):
        machine.fit(x, y, learning_rate=1e6, epochs=3)
    assert all(t.isfinite().all() for t in machine.parameters().values())
    with pytest.raises(errors.NotFittedError):  # no epoch was sound
        machine.predict_proba(x)
    machine.fit(x, y, epochs=2)
    before = machine.predict_proba(x)
    with pytest.raises(errors.LearningError, match="diverged in epoch"):
        machine.fit(x, y, learning_rate=1e6, epochs=3)
    np.testing.assert_array_equal(machine.predict_proba(x), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "no option 'epoch'; did you mean 'epochs'"),
        ({"objective": "contrastive"}, "did you mean 'contrastive_divergence'"),
        ({"pretrain": "layerwise"}, "'greedy' or None"),
        ({"weight_scale": 0.0}, "weight_scale must be positive"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"prediction": {"sweps": 3}}, "sweps"),
    ],
)
def test_options_that_do_not_exist(options, message):
    x, y = labelled(20)
    with pytest.raises(errors.LearningError, match=message):
        classifier().fit(x, y, **options)


def test_data_that_teaches_nothing():
    x, y = labelled(20)
    constant = x.copy()
    constant[:, 4] = 2.0
    with pytest.raises(errors.LearningError, match=r"'x\[4\]' has the same value \(2\)"):
        classifier().fit(constant, y)
    with pytest.raises(errors.LearningError, match="label units 'y', but no row has a label"):
        classifier().fit(x)
    with pytest.raises(errors.LearningError, match="no row has a label"):
        classifier().fit(x, [-1] * 20)
    with pytest.raises(errors.EvidenceError, match=r"y has shape \(19,\)"):
        classifier().fit(x, y[:19])
    with pytest.raises(errors.EvidenceError, match="in the data and as y"):
        classifier().fit({"x": x, "y": y}, y)
    with pytest.raises(errors.LearningError, match="needs a machine with label units"):
        mm.RestrictedBoltzmannMachine(mm.Variable("x", shape=(6,), family="gaussian"), 2).fit(
            x, objective="fine_tuning"
        )


def test_missing_values_and_missing_labels_are_learned_around():
    x, y = labelled()
    x[::5, 2] = np.nan
    y[::3] = -1
    machine = classifier().fit(x, y)
    held_out, truth = labelled(200, 1)
    assert machine.score(held_out, truth) > 0.9


def test_a_pipeline_ends_in_a_machine():
    x, y = labelled()
    pipeline = make_pipeline(StandardScaler(), classifier()).fit(x, y)
    held_out, truth = labelled(200, 1)
    assert pipeline.score(held_out, truth) > 0.9
    assert pipeline.predict_proba(held_out).shape == (200, 3)
    assert (pipeline.classes_ == [0, 1, 2]).all()


def test_a_pipeline_goes_through_a_machine():
    x, y = labelled()
    visible = mm.Variable("x", shape=(6,), family="gaussian")
    machine = mm.RestrictedBoltzmannMachine(
        visible, 30, fit_options=classifier().get_params()["fit_options"]
    )
    pipeline = make_pipeline(machine, LogisticRegression(max_iter=500)).fit(x, y)
    held_out, truth = labelled(200, 1)
    assert pipeline.score(held_out, truth) > 0.9
    assert pipeline[:-1].transform(x).shape == (120, 30)
    assert list(machine.get_feature_names_out())[:2] == ["hidden[0]", "hidden[1]"]
    np.testing.assert_array_equal(clone(machine).fit_transform(x), machine.transform(x))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_cross_validation_and_search_clone_the_machine(jobs):
    x, y = labelled()
    assert is_classifier(classifier())
    scores = cross_val_score(classifier(objective="multi_prediction", epochs=15), x, y, cv=2)
    assert scores.mean() > 0.85
    grid = {"hidden": [2, 20], "fit_options__epochs": [2]}
    search = GridSearchCV(classifier(), grid, cv=2, n_jobs=jobs).fit(x, y)
    assert search.best_params_["fit_options__epochs"] == 2
    assert search.best_estimator_.joint.size == search.best_params_["hidden"]


def test_a_clone_is_untrained_and_parameters_can_be_set():
    machine = classifier()
    copied = clone(machine.fit(*labelled(40), **QUICK))
    assert copied.fit_report is None
    assert copied.get_params()["hidden"] == 30
    machine.set_params(fit_options__epochs=4)
    assert machine.fit_report is not None  # only options of training have changed
    machine.set_params(hidden=5)
    assert machine.joint.size == 5
    assert machine.fit_report is None
    assert machine.get_params()["fit_options"]["epochs"] == 4
    with pytest.raises(errors.GraphError, match="no parameter 'hiden'; did you mean 'hidden'"):
        machine.set_params(hiden=5)
    with pytest.raises(errors.GraphError, match="must have a whole number"):
        machine.set_params(hidden=0)
    assert machine.joint.size == 5


def test_without_labels_the_score_is_the_mean_log_likelihood():
    visible = mm.Variable("x", shape=(4,), family="bernoulli")
    machine = scattered(mm.RestrictedBoltzmannMachine(visible, 3, dtype=torch.float64))
    x = np.random.default_rng(0).integers(0, 2, (10, 4))
    assert machine.score(x) == pytest.approx(float(machine.log_likelihood(x).value.mean()))
    assert not is_classifier(machine)
    assert not hasattr(machine, "classes_")


def test_a_machine_answers_with_the_sweeps_that_it_was_trained_with(tmp_path):
    left = mm.Variable("left", shape=(3,), family="gaussian", modality="left")
    right = mm.Variable("right", shape=(2,), family="gaussian", modality="right")
    machine = mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway(left, 4), mm.Pathway(right, 3)], 4, mm.Variable("state", 2)
    )
    assert machine.sweeps is None
    generator = torch.Generator().manual_seed(0)
    codes = torch.arange(40) % 2
    rows = {n: torch.randn(40, k, generator=generator) + codes[:, None] for n, k in
            (("left", 3), ("right", 2))}  # fmt: skip
    machine.fit(rows, codes, objective="multi_prediction", prediction={"sweeps": 3}, epochs=2)
    assert machine.sweeps == 3
    given = {"left": rows["left"]}
    few = machine.represent(given, iterations=3, tolerance=0.0)
    torch.testing.assert_close(machine.represent(given), few, rtol=0, atol=0)
    assert not torch.equal(machine.represent(given, iterations=4), few)
    mm.write(machine, tmp_path / "machine.mmgraph")
    torch.testing.assert_close(
        mm.read(tmp_path / "machine.mmgraph").represent(given), few, rtol=0, atol=0
    )
    machine.fit(rows, codes, epochs=1)
    assert machine.sweeps is None
