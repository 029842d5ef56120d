"""Modules as lists of layers: made again for other numbers of features, or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmgraph.graph.errors import FormatError
from mmgraph.predictors.leaves.module_layers import layers_of, recipe_of


def every_layer(features: int, states: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(features), nn.Linear(features, 8, bias=False), nn.BatchNorm1d(8, eps=1e-3),
        nn.ReLU(), nn.GELU("tanh"), nn.Tanh(), nn.Sigmoid(), nn.Dropout(0.3),
        nn.LayerNorm(8, elementwise_affine=False), nn.Linear(8, states),
    )  # fmt: skip


def test_layers_are_made_again_for_any_numbers():
    recipe = recipe_of(every_layer)
    assert recipe_of(recipe) is recipe
    for features, states in ((3, 2), (5, 7)):
        made = recipe(features, states)
        assert str(made) == str(every_layer(features, states))
        assert layers_of(made) == layers_of(every_layer(features, states))
        assert made(torch.ones(4, features)).shape == (4, states)


def test_how_layers_depend_on_numbers_is_found_without_drawing_any():
    before = torch.get_rng_state()
    recipe_of(every_layer)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nn.Linear, "a module of the class Linear is code"),
        (lambda f, s: nn.Sequential(nn.Linear(f, s), nn.Softplus()), "of the class Softplus"),
        (lambda f, s: nn.Sequential(nn.Linear(f, 2 * f)), "'out_features' of a layer Linear dep"),
        (lambda f, s: nn.Sequential(*[nn.Tanh()] * (f % 7)), "that depend on the number of feat"),
        (lambda f, s: nn.Sequential(nn.LayerNorm((2, 3))), "is not of one axis"),
    ],
)
def test_what_is_not_written(build, message):
    with pytest.raises(FormatError, match=message):
        recipe_of(build)
