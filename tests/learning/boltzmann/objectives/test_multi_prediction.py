"""Multi-prediction: gradients against finite differences, what is missing, and what is learned."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, UnknownVariableError
from mmgraph.graph.exponential_family import (
    Bernoulli,
    Categorical,
    Gaussian,
    ReplicatedSoftmax,
)
from mmgraph.graph.leaves.rectified_gaussian import RectifiedGaussian
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import observed_last
from mmgraph.inference.field.initial_means import uninformed_means
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.mean_field import ascend
from mmgraph.learning.boltzmann.objective import MEAN
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.boltzmann.objectives.multi_prediction import (
    MultiPrediction,
    PredictionSettings,
    negative_log_likelihood,
)
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.training.random_blocks import RandomBlocks
from tests.learning.multimodal_machines import (
    VISIBLE,
    multimodal_machine,
    multimodal_rows,
    with_missing,
)

PLAIN = PredictionSettings(sweeps=4)
RICH = PredictionSettings(
    sweeps=4,
    scored_sweeps=2,
    damping=0.2,
    weights={"depth": 0.5, "rate": 0.0, "label": 2.0},
    squared_error_weights={"depth": 3.0, "words": 0.1},
    label_smoothing=0.1,
    dropout={"pixels.hidden1": 0.3},
    hiding=HidingDistribution(
        single=0.3,
        everything=0.1,
        situations={("camera", "words"): 0.2},
        single_weights={"camera": 2.0},
        labels=0.7,
    ),
    disturbance=Disturbance({"depth": 0.1, "rate": 0.2}, blended=0.5, kind="difference"),
)


def random(blocks: int = 1, seed: int = 3) -> RandomBlocks:
    return RandomBlocks(blocks, seed, torch.device("cpu"))


def objective(
    settings: PredictionSettings = PLAIN, seed: int = 3, centred: bool = True
) -> MultiPrediction:
    graph = multimodal_machine()
    centres = {n: torch.full((3,), 0.4) for n in ("pixels.hidden1", "depth.hidden1")}
    parameters = BoltzmannParameters(graph, centres if centred else None)
    return MultiPrediction(parameters, "label", settings, random(seed=seed))


def loss_of(prediction: MultiPrediction, batch: Mapping[str, Clamped], seed: int = 3) -> float:
    prediction.random = random(seed=seed)
    with torch.no_grad():
        return float(prediction.loss(batch)[0])


@pytest.mark.parametrize("settings", [PLAIN, RICH], ids=["plain", "rich"])
def test_gradients_are_those_of_finite_differences(settings: PredictionSettings):
    prediction, batch = objective(settings), multimodal_rows()
    gradients, told = prediction.gradients(batch)
    assert float(told["loss"]) == pytest.approx(loss_of(prediction, batch), rel=1e-12)
    step = 1e-5
    for name, tensor in prediction.parameters.tensors.items():
        assert gradients[name].shape == tensor.shape
        flat = tensor.detach().reshape(-1)
        for i in (0, len(flat) // 2, len(flat) - 1):
            before = float(flat[i])
            flat[i] = before + step
            above = loss_of(prediction, batch)
            flat[i] = before - step
            below = loss_of(prediction, batch)
            flat[i] = before
            expected = -(above - below) / (2 * step)
            assert float(gradients[name].reshape(-1)[i]) == pytest.approx(expected, abs=1e-7), name


def test_only_the_last_sweeps_are_differentiated():
    batch = multimodal_rows()
    short = objective(PredictionSettings(sweeps=4, gradient_sweeps=1))
    gradients, told = short.gradients(batch)
    whole, same = objective().gradients(batch)
    assert float(told["loss"]) == pytest.approx(float(same["loss"]), rel=1e-12)
    key = "weights:pixels:pixels.hidden1"
    assert not torch.allclose(gradients[key], whole[key])
    assert float(gradients[key].abs().max()) > 0


def test_predictions_are_those_of_inference_after_as_many_sweeps():
    others = dict.fromkeys(("rate", "colour", "words"), 0.0)
    hiding = HidingDistribution(single=1.0, single_weights=others, partly=0)
    prediction = objective(PredictionSettings(sweeps=3, hiding=hiding, weights={"label": 1.0}))
    batch = multimodal_rows()
    _, told = prediction.gradients(batch)
    shown = {n: batch[n] for n in ("pixels", "depth")}
    parameters = prediction.parameters
    view = FieldView.given(parameters.working(), shown, 20, parameters.device, parameters.dtype)
    means = uninformed_means(view)
    ascend(view, observed_last(parameters.colours, shown), means, 3)
    logits = view.field("label", means)
    expected = torch.nn.functional.cross_entropy(logits, batch["label"].values.argmax(1))
    assert float(told["loss:label"]) == pytest.approx(float(expected), rel=1e-10)
    colour = negative_log_likelihood(
        Categorical(), view.field("colour", means), batch["colour"].values
    )
    assert float(told["loss:colour"]) == pytest.approx(float(colour.mean()), rel=1e-10)


def test_means_of_hidden_layers_come_along():
    gradients, _ = objective().gradients(multimodal_rows())
    hidden = [n for n in gradients if n.startswith(MEAN)]
    assert sorted(hidden) == sorted([*(f"{MEAN}{n}.hidden1" for n in VISIBLE), f"{MEAN}joint"])
    assert all(bool(((gradients[n] > 0) & (gradients[n] < 1)).all()) for n in hidden)


@pytest.mark.parametrize("name", [*VISIBLE, "label"])
def test_what_the_data_lack_is_never_looked_at(name: str):
    missing = torch.arange(20) % 3 == 0
    first, second = (
        objective(RICH).gradients(with_missing(multimodal_rows(), name, missing, fill))
        for fill in (0.0, 7.0)
    )
    for key, gradient in first[0].items():
        assert torch.equal(gradient, second[0][key]), key
    everywhere = with_missing(multimodal_rows(), name, torch.ones(20, dtype=torch.bool), 7.0)
    settings = PredictionSettings(weights={n: 0.0 for n in VISIBLE if n != name})
    if name != "label":
        settings = PredictionSettings(weights={**settings.weights, "label": 0.0})
    gradients, told = objective(settings).gradients(everywhere)
    assert float(told["loss"]) == 0
    assert all(float(gradients[k].abs().max()) == 0 for k in gradients if not k.startswith(MEAN))


def test_nothing_hidden_gives_no_gradient():
    settings = PredictionSettings(hiding=HidingDistribution(modality=0, partly=0, labels=0))
    gradients, told = objective(settings).gradients(multimodal_rows())
    assert float(told["loss"]) == 0
    assert float(gradients["bias:joint"].abs().max()) == 0


def test_the_same_seed_gives_the_same_and_states_go_on():
    batch = multimodal_rows()
    one, two, other = objective(RICH), objective(RICH), objective(RICH, seed=4)
    for _ in range(2):
        first, second = one.gradients(batch)[0], two.gradients(batch)[0]
        assert all(torch.equal(first[n], second[n]) for n in first)
    assert not torch.equal(first["bias:joint"], other.gradients(batch)[0]["bias:joint"])
    other.load(one.state())
    assert torch.equal(one.gradients(batch)[0]["bias:joint"],
                       other.gradients(batch)[0]["bias:joint"])  # fmt: skip


@pytest.mark.parametrize("settings", [PLAIN, RICH], ids=["plain", "rich"])
def test_two_processes_see_what_one_sees(settings: PredictionSettings):
    batch = multimodal_rows(20)
    parameters = BoltzmannParameters(multimodal_machine())
    whole = MultiPrediction(parameters, "label", settings, random(2)).gradients(batch)[0]
    halves = []
    for block, rows in enumerate((slice(0, 10), slice(10, 20))):
        own = RandomBlocks(2, 3, torch.device("cpu"), [block])
        part = {n: Clamped(v[rows]) for n, (v, _) in batch.items()}
        halves.append(MultiPrediction(parameters, "label", settings, own).gradients(part)[0])
    for name, gradient in whole.items():
        torch.testing.assert_close((halves[0][name] + halves[1][name]) / 2, gradient)


def test_losses_fall():
    settings = PredictionSettings(sweeps=4, weights=dict.fromkeys(VISIBLE, 0.2))
    prediction, batch = objective(settings), multimodal_rows(100)
    tensors = prediction.parameters.tensors
    optimiser = torch.optim.Adam(tensors.values(), lr=0.03, maximize=True)
    history: list[Mapping[str, float | Tensor]] = []
    for _ in range(150):
        gradients, told = prediction.gradients(batch)
        for name, tensor in tensors.items():
            tensor.grad = gradients[name]
        optimiser.step()
        history.append(told)
    for name in ("loss", "loss:label", "loss:depth", "loss:colour", "loss:words", "loss:pixels"):
        early, late = (sum(float(t[name]) for t in h) for h in (history[:10], history[-10:]))
        assert late < 0.9 * early, name


def test_losses_are_negative_log_densities():
    generator = torch.Generator().manual_seed(0)
    natural = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    precision = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
    real = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    expected = -torch.distributions.Normal(natural / precision, precision.rsqrt()).log_prob(real)
    torch.testing.assert_close(
        negative_log_likelihood(Gaussian(precision), natural, real), expected
    )
    binary = (real > 0).double()
    expected = -torch.distributions.Bernoulli(logits=natural).log_prob(binary)
    torch.testing.assert_close(negative_log_likelihood(Bernoulli(), natural, binary), expected)
    one_hot = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 2, 1, 1, 0])]
    smoothed = torch.nn.functional.cross_entropy(
        natural, one_hot.argmax(1), label_smoothing=0.2, reduction="none"
    )
    torch.testing.assert_close(
        negative_log_likelihood(Categorical(), natural, one_hot, 0.2), smoothed
    )
    counts = torch.tensor([[1.0, 2, 1]] * 5, dtype=torch.float64)
    expected = -torch.distributions.Multinomial(4, logits=natural).log_prob(counts)
    family = ReplicatedSoftmax(counts.sum(1))
    torch.testing.assert_close(negative_log_likelihood(family, natural, counts), expected)
    grid = torch.linspace(0, 30, 60001, dtype=torch.float64)
    one = RectifiedGaussian(torch.tensor(0.7, dtype=torch.float64))
    density = (-negative_log_likelihood(one, torch.tensor(0.4, dtype=torch.float64), grid)).exp()
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sweeps": 0}, "sweeps must be a whole number from 1"),
        ({"sweeps": 3, "gradient_sweeps": 4}, "gradient_sweeps must lie between 1 and 3"),
        ({"scored_sweeps": 0}, "scored_sweeps"),
        ({"gradient_sweeps": 1, "scored_sweeps": 2}, "between 1 and 1"),
        ({"damping": 1.0}, "damping"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"weights": {"depth": -1.0}}, "'depth'"),
        ({"squared_error_weights": {"depth": float("nan")}}, "'depth'"),
        ({"dropout": {"joint": 1.0}}, "dropout of 'joint'"),
    ],
)
def test_settings_out_of_range(arguments: dict, message: str):
    with pytest.raises(MmgraphError, match=message):
        PredictionSettings(**arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PredictionSettings(weights={"deph": 1.0}), "did you mean 'depth'"),
        (PredictionSettings(dropout={"joit": 0.1}), "did you mean 'joint'"),
        (PredictionSettings(disturbance=Disturbance({"pixels": 0.1})), "noise on 'pixels'"),
        (PredictionSettings(hiding=HidingDistribution(situations={("camra",): 0.1})), "'camera'"),
        (PredictionSettings(hiding=HidingDistribution(single_weights={"x": 1.0})), "'x'"),
    ],
)
def test_settings_that_do_not_fit_the_machine(settings: PredictionSettings, message: str):
    with pytest.raises(MmgraphError, match=message):
        objective(settings).gradients(multimodal_rows())


def test_unknown_labels():
    with pytest.raises(UnknownVariableError, match="did you mean 'label'"):
        MultiPrediction(BoltzmannParameters(multimodal_machine()), "lable")
