"""The leaf of a torch module: trained from a seed, and its scores checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import nn

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import LeafRows
from mmgraph.predictors.leaves.torch_module import TorchLeaf
from mmgraph.predictors.leaves.training import network_inputs


def layers(features: int, states: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(16, states),
    )  # fmt: skip


class Own(nn.Module):
    """A module of one's own, which looks at products of features."""

    def __init__(self, features: int, states: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features**2, states)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear((x[:, :, None] * x[:, None, :]).flatten(1))


def rows(count: int = 161, seed: int = 0) -> LeafRows:
    """States that the product of two features tells, and nothing else."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((count, 3))
    codes = (features[:, 0] * features[:, 1] > 0).astype(int)
    features[random.random(features.shape) < 0.02] = np.nan
    return LeafRows(features, codes, np.ones(count), 2)


@pytest.mark.parametrize("build", [layers, Own])
def test_it_learns_and_repeats_by_its_seed_and_leaves_torch_its_own(build):
    leaf = TorchLeaf(build, epochs=40, batch=32, rate=0.02)
    before = torch.get_rng_state()
    said = leaf.fit(rows(), 3).log_likelihoods(rows(seed=1).features)
    assert torch.equal(torch.get_rng_state(), before)
    assert (said.argmax(1) == rows(seed=1).codes).mean() > 0.8
    torch.manual_seed(9)
    again = leaf.fit(rows(), 3).log_likelihoods(rows(seed=1).features)
    np.testing.assert_array_equal(again, said)
    other = leaf.fit(rows(), 4).log_likelihoods(rows(seed=1).features)
    assert not np.allclose(other, said)


def test_scores_are_a_scaled_likelihood():
    fitted = TorchLeaf(layers, epochs=2).fit(rows(), 0)
    features = rows(seed=1).features
    with torch.no_grad():
        scores = fitted.module(network_inputs(fitted.preparation, features)).double().numpy()
    expected = log_softmax(scores, 1) - rows().log_shares()
    np.testing.assert_allclose(fitted.log_likelihoods(features), expected)


@pytest.mark.parametrize(("count", "batch"), [(161, 32), (161, 160), (9, 4), (5, 4), (3, 2)])
def test_no_step_is_of_a_single_row(count, batch):
    sizes = []

    class Watched(nn.Linear):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    TorchLeaf(Watched, epochs=1, batch=batch).fit(rows(count), 0)
    assert sum(sizes[1:]) == count
    assert min(sizes[1:]) > 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda features, states: None, "built None, which is no torch.nn.Module"),
        (lambda features, states: nn.Linear(features, 3), r"returned \(2, 3\) for 2 rows, not"),
        (lambda features, states: nn.LSTM(features, 2), "returned tuple for 2 rows, not scores"),
    ],
)
def test_what_is_no_module_for_these_states(build, message):
    with pytest.raises(LearningError, match=message):
        TorchLeaf(build, epochs=1).fit(rows(), 0)


def test_scores_that_are_not_finite_are_an_error():
    fitted = TorchLeaf(layers, epochs=1).fit(rows(), 0)
    fitted.module[0].weight.fill_(float("inf"))
    with pytest.raises(LearningError, match="scores of the module Sequential are not finite"):
        fitted.log_likelihoods(rows().features)
