"""Labels of fields as they are given: state indices, -1 where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.networks.random_fields.sensor_terms import label_indices

NAN = float("nan")
HALF = np.array([[0.0, NAN], [2.0, 1.0]])


@pytest.mark.parametrize("given", [
    HALF, HALF.astype(np.float32), HALF.tolist(), [[0, None], [2, 1]], np.array(HALF, object),
    torch.tensor(HALF), torch.tensor(HALF, dtype=torch.bfloat16), list(torch.tensor(HALF)),
    list(HALF), [[0, -1], [2, 1]], torch.tensor([[0, -1], [2, 1]]),
    np.ma.masked_invalid(HALF), list(np.ma.masked_invalid(HALF)),
    np.ma.array([[0, 7], [2, 1]], np.uint8, mask=[[0, 1], [0, 0]]),
    np.ma.array(HALF, mask=[[0, 0], [0, 0]]),
])  # fmt: skip
def test_what_is_masked_or_nan_is_unlabelled(given):
    found = label_indices(given, "the labels")
    assert found.dtype == torch.int64
    assert found.tolist() == [[0, -1], [2, 1]]


def test_indices_on_a_device_come_to_the_cpu(cuda):
    found = label_indices(torch.tensor(HALF).to(cuda), "the labels")
    assert found.device.type == "cpu"
    assert found.tolist() == [[0, -1], [2, 1]]


@pytest.mark.parametrize("given", [[[0, 0.5]], [[0, "a"]], [[0, float("inf")]], [[True, False]]])
def test_others_are_refused(given):
    with pytest.raises(LearningError, match="the labels"):
        label_indices(given, "the labels")


@pytest.mark.parametrize("edges", [None, [[0, 1], [1, 2]]])
def test_weights_that_are_not_finite_are_refused(edges):
    field = mm.ConditionalRandomField(2, ["a"])
    field.edge_weight = NAN
    scores = np.zeros((3, 2) if edges else (2, 2, 2))
    with pytest.raises(GraphError, match="a weight is NaN or infinite"):
        field.graph({"a": scores}, edges=edges)


def test_a_field_learns_from_lists_and_tensors_with_nan():
    scores = np.random.default_rng(0).normal(size=(2, 2, 3))

    def learned(labels) -> torch.Tensor:
        field = mm.ConditionalRandomField(3, ["a"], mm.Potts(), neighbours=4)
        image = mm.LabelledImage({"a": scores}, labels, {"a": scores})
        return field.fit(image, iterations=2, rounds=1).parameters

    for labels in (HALF.tolist(), torch.tensor(HALF)):
        assert torch.equal(learned(labels), learned([[0, -1], [2, 1]]))
