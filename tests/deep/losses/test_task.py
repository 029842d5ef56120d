"""Losses of the task beside torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mmgraph.deep.fusion.fusion import Scores
from mmgraph.deep.losses.task import CrossEntropy, GaussianLikelihood, SquaredError


@pytest.fixture
def scored(output):
    def made(outputs, targets):
        draws = torch.Generator().manual_seed(2)
        fused, a, b = torch.randn(3, 2, 40, outputs, generator=draws)
        weights = torch.rand(40, generator=draws)
        return output()._replace(
            scores=Scores(fused, {"a": a, "b": b}), targets=targets, weights=weights
        )

    return made


def test_cross_entropy_is_that_of_torch_with_smoothing_weights_and_heads(scored):
    labels = torch.arange(40) % 4
    rows = scored(4, functional.one_hot(labels, 4).float())
    losses = CrossEntropy(0.1, single=0.3)(rows)
    for member in range(2):

        def mean(scores, there, member=member):
            each = functional.cross_entropy(
                scores[member], labels, reduction="none", label_smoothing=0.1
            )
            return (each * rows.weights * there).sum() / 40

        expected = mean(rows.scores.fused, torch.ones(40))
        for modality, scores in rows.scores.single.items():
            expected = expected + 0.3 * mean(scores, rows.present[modality])
        torch.testing.assert_close(losses[member], expected)


def test_heads_count_by_the_shares_of_the_fusion(scored):
    rows = scored(4, functional.one_hot(torch.arange(40) % 4, 4).float())
    shares = torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.0, 0.5]])
    loss = CrossEntropy()
    each = loss.by_scores(rows)
    shared = loss(rows._replace(scores=rows.scores._replace(shares=shares)))
    torch.testing.assert_close(shared, (each * shares).sum(0))
    torch.testing.assert_close(CrossEntropy(fused=False)(rows), each[:2].sum(0))


def test_numbers_have_gaussian_likelihoods(scored):
    draws = torch.Generator().manual_seed(3)
    targets = torch.randn(40, 2, generator=draws)
    rows = scored(4, targets)._replace(weights=torch.ones(40))
    mean, log_variance = rows.scores.fused.chunk(2, -1)
    expected = functional.gaussian_nll_loss(
        mean, targets.expand(2, -1, -1), log_variance.exp(), reduction="none"
    )
    torch.testing.assert_close(
        GaussianLikelihood(single=0.0)(rows), expected.sum(-1).mean(-1), rtol=1e-4, atol=1e-4
    )
    rows = scored(2, targets)._replace(weights=torch.ones(40))
    errors = (rows.scores.fused - targets).square().sum(-1).mean(-1) / 2
    torch.testing.assert_close(SquaredError(single=0.0)(rows), errors)
