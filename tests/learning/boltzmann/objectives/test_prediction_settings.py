"""Predictions that differ between shares of the rows, read from mappings."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.boltzmann.objectives.multi_prediction import MultiPrediction
from mmgraph.learning.boltzmann.objectives.prediction_settings import (
    PredictionRows,
    PredictionSettings,
    merged,
    prediction_rows,
)
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from tests.learning.multimodal_machines import multimodal_machine, multimodal_rows

ENTRY = {
    "sweeps": 4,
    "weights": {"pixels": 2.0, "depth": 1.0},
    "hiding": {"everything": 0.5},
    "rows": [
        {"share": 1, "label_smoothing": 0.1},
        {
            "share": 3.0,
            "weights": {"depth": 5.0},
            "hiding": {"situations": [{"given": ["camera"], "share": 0.5}]},
        },
    ],
}


def test_rows_take_over_what_they_do_not_say():
    first, second = prediction_rows(ENTRY)
    assert (first.share, second.share) == (1.0, 3.0)
    assert first.settings == PredictionSettings(
        sweeps=4,
        weights={"pixels": 2.0, "depth": 1.0},
        label_smoothing=0.1,
        hiding=HidingDistribution(everything=0.5),
    )
    assert second.settings.weights == {"pixels": 2.0, "depth": 5.0}
    assert second.settings.hiding == HidingDistribution(
        everything=0.5, situations={("camera",): 0.5}
    )
    assert json.loads(json.dumps(second.settings.as_dict()))["hiding"]["situations"] == [
        {"given": ["camera"], "share": 0.5}
    ]


def test_without_rows_all_are_alike():
    (one,) = prediction_rows({"sweeps": 3})
    assert one == PredictionRows(1.0, PredictionSettings(sweeps=3))


def test_merging_leaves_its_arguments_alone():
    base = {"a": {"x": 1}, "b": 2}
    assert merged(base, {"a": {"y": 3}, "b": {"z": 1}}) == {"a": {"x": 1, "y": 3}, "b": {"z": 1}}
    assert base == {"a": {"x": 1}, "b": 2}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sweps": 3}, "no option 'sweps'; did you mean 'sweeps'"),
        ({"hiding": {"singel": 0.5}}, "prediction.hiding has no option 'singel'"),
        ({"rows": []}, "list of mappings"),
        ({"rows": [{"sweeps": 3}]}, "need a share"),
        ({"rows": [{"share": 0.0}]}, "must be positive, not 0"),
        ({"hiding": {"situations": [{"given": "camera", "share": 1}]}}, "'given', a list"),
        ({"hiding": {"single": 1.5}}, "single must lie in"),
        ({"hiding": 3}, "prediction.hiding is a mapping, not 3"),
    ],
)
def test_mappings_that_do_not_do(entry: dict, message: str):
    with pytest.raises(MmgraphError, match=message):
        prediction_rows(entry)


def test_rows_count_as_if_each_share_were_trained_alone():
    """The gradients are the means of those of each share, by their rows."""
    graph, rows = multimodal_machine(), multimodal_rows(8)
    nothing_random = HidingDistribution(modality=1.0, partly=0.0, labels=1.0)
    one = PredictionSettings(sweeps=3, hiding=nothing_random, label_smoothing=0.2)
    other = replace(
        one, weights={"pixels": 3.0, "label": 0.0}, squared_error_weights={"depth": 2.0}
    )
    settings = [PredictionRows(1.0, one), PredictionRows(3.0, other)]
    both = MultiPrediction(BoltzmannParameters(graph), "label", settings).gradients(rows)[0]
    expected: dict[str, torch.Tensor] = {}
    for own, part in ((one, slice(0, 2)), (other, slice(2, 8))):
        some = {n: c._replace(values=c.values[part]) for n, c in rows.items()}
        alone = MultiPrediction(BoltzmannParameters(graph), "label", own).gradients(some)[0]
        weight = (part.stop - part.start) / 8
        for name, gradient in alone.items():
            expected[name] = expected.get(name, 0.0) + weight * gradient
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, expected[name])


def test_dropout_of_some_rows_leaves_the_others_whole():
    parameters = BoltzmannParameters(multimodal_machine())
    settings = [
        PredictionRows(1.0, PredictionSettings(sweeps=2, dropout={"joint": 0.5})),
        PredictionRows(1.0, PredictionSettings(sweeps=2)),
    ]
    objective = MultiPrediction(parameters, "label", settings)
    scales = objective.dropout_scales(200)["joint"]
    assert set(scales[:100].unique().tolist()) == {0.0, 2.0}
    assert torch.equal(scales[100:], torch.ones(100, 4, dtype=scales.dtype))


def test_sweeps_are_the_same_in_all_rows():
    parameters = BoltzmannParameters(multimodal_machine())
    settings = [PredictionRows(1.0, PredictionSettings(sweeps=n)) for n in (2, 3)]
    with pytest.raises(MmgraphError, match="sweeps must be the same in all rows"):
        MultiPrediction(parameters, "label", settings)
