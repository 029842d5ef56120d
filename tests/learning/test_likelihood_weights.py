"""Powers on likelihoods: they undo a known overconfidence, and bad input is named."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.learning.likelihood_weights import learn_likelihood_weights


def calibrated(rows: int = 4000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, rows, 3, dtype=torch.float64, generator=generator) * 2
    log_prior = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()
    posterior = (log_prior + scores.sum(0)).softmax(1)
    labels = torch.multinomial(posterior, 1, generator=generator).squeeze(1)
    return scores, log_prior, labels


def test_true_powers_are_found_back():
    scores, log_prior, labels = calibrated()
    exaggerated = scores * torch.tensor([4.0, 0.5]).reshape(2, 1, 1)
    weights = learn_likelihood_weights(exaggerated, log_prior, labels)
    torch.testing.assert_close(weights, torch.tensor([0.25, 2.0]).double(), rtol=0.1, atol=0)


def test_a_leaf_that_knows_nothing_gets_almost_no_weight():
    scores, log_prior, labels = calibrated()
    noise = torch.randn(1, *scores.shape[1:], dtype=torch.float64)
    weights = learn_likelihood_weights(torch.cat([scores, noise]), log_prior, labels)
    assert float(weights[2]) < 0.1 < float(weights[0])


def test_the_learned_powers_are_a_minimum():
    scores, log_prior, labels = calibrated(500)
    weights = learn_likelihood_weights(scores, log_prior, labels)

    def loss(w: torch.Tensor) -> float:
        logits = log_prior + torch.tensordot(w, scores, 1)
        return float(torch.nn.functional.cross_entropy(logits, labels))

    for leaf in range(2):
        for factor in (0.97, 1.03):
            moved = weights.clone()
            moved[leaf] *= factor
            assert loss(moved) > loss(weights)


def test_bad_input():
    scores, log_prior, labels = calibrated(20)
    with pytest.raises(LearningError, match="20 rows of likelihoods, but 19 labels"):
        learn_likelihood_weights(scores, log_prior, labels[1:])
    scores[1, 7, 0] = torch.nan
    with pytest.raises(LearningError, match="leaf 1 is not finite in row 7"):
        learn_likelihood_weights(scores, log_prior, labels)
