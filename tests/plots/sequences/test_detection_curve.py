"""The picture of a detection curve."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.sequences.detection_curve import draw_detection_curves
from mmgraph.sequences.events.detection_curve import DetectionCurve


def test_a_point_stands_for_each_threshold():
    curve = DetectionCurve(
        np.array([0.2, 0.5, 0.8]),
        np.array([6.0, 1.0, 0.0]),
        np.array([1.0, 0.5, 0.0]),
        np.array([1.0, 3.0, np.nan]),
    )
    figure = draw_detection_curves({"a fall": curve}, title="Falls")
    late, found = figure.axes
    assert late.lines[0].get_xdata().tolist() == [6.0, 1.0, 0.0]
    assert found.lines[0].get_ydata().tolist() == [100.0, 50.0, 0.0]
    assert [text.get_text() for text in late.texts] == [
        "0.2",
        "0.5",
    ]  # no delay where none is found
    assert [text.get_text() for text in found.texts] == ["0.2", "0.5", "0.8"]
    assert all(axes.get_legend().get_texts()[0].get_text() == "a fall" for axes in (late, found))
    never = DetectionCurve(curve.thresholds, curve.false_alarms, np.zeros(3), np.full(3, np.nan))
    late, found = draw_detection_curves({"a fall": never}).axes
    assert [text.get_text() for text in late.texts] == ["no true event was noticed"]
    assert [text.get_text() for text in found.texts] == ["0.2", "0.5", "0.8"]
    with pytest.raises(MmgraphError, match="no curve"):
        draw_detection_curves({})
