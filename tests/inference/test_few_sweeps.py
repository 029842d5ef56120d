"""The colour with most of the observed variables is updated last, and others keep their order."""

from __future__ import annotations

from mmgraph.inference.colouring import Masks
from mmgraph.inference.few_sweeps import observed_last

COLOURS: list[Masks] = [{"joint": None, "x": None, "y": None}, {"label": None}, {"h": None}]


def test_what_is_observed_comes_last():
    assert observed_last(COLOURS, ["x", "label"]) == [COLOURS[1], COLOURS[2], COLOURS[0]]
    assert observed_last(COLOURS, ["label"]) == [COLOURS[2], COLOURS[0], COLOURS[1]]
    assert observed_last(COLOURS, ["h"]) == COLOURS


def test_nothing_observed_is_as_one_modality():
    assert observed_last(COLOURS, []) == observed_last(COLOURS, ["x"])
    assert observed_last([], ["x"]) == []
