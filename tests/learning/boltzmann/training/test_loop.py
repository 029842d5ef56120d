"""The training loop: it learns, watches itself, and stops where it should."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objective import MEAN, Objective
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training.steps import Ascent
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from tests.learning.boltzmann_machines import data_of, log_likelihood, machine
from tests.learning.boltzmann_runs import tensors_of

FAMILIES = ["bernoulli", "categorical", "gaussian", "replicated_softmax"]
SETTINGS = TrainingSettings(epochs=60, batch_size=50, chains=100, learning_rate=0.1)


def rows_of(values, dtype=torch.float64):
    return TrainingRows(len(values), {"v": Clamped(values.to(dtype))})


def skewed(graph, rows=300):
    """Data in which only a few values occur, with a little noise under Gaussian units."""
    few = data_of(graph, 3, seed=8) * (1.5 if graph.variables["v"].family == "gaussian" else 1)
    generator = torch.Generator().manual_seed(0)
    values = few[torch.randint(3, (rows,), generator=generator)]
    if graph.variables["v"].family == "gaussian":
        values = values + 0.5 * torch.randn(values.shape, generator=generator, dtype=values.dtype)
    return values


def exact(graph, values):
    return float(log_likelihood(graph, [f.tensors() for f in graph.factors], values))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_training_raises_the_exact_log_likelihood(family, optimiser):
    graph = machine(family, (3,), scale=0.1)
    values = skewed(graph)
    before = exact(graph, values)
    rate = {"sgd": 0.2, "adam": 0.03}[optimiser]
    if (optimiser, family) == ("sgd", "replicated_softmax"):
        rate *= float(values.sum(1).mean())  # its steps are those of a word
    settings = replace(SETTINGS, optimiser=optimiser, learning_rate=rate, schedule="linear")
    report = train(graph, rows_of(values), settings=settings)
    after = exact(graph, values)
    assert after > before + 0.3
    if family != "gaussian":  # no model beats the frequencies themselves
        counts = values.flatten(1).unique(dim=0, return_counts=True)[1] / len(values)
        assert after < float((counts * counts.log()).sum())
    assert len(report.history) == 60
    assert report.history[-1]["reconstruction_error"] < report.history[0]["reconstruction_error"]


@pytest.mark.parametrize("family", FAMILIES)
def test_monitors_are_those_of_the_exact_sums(family):
    graph = machine(family, (3,), scale=0.4)
    values = data_of(graph, 80)
    settings = replace(SETTINGS, epochs=1, learning_rate=0.01, likelihood_epochs=(1,), batch_size=8)
    report = train(graph, rows_of(values), rows_of(values[:40]), settings)
    (told,) = report.history
    assert told["log_likelihood"] == pytest.approx(exact(graph, values[:40]), abs=0.05)
    assert told["free_energy"] == pytest.approx(
        -told["log_likelihood"] - told["log_partition"], abs=1e-9
    )
    assert {"r_hat", "saturated", "reconstruction_error", "free_energy_gap"} <= told.keys()
    assert ("pseudo_likelihood" in told) == (family in ("bernoulli", "categorical"))


def test_pseudo_likelihood_of_independent_units_is_their_likelihood():
    for family in ("bernoulli", "categorical"):
        graph = machine(family, (2,), scale=0.0)
        with torch.no_grad():
            graph.factors[0].bias += 0.5 * torch.arange(graph.factors[0].bias.numel()).reshape(
                graph.factors[0].bias.shape
            )
        values = data_of(graph, 400)
        settings = replace(SETTINGS, epochs=1, learning_rate=1e-12)
        (told,) = train(graph, rows_of(values), settings=settings).history
        assert told["pseudo_likelihood"] == pytest.approx(exact(graph, values), abs=0.25)


def test_the_free_energy_of_a_deep_machine_is_a_bound_and_its_chains_are_watched():
    graph = machine("bernoulli", (3, 2), scale=1.0)
    values = data_of(graph, 100)
    settings = replace(SETTINGS, epochs=2, likelihood_epochs=(2,), learning_rate=0.01)
    told = train(graph, rows_of(values), settings=settings).history[-1]
    truth = exact(graph, values)
    assert truth - 0.5 < told["log_likelihood"] < truth + 0.05


def test_early_stopping_returns_the_best_epoch():
    graph = machine("bernoulli", (6,), scale=0.3)
    values = data_of(graph, 30)
    settings = replace(SETTINGS, epochs=200, batch_size=10, learning_rate=0.3, patience=3,
                       stopping_monitor="free_energy_gap")  # fmt: skip
    report = train(graph, rows_of(values[:20]), rows_of(values[20:]), settings)
    gaps = [h["free_energy_gap"] for h in report.history]
    assert report.stopped_early
    assert len(gaps) == report.best_epoch + 3 < 200
    assert min(gaps) == gaps[report.best_epoch - 1]
    settings = replace(settings, epochs=report.best_epoch, stopping_monitor=None)
    again = machine("bernoulli", (6,), scale=0.3)
    train(again, rows_of(values[:20]), rows_of(values[20:]), settings)
    for a, b in zip(tensors_of(graph).values(), tensors_of(again).values(), strict=True):
        assert torch.equal(a, b)


class Failing(Objective):
    """Points uphill until its time has come."""

    def __init__(self, parameters, random, good, bad):
        self.parameters, self.calls, self.good, self.bad = parameters, 0, good, bad

    def gradients(self, batch):
        self.calls += 1
        value = self.bad if self.calls > self.good else 0.1
        found = {k: torch.full_like(t, value) for k, t in self.parameters.tensors.items()}
        return found, {"calls": 1.0}

    def state(self):
        return {"calls": torch.tensor(self.calls)}

    def load(self, state):
        self.calls = int(state["calls"])


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e9])
def test_divergence_names_the_epoch_and_keeps_what_was_good(tmp_path, bad):
    graph = machine("bernoulli", (3,))
    values = data_of(graph, 100)
    settings = replace(SETTINGS, batch_size=50)
    kept = []

    def note(epoch, monitors):
        assert monitors["calls"] == pytest.approx(1.0)
        kept.append(tensors_of(graph))

    with pytest.raises(LearningError, match=r"diverged in epoch 3: .* checkpoint is kept"):
        train(graph, rows_of(values), None, settings,
              lambda p, r: Failing(p, r, 5, bad), note, tmp_path)  # fmt: skip
    assert len(kept) == 2
    for a, b in zip(kept[-1].values(), tensors_of(graph).values(), strict=True):
        assert torch.equal(a, b)
    good = machine("bernoulli", (3,))
    report = train(good, rows_of(values), None, settings,
                   lambda p, r: Failing(p, r, 500, bad), None, tmp_path)  # fmt: skip
    assert len(report.history) == 60


def test_weights_into_a_hidden_unit_are_bounded_and_decay():
    graph = machine("bernoulli", (3,), scale=2.0)
    parameters = BoltzmannParameters(graph)
    zero = {k: torch.zeros_like(t) for k, t in parameters.tensors.items()}
    before = parameters.tensors["weights:v:h1"].detach().clone()
    Ascent(parameters, replace(SETTINGS, norm_bound=1.0), ["v"]).step(zero, 0.1)
    norms = parameters.tensors["weights:v:h1"].norm(dim=0)
    torch.testing.assert_close(norms, before.norm(dim=0).clamp_max(1.0))
    parameters = BoltzmannParameters(graph)
    Ascent(parameters, replace(SETTINGS, weight_decay=0.5), ["v"]).step(zero, 0.1)
    torch.testing.assert_close(parameters.tensors["weights:v:h1"].detach(), before * 0.95)
    torch.testing.assert_close(parameters.tensors["bias:v"].detach(), graph.factors[0].bias)


def test_sparsity_draws_the_mean_activation_down():
    graph = machine("bernoulli", (4,), scale=0.2)
    values = data_of(graph, 200)

    def activation(cost):
        made = machine("bernoulli", (4,), scale=0.2)
        settings = replace(SETTINGS, sparsity_target=0.1, sparsity_cost=cost, epochs=40)
        train(made, rows_of(values), settings=settings)
        field = values @ made.factors[-1].weights + made.factors[1].bias
        return float(field.sigmoid().mean())

    assert activation(0.0) > 0.3
    assert activation(3.0) == pytest.approx(0.1, abs=0.06)


def test_centres_follow_the_means_and_averages_follow_the_weights():
    graph = machine("bernoulli", (3,))
    parameters = BoltzmannParameters(graph)
    ascent = Ascent(parameters, replace(SETTINGS, averaging=0.75, centring_rate=0.5), ["v"])
    step = {k: torch.zeros_like(t) for k, t in parameters.tensors.items()}
    step["bias:v"] += 1.0
    mean = torch.tensor([0.2, 0.4, 0.8], dtype=torch.float64)
    for _ in range(2):
        ascent.step({**step, MEAN + "h1": mean}, 1.0)
    torch.testing.assert_close(parameters.centres["h1"], 0.75 * mean)
    # The momentum is 0.5: the bias went up by 1, then by 1.5; the first average keeps a tenth.
    torch.testing.assert_close(ascent.result()[0][0], graph.factors[0].bias + 1 + 0.9 * 1.5)


@pytest.mark.parametrize(("schedule", "expected"), [
    ("constant", [0.25, 0.5, 0.5, 0.5]), ("linear", [0.25, 0.5, 0.5 * 2 / 3, 0.5 / 3]),
    ("cosine", [0.25, 0.5, 0.375, 0.125]),
])  # fmt: skip
def test_learning_rates(schedule, expected):
    settings = TrainingSettings(epochs=2, learning_rate=0.5, schedule=schedule, warm_up_epochs=0.5)
    rates = [settings.rate(step, 2) for step in range(4)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(("options", "message"), [
    ({"epoch": 3}, "no option 'epoch'; did you mean 'epochs'"),
    ({"epochs": 0}, "epochs must be a whole number from 1"),
    ({"batch_size": 2.5}, "batch_size must be a whole number"),
    ({"optimiser": "adem"}, "unknown optimiser 'adem'; did you mean 'adam'"),
    ({"schedule": "cos"}, "unknown schedule 'cos'"),
    ({"learning_rate": 0.0}, r"learning_rate must lie in \(0, inf\)"),
    ({"learning_rate": math.nan}, "learning_rate must lie"),
    ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
    ({"averaging": -0.1}, "averaging must lie"),
    ({"centring_rate": 0}, "centring_rate must lie"),
    ({"norm_bound": -1}, "norm_bound must lie"),
    ({"sparsity_target": 0}, "sparsity_target must lie"),
    ({"seed": -1}, "seed must be a whole number"),
    ({"batch_size": 1}, "less than the 2 blocks"),
    ({"stopping_monitor": "free_enrgy"}, "did you mean 'free_energy'"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(LearningError, match=message):
        TrainingSettings.of(options)


def test_monitors_that_cannot_be_watched_are_refused():
    graph = machine()
    rows = rows_of(data_of(graph, 10))
    with pytest.raises(LearningError, match="no validation rows"):
        train(graph, rows, settings=replace(SETTINGS, stopping_monitor="free_energy_gap"))
    with pytest.raises(LearningError, match="likelihood_epochs is empty"):
        train(graph, rows, settings=replace(SETTINGS, stopping_monitor="log_likelihood"))
    gaussian = machine("gaussian")
    with pytest.raises(LearningError, match="no discrete layer is observed"):
        train(gaussian, rows_of(data_of(gaussian, 10)),
              settings=replace(SETTINGS, stopping_monitor="pseudo_likelihood"))  # fmt: skip
