"""Pictures of labelled images: what is drawn where, which classes are named, bad input."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.assignment import TracePoint
from mmgraph.plots import energy_trace, label_map, save, uncertainty_map
from mmgraph.plots.figures import new_figure
from mmgraph.plots.label_maps import UNLABELLED, class_colours


def legend_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]


def test_colours_differ_and_start_with_the_palette():
    colours = class_colours(60)
    assert len(set(colours)) == 60
    assert colours[:3] == class_colours(3)
    assert all(len(c) == 7 and c != UNLABELLED for c in colours)


def test_the_legend_names_the_classes_that_occur():
    labels = np.array([[0, 2], [2, -1]])
    figure = label_map(None, labels, ["water", "woods", "town"], image=np.zeros((2, 2, 5)))
    assert legend_texts(figure) == ["water", "town", "unlabelled"]
    assert len(figure.axes) == 2
    drawn = figure.axes[1].images[0].get_array()
    assert drawn.shape == (2, 2, 3)
    assert (drawn[0, 1] == drawn[1, 0]).all()
    assert (drawn[0, 0] != drawn[0, 1]).any()


def test_the_legend_keeps_clear_of_the_map(tmp_path: Path):
    figure = label_map(None, np.arange(40).reshape(5, 8))
    save(figure, tmp_path / "map.png")
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_given_axes_are_drawn_in():
    figure = new_figure(4, 4)
    left, right = figure.subplots(1, 2)
    assert label_map(left, np.zeros((3, 4)), legend=False) is figure
    assert uncertainty_map(right, np.ones((3, 4)), largest=2.0) is figure
    assert left.get_legend() is None
    assert right.images[0].get_clim() == (0.0, 2.0)


def test_of_a_volume_the_middle_slice_is_drawn():
    labels = np.zeros((3, 4, 5), int)
    labels[1] = 1
    figure = label_map(None, labels, image=np.zeros((3, 4, 5, 1)))
    assert legend_texts(figure) == ["1"]
    assert figure.axes[1].get_title() == "labels (slice 2 of 3)"
    assert uncertainty_map(None, np.zeros((3, 4, 5))).axes[0].get_title().endswith("(slice 2 of 3)")


def test_labels_lie_over_the_image_and_strokes_on_top():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    labels = np.array([[0, 0, 0, 1, 1, 1]] * 4)
    labels[3, 5] = -1
    drawn = np.full(labels.shape, -1)
    drawn[1, 1:3], drawn[2, 4] = 0, 1
    colours = ["#FF0000", "#0000FF"]
    figure = label_map(None, labels, image=image, annotations=drawn, colours=colours)
    beside, over = (np.asarray(place.images[0].get_array()) for place in figure.axes)
    paint = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(beside, np.where(drawn[..., None] < 0, image / 255, paint[drawn]))
    mixed = 0.5 * paint[labels] + 0.5 * image / 255
    mixed[3, 5] = image[3, 5] / 255
    np.testing.assert_allclose(over, np.where(drawn[..., None] < 0, mixed, paint[drawn]))
    axes = new_figure(3, 3).subplots()
    label_map(axes, labels, image=image, colours=colours)
    np.testing.assert_allclose(axes.images[0].get_array()[0, 0], mixed[0, 0])
    volume = label_map(None, np.stack([labels] * 3), annotations=np.stack([drawn] * 3),
                       colours=colours, image=np.stack([image] * 3))  # fmt: skip
    np.testing.assert_allclose(volume.axes[1].images[0].get_array(), over)
    bare = np.asarray(label_map(None, labels, colours=colours).axes[0].images[0].get_array())
    np.testing.assert_allclose(bare[0], paint[labels[0]])


def test_annotations_that_do_not_fit_are_named():
    with pytest.raises(MmgraphError, match="annotations of shape"):
        label_map(None, np.zeros((2, 2), int), annotations=np.zeros((3, 3), int))
    with pytest.raises(MmgraphError, match="up to class 4 do not fit"):
        label_map(None, np.zeros((2, 2), int), annotations=np.full((2, 2), 4))


def test_traces_show_bounds_where_there_are_any():
    trws = [TracePoint(0.0, 9.0, 2.0), TracePoint(1.0, 8.0, 7.0)]
    icm = [TracePoint(0.0, 12.0, -math.inf)]
    (axes,) = energy_trace({"trws": trws, "icm": icm}).axes
    assert [line.get_label() for line in axes.lines] == [
        "trws: energy",
        "trws: bound",
        "icm: energy",
    ]
    assert [line.get_label() for line in energy_trace(trws).axes[0].lines] == ["energy", "bound"]


def test_bad_input_is_named():
    with pytest.raises(MmgraphError, match="no trace to draw"):
        energy_trace([])
    with pytest.raises(MmgraphError, match="go up to 3; there are 2 classes"):
        label_map(None, np.array([[3]]), ["a", "b"])
    with pytest.raises(MmgraphError, match="class indices"):
        label_map(None, np.zeros(4))
    with pytest.raises(MmgraphError, match="an image or a volume"):
        uncertainty_map(None, np.zeros(4))
