"""Where few sweeps start, and that observed variables are updated last."""

from __future__ import annotations

import torch

import mmgraph as mm
from mmgraph.inference.field.coordinate_ascent import observed_last
from mmgraph.inference.field.initial_means import uninformed_means
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks
from tests.learning.multimodal_machines import multimodal_machine, multimodal_rows, with_missing

COLOURS: list[Masks] = [{"joint": None, "x": None, "y": None}, {"label": None}, {"h": None}]


def test_what_is_observed_comes_last():
    assert observed_last(COLOURS, ["x", "label"]) == [COLOURS[1], COLOURS[2], COLOURS[0]]
    assert observed_last(COLOURS, ["label"]) == [COLOURS[2], COLOURS[0], COLOURS[1]]
    assert observed_last(COLOURS, ["h"]) == COLOURS


def test_nothing_observed_is_as_one_modality():
    assert observed_last(COLOURS, []) == observed_last(COLOURS, ["x"])
    assert observed_last([], ["x"]) == []


def test_the_start_is_what_units_say_given_others_that_lean_to_nothing():
    graph = multimodal_machine()
    rows = multimodal_rows(4)
    half = torch.arange(4) < 2
    shown = with_missing({n: rows[n] for n in ("depth", "words")}, "words", half, 0.0)
    view = FieldView.given(graph, shown, 4, torch.device("cpu"), torch.float64)
    means = uninformed_means(view)
    assert means["depth"] is shown["depth"].values
    assert torch.equal(means["words"][2:], rows["words"].values[2:])
    weights = {f.scope: f.weights for f in graph.factors if isinstance(f, mm.BilinearFactor)}
    biases = {f.scope[0].name: f.bias for f in graph.factors if isinstance(f, mm.BiasFactor)}
    expected = biases["joint"] + sum(
        w.sum(0) / (3 if first.name == "label" else 2)
        for (first, second), w in weights.items()
        if second.name == "joint"
    )
    torch.testing.assert_close(means["joint"], expected.sigmoid().unsqueeze(0))
    assert len(means["colour"]) == 1


def test_the_start_is_the_same_whether_all_rows_are_known_or_some():
    """What a layer hears of a row does not depend on what is known of other rows."""
    graph, rows = multimodal_machine(), multimodal_rows(4)
    names = ("depth", "colour", "words")
    whole = {n: rows[n] for n in names}
    partly = dict(whole)
    for name in names:
        partly = with_missing(partly, name, torch.arange(4) < 2, 0.0)
    device = torch.device("cpu")
    one = uninformed_means(FieldView.given(graph, whole, 4, device, torch.float64))
    other = uninformed_means(FieldView.given(graph, partly, 4, device, torch.float64))
    for name, means in one.items():
        rows_of = means.expand(4, *means.shape[1:])
        others = other[name].expand(4, *other[name].shape[1:])
        torch.testing.assert_close(rows_of[2:], others[2:])
