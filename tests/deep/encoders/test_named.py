"""Encoders are chosen by name and by the cells of a row."""

from __future__ import annotations

import dataclasses

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
        ("cnn", (5,), "'cnn' does not take the rows of 'photo', 5 columns; those that do: 'mlp'"),
        ("mlp", (0, 3), "'photo', sequences of 3 channels; those that do: 'cnn', 'rnn'"),
        ("rnn", (8, 9, 3), r"'photo', arrays of shape \(8, 9, 3\); those"),
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


@pytest.mark.parametrize(
    ("shape", "name"),
    [((5,), "mlp"), ((5, 4), "cnn"), ((3, 5, 4), "cnn"), ((0, 2), "cnn"), ((2, 3, 4, 5), "mlp")],
)
def test_automatic_encoders_take_the_cells(shape, name):
    assert chosen_encoders({"x": shape}, "auto") == {"x": (name, {})}


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mlp", (4,)), ("cnn", (5, 4)), ("cnn", (0, 3)), ("rnn", (0, 3)), ("transformer", (0, 3))],
)
def test_every_option_can_be_given_and_is_documented(name, shape):
    kind = encoder_kind("x", name, shape)
    options = {f.name: f.default for f in dataclasses.fields(kind.options_kind)}
    assert chosen_encoders({"x": shape}, (name, options))["x"] == (name, options)
    described = " ".join(k.__doc__ or "" for k in kind.options_kind.mro())
    assert all(f"{option} : " in described or f"{option}, " in described for option in options)


SEQUENCES = {"wrist": (0, 3)}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("cnn", {"changes": 0.2}), "'cnn' of 'wrist' has no option 'changes'"),
        (("cnn", {"speed": 1.0}), r"'cnn' of 'wrist': speed must lie in \[0, 1\), not 1.0"),
        (("rnn", {"dropout": 1.0}), r"'rnn' of 'wrist': dropout must lie in \[0, 1\), not 1.0"),
        (("rnn", {"dropout": "a"}), r"'rnn' of 'wrist': dropout must lie in \[0, 1\), not 'a'"),
        (("rnn", {"cell": []}), r"'rnn' of 'wrist': cell must be 'gru' or 'lstm', not \[\]"),
        (("rnn", {"strides": (4,)}), r"'rnn' of 'wrist': strides and channels .* \(4,\) and"),
        (("rnn", {"bidirectional": 2}), "'rnn' of 'wrist': bidirectional must be true or false"),
        (("cnn", {"channels": ()}), r"'cnn' of 'wrist': channels must be whole .*, not \(\)"),
        (("cnn", {"channels": 16}), "'cnn' of 'wrist': channels must be whole numbers.*, not 16"),
        (("cnn", {"channels": (4, 0)}), "channels must be whole numbers from 1 on"),
        (("cnn", {"shift": None}), r"shift must lie in \[0, 1\), not None"),
        (("cnn", {"rotation": -1}), r"rotation must lie in \[0, inf\), not -1"),
        (("transformer", {"hidden": 0}), "hidden must be a whole number from 1 on, not 0"),
        (("transformer", {"blocks": "two"}), "blocks must be a whole number from 1 on, not 'two'"),
        (("cnn",), "the encoder of 'wrist' is a name, or a name and a mapping of options, not"),
        (("cnn", 3), "the encoder of 'wrist' is a name, or a name and a mapping of options, not"),
    ],
)
def test_options_of_another_kind_or_range(entry, message):
    with pytest.raises(LearningError, match=message):
        chosen_encoders(SEQUENCES, {"wrist": entry})


def test_only_three_axes_are_turned():
    options = ("rnn", {"rotation": 10.0})
    assert chosen_encoders(SEQUENCES, options)
    with pytest.raises(LearningError, match=r"'rnn' of 'x': rotation turns .* three channels, not"):
        chosen_encoders({"x": (0, 2)}, options)
