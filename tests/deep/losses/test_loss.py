"""Sums of losses, with fixed weights and with those of Kendall et al. (2018)."""

from __future__ import annotations

import pytest
import torch

from mmgraph.deep.losses.between import Contrastive, Cosine
from mmgraph.deep.losses.distributions import Coral
from mmgraph.deep.losses.loss import UncertaintyWeighted
from mmgraph.deep.losses.named import LOSSES, sum_of_losses
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError

SIZES = {"a": (3,), "b": (3,)}, {"a": 5, "b": 5}


def prepared(loss):
    loss.prepare(*SIZES, Pack(2, torch.Generator().manual_seed(0)))
    return loss.double()


def test_losses_add_up_with_their_factors(output):
    rows = output()
    parts = [prepared(loss)(rows) for loss in (Cosine(), Coral(), Contrastive())]
    total = prepared(Cosine() + 0.1 * (Coral() + 2 * Contrastive()))(rows)
    torch.testing.assert_close(total, parts[0] + 0.1 * parts[1] + 0.2 * parts[2])


def test_variances_are_learned_to_be_the_losses(output):
    rows = output()
    loss = prepared(UncertaintyWeighted(Cosine(), Coral()))
    parts = torch.stack([prepared(one)(rows) for one in (Cosine(), Coral())])
    torch.testing.assert_close(loss(rows), parts.sum(0))
    # L / v + log(v) / 2 is least at v = 2 L.
    loss.log_variances.data = (2 * parts).log()
    loss(rows).sum().backward()
    assert loss.log_variances.grad.abs().max() < 1e-12
    torch.testing.assert_close(loss(rows), (0.5 + (2 * parts).log() / 2).sum(0))


def test_losses_are_made_by_name_and_given_ones_stay_as_they_are(output):
    rows = output()
    by_name = prepared(sum_of_losses({"cosine": 0.5, "coral": 1.0}))(rows)
    torch.testing.assert_close(by_name, prepared(0.5 * Cosine() + Coral())(rows))
    given = Contrastive()
    prepared(sum_of_losses([given, "mmd"]))
    assert not list(given.parameters())
    assert not list(sum_of_losses(given).parameters())
    with pytest.raises(LearningError, match="not 'contrastiv'; did you mean 'contrastive'"):
        sum_of_losses(["contrastiv"])
    assert {"reconstruction", "contrastive", "deep_cca", "mmd"} <= {*LOSSES}


def test_what_losses_contribute_is_told_by_name_and_adds_up(output):
    rows = output()
    total = prepared(Cosine() + 0.1 * (Coral() + 2 * Contrastive()) + Cosine())
    found = total.contributions(rows)
    assert list(found) == ["Cosine", "Coral", "Contrastive", "Cosine 2"]
    torch.testing.assert_close(found["Coral"], 0.1 * prepared(Coral())(rows))
    torch.testing.assert_close(total(rows), sum(found.values()))
    weighted = prepared(UncertaintyWeighted(Cosine(), Coral()))
    assert list(weighted.contributions(rows)) == ["Cosine", "Coral"]
    torch.testing.assert_close(weighted(rows), sum(weighted.contributions(rows).values()))
