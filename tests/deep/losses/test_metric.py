"""Losses of pytorch-metric-learning beside that package itself."""

from __future__ import annotations

import pytest
import torch

from mmgraph.deep.losses.metric import MetricLoss
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError

losses = pytest.importorskip("pytorch_metric_learning.losses")


def prepared(loss, seed=0):
    loss.prepare({}, {"a": 5, "b": 5}, Pack(2, torch.Generator().manual_seed(seed)))
    return loss


def test_classes_are_alike_within_each_modality(output):
    labels = torch.arange(40) % 4
    rows = output()._replace(targets=torch.nn.functional.one_hot(labels).float())
    values = prepared(MetricLoss("TripletMarginLoss", margin=0.2))(rows)
    for member in range(2):
        each = [
            losses.TripletMarginLoss(margin=0.2)(
                rows.codes[m][member, rows.present[m]], labels[rows.present[m]]
            )
            for m in "ab"
        ]
        torch.testing.assert_close(values[member], sum(each) / 2)


def test_rows_are_alike_in_all_modalities(output):
    rows = output(lacking=0)
    values = prepared(MetricLoss("NTXentLoss", alike="rows", temperature=0.3))(rows)
    numbers = torch.arange(40).repeat(2)
    both = torch.cat([rows.codes["a"][1], rows.codes["b"][1]])
    torch.testing.assert_close(values[1], losses.NTXentLoss(temperature=0.3)(both, numbers))


def test_parameters_are_drawn_by_the_generator_of_the_pack_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    options = {"num_classes": 4, "embedding_size": 5}
    one, same, other = (prepared(MetricLoss("ProxyNCALoss", **options), s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    first, again, different = (next(x.parameters()) for x in (one, same, other))
    assert torch.equal(first, again)
    assert not torch.equal(first, different)
    assert not torch.equal(*one.parameters())


def test_unknown_losses_and_options_are_refused():
    with pytest.raises(
        LearningError, match="no loss 'TripletMargin'; did you mean 'TripletMarginLoss'"
    ):
        MetricLoss("TripletMargin")
    with pytest.raises(LearningError, match="'TripletMarginLoss' cannot be made"):
        prepared(MetricLoss("TripletMarginLoss", colour="red"))


def test_rows_without_a_class_are_left_out(output):
    targets = torch.nn.functional.one_hot(torch.arange(40) % 4).float()
    rows = output(lacking=0)._replace(targets=targets)
    half = torch.arange(40) < 20
    loss = prepared(MetricLoss("TripletMarginLoss"))
    unlabelled = loss(rows._replace(targets=targets * half[:, None]))
    codes = {m: c[:, half] for m, c in rows.codes.items()}
    present = {m: there[half] for m, there in rows.present.items()}
    alone = loss(rows._replace(targets=targets[half], codes=codes, present=present))
    torch.testing.assert_close(unlabelled, alone)
    with pytest.raises(LearningError, match="'TripletMarginLoss' is of classes, and rows have no"):
        loss(rows._replace(targets=None))
