"""Several objectives share the rows of a batch."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.inference.clamping import Clamped
from mmgraph.learning.boltzmann_objective import MEAN, RandomBlocks
from mmgraph.learning.boltzmann_parameters import BoltzmannParameters
from mmgraph.learning.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.hiding import HidingDistribution
from mmgraph.learning.mixed_objective import MixedObjective
from mmgraph.learning.multi_prediction import MultiPrediction, PredictionSettings
from tests.learning.multimodal_machines import multimodal_machine, multimodal_rows

LABELS = PredictionSettings(sweeps=3, hiding=HidingDistribution(everything=1.0, partly=0.0))
PIXELS = PredictionSettings(sweeps=3, hiding=HidingDistribution(situations={("words",): 1.0}))


def random() -> RandomBlocks:
    return RandomBlocks(1, 0, torch.device("cpu"))


def test_rows_are_shared_out():
    batch = multimodal_rows(20)
    parameters = BoltzmannParameters(multimodal_machine())
    blocks = random()
    parts = [MultiPrediction(parameters, "label", s, blocks) for s in (LABELS, PIXELS)]
    mixed, told = MixedObjective(parts, (3.0, 1.0), blocks).gradients(batch)
    alone = random()
    found = []
    for settings, rows in ((LABELS, slice(0, 15)), (PIXELS, slice(15, 20))):
        some = {n: Clamped(v[rows]) for n, (v, _) in batch.items()}
        found.append(MultiPrediction(parameters, "label", settings, alone).gradients(some))
    for name, gradient in mixed.items():
        torch.testing.assert_close(gradient, 0.75 * found[0][0][name] + 0.25 * found[1][0][name])
    expected = 0.75 * found[0][1]["loss"] + 0.25 * found[1][1]["loss"]
    torch.testing.assert_close(told["loss"], expected)


def test_states_of_different_objectives_go_on():
    batch = multimodal_rows(20)
    parameters = BoltzmannParameters(multimodal_machine())

    def mixed(seed: int) -> MixedObjective:
        blocks = RandomBlocks(2, seed, torch.device("cpu"))
        prediction = MultiPrediction(parameters, "label", None, blocks)
        likelihood = ContrastiveDivergence(parameters, chains=10, random=blocks)
        return MixedObjective([prediction, likelihood], (1.0, 1.0), blocks)

    first, second = mixed(0), mixed(1)
    for _ in range(2):
        first.gradients(batch)
        second.gradients(batch)
    second.load({key: tensor.clone() for key, tensor in first.state().items()})
    one, two = first.gradients(batch)[0], second.gradients(batch)[0]
    assert all(torch.equal(one[n], two[n]) for n in one)
    assert MEAN + "joint" in one


@pytest.mark.parametrize("shares", [(), (1.0,), (1.0, 0.0), (1.0, float("nan"))])
def test_shares_that_do_not_fit(shares: tuple[float, ...]):
    parameters = BoltzmannParameters(multimodal_machine())
    parts = [MultiPrediction(parameters, "label", s, random()) for s in (LABELS, PIXELS)]
    with pytest.raises(LearningError, match="shares"):
        MixedObjective(parts, shares, random())
