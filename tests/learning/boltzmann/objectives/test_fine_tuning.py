"""Fine-tuning: the cross-entropy of labels, its gradients, and what comes of it."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import observed_last
from mmgraph.inference.field.initial_means import uninformed_means
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.mean_field import ascend
from mmgraph.learning.boltzmann.objective import MEAN
from mmgraph.learning.boltzmann.objectives.fine_tuning import FineTuning
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.boltzmann.objectives.multi_prediction import PredictionSettings
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.training.random_blocks import RandomBlocks
from tests.learning.multimodal_machines import (
    VISIBLE,
    multimodal_machine,
    multimodal_rows,
    with_missing,
)


def objective(settings: PredictionSettings | None = None, seed: int = 0) -> FineTuning:
    parameters = BoltzmannParameters(multimodal_machine())
    return FineTuning(parameters, "label", settings, RandomBlocks(1, seed, torch.device("cpu")))


def loss_of(tuning: FineTuning, batch: dict[str, Clamped]) -> float:
    tuning.random = RandomBlocks(1, 0, torch.device("cpu"))
    with torch.no_grad():
        return float(tuning.loss(batch)[0])


def test_the_loss_is_the_cross_entropy_of_the_labels():
    hiding = HidingDistribution(everything=1.0, partly=0.0)
    settings = PredictionSettings(sweeps=80, hiding=hiding, weights={"label": 2.0, "depth": 9.0})
    tuning, batch = objective(settings), multimodal_rows()
    _, told = tuning.gradients(batch)
    graph = tuning.parameters.working()
    given = {n: c for n, c in batch.items() if n != "label"}
    view = FieldView.given(graph, given, 20, torch.device("cpu"), torch.float64)
    means = uninformed_means(view)
    ascend(view, tuning.parameters.colours, means, 80)
    logits = view.field("label", means)
    expected = torch.nn.functional.cross_entropy(logits, batch["label"].values.argmax(1))
    assert float(told["loss"]) == pytest.approx(2 * float(expected))
    assert float(told["loss:label"]) == pytest.approx(float(expected))
    assert set(told) == {"loss", "loss:label"}


def test_gradients_are_those_of_finite_differences():
    tuning, batch = objective(PredictionSettings(sweeps=3)), multimodal_rows()
    gradients, _ = tuning.gradients(batch)
    for name, tensor in tuning.parameters.tensors.items():
        flat = tensor.detach().reshape(-1)
        before, step = float(flat[0]), 1e-5
        flat[0] = before + step
        above = loss_of(tuning, batch)
        flat[0] = before - step
        below = loss_of(tuning, batch)
        flat[0] = before
        expected = -(above - below) / (2 * step)
        assert float(gradients[name].reshape(-1)[0]) == pytest.approx(expected, abs=1e-7), name


def test_rows_without_a_label_are_not_learned_from():
    nothing = torch.ones(20, dtype=torch.bool)
    gradients, told = objective().gradients(
        with_missing(multimodal_rows(), "label", nothing, 0.0)
    )  # fmt: skip
    assert float(told["loss"]) == 0
    assert all(float(gradients[k].abs().max()) == 0 for k in gradients if not k.startswith(MEAN))
    some = torch.arange(20) < 10
    first, second = (
        objective().gradients(with_missing(multimodal_rows(), "label", some, fill))[0]
        for fill in (0.0, 1.0)
    )
    assert all(torch.equal(first[n], second[n]) for n in first)


def test_labels_are_learned_from_all_and_from_single_modalities():
    batch, fresh = multimodal_rows(100), multimodal_rows(200, seed=5)
    hiding = HidingDistribution(everything=0.3, single=0.5, partly=0.0)
    tuning = objective(PredictionSettings(sweeps=4, hiding=hiding))
    tensors = tuning.parameters.tensors
    optimiser = torch.optim.Adam(tensors.values(), lr=0.03, maximize=True)
    for _ in range(120):
        gradients, _ = tuning.gradients(batch)
        for name, tensor in tensors.items():
            tensor.grad = gradients[name]
        optimiser.step()
    for given in (VISIBLE, ("colour",), ("words",)):
        clamped = {n: fresh[n] for n in given}
        graph = tuning.parameters.graph()
        with torch.no_grad():
            view = FieldView.given(graph, clamped, 200, torch.device("cpu"), torch.float64)
            means = uninformed_means(view)
            ascend(view, observed_last(tuning.parameters.colours, clamped), means, 4)
        right = means["label"].argmax(1) == fresh["label"].values.argmax(1)
        assert float(right.double().mean()) > 0.8, given


def test_the_same_seed_gives_the_same():
    batch = multimodal_rows()
    first, second, other = (objective(seed=s).gradients(batch)[0] for s in (0, 0, 1))
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert not torch.equal(first["bias:joint"], other["bias:joint"])


def test_labels_are_needed():
    with pytest.raises(MmgraphError, match="needs the variables that are labels"):
        FineTuning(BoltzmannParameters(multimodal_machine()), ())
    with pytest.raises(MmgraphError, match="did you mean 'label'"):
        FineTuning(BoltzmannParameters(multimodal_machine()), "lable")
