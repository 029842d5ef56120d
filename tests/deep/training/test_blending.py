"""Gradient blending in training: weights come of held-out rows, and go on as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import chosen_encoders
from mmgraph.deep.inputs.modality_input import fitted_inputs
from mmgraph.deep.losses.named import sum_of_losses
from mmgraph.deep.training.blending import BlendingLearner, learner_kind
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner, learn_net, task_loss
from mmgraph.deep.training.net import Net, NetDesign
from mmgraph.deep.training.options import NetTraining

OPTIONS = NetTraining(epochs=6, batch_size=40)


def rows(groups=None) -> MultimodalData:
    """One modality tells the class; of the other each row has noise to be learned by heart."""
    draws = np.random.default_rng(0)
    classes = np.arange(120) % 2
    telling = classes[:, None] + 0.4 * draws.normal(size=(120, 2))
    return MultimodalData.of(
        {"telling": telling, "noise": draws.normal(size=(120, 20))}, classes, groups=groups
    )


def design(data, fusion: str) -> tuple[NetDesign, dict]:
    inputs = fitted_inputs(data, data.modalities)
    shapes = {m: made.shape for m, made in inputs.items()}
    return NetDesign(shapes, chosen_encoders(shapes, "mlp"), fusion, 2, 2, 8), inputs


def test_heads_count_by_what_generalises():
    data = rows()
    made, inputs = design(data, "gradient_blending")
    learned = learn_net(made, inputs, data, OPTIONS, kind=learner_kind("gradient_blending"))
    shares = learned.net.fusion.shares
    assert (shares[0] > 3 * shares[1]).all()
    torch.testing.assert_close(shares.sum(0), torch.ones(2))
    again = learn_net(made, inputs, data, OPTIONS, kind=BlendingLearner)
    assert torch.equal(again.net.fusion.shares, shares)


def test_groups_are_not_on_both_sides():
    groups = np.repeat(np.arange(12), 10)
    data = rows(groups)
    made, inputs = design(data, "gradient_blending")
    learned = LearnedNet(Net(made, torch.Generator().manual_seed(0)), inputs)
    loss = task_loss("gradient_blending", OPTIONS)
    learner = BlendingLearner(learned, data, OPTIONS, loss)
    assert learner.rows + len(learner.held_out_labels) == 120
    whole = inputs["noise"].cells(data.block("noise")).values
    held = {tuple(row.tolist()) for row in learner.held_out["noise"].values}
    sides = [tuple(row.tolist()) in held for row in whole]
    for group in range(12):
        assert len({sides[i] for i in np.flatnonzero(groups == group)}) == 1


@pytest.mark.parametrize("fusion", ["gradient_blending", "joint"])
def test_what_is_interrupted_goes_on_to_the_same_numbers(fusion, tmp_path):
    data = rows()
    made, inputs = design(data, fusion)

    def learn(directory=None, progress=None):
        loss = task_loss(fusion, OPTIONS) + sum_of_losses({"reconstruction": 0.5, "contrastive": 1})
        return learn_net(
            made,
            inputs,
            data,
            OPTIONS,
            loss=loss,
            kind=learner_kind(fusion),
            directory=directory,
            progress=progress,
        ).net.state_dict()

    def stop(epoch, monitors):
        if epoch == 3:
            raise KeyboardInterrupt

    whole = learn()
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path, stop)
    resumed = learn(tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_only_gradient_blending_holds_rows_out():
    assert learner_kind("joint") is NetLearner
    assert learner_kind("gradient_blending") is BlendingLearner
