"""Encoders are chosen by name and by the cells of a row."""

from __future__ import annotations

import pytest

from mmgraph.deep.encoders.image_cnn import ImageCNN
from mmgraph.deep.encoders.mlp import MLP
from mmgraph.deep.encoders.named import chosen_encoders, encoder_kind
from mmgraph.graph.errors import LearningError


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [("mlp", (5,), MLP), ("mlp", (5, 4), MLP), ("cnn", (5, 4), ImageCNN)],
)
def test_the_first_encoder_that_takes_the_cells(name, shape, kind):
    assert encoder_kind("x", name, shape) is kind


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("cn", (5, 4), "encoder of 'photo' is none of mlp.*but 'cn'; did you mean 'cnn'"),
        ("cnn", (5,), r"'cnn' does not take the rows of 'photo', of shape \(5,\)"),
        ("mlp", (0, 3), r"'mlp' does not take the rows of 'photo', of shape \(0, 3\)"),
    ],
)
def test_no_encoder(name, shape, message):
    with pytest.raises(LearningError, match=message):
        encoder_kind("photo", name, shape)


def test_options_that_an_encoder_does_not_have():
    shapes = {"photo": (5, 4), "lab": (3,)}
    assert chosen_encoders(shapes, {"photo": ("cnn", {"shift": 1.0})}) == {
        "photo": ("cnn", {"shift": 1.0}),
        "lab": ("mlp", {}),
    }
    with pytest.raises(LearningError, match=r"'cnn' of 'photo' has no option 'shfit'.*'shift'"):
        chosen_encoders(shapes, {"photo": ("cnn", {"shfit": 1.0})})
