"""Pictures of state paths, and of where labels are wrong in time."""

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots.sequences.state_paths import state_paths
from mmgraph.plots.sequences.time_confusion import time_confusion


def test_bands_fill_the_height_and_strips_show_states():
    posterior = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    figure = state_paths(posterior, ["sit", "walk"], np.array([0, -1, 1]), rate=2.0, title="a $ b")
    truth, likeliest, bands = figure.axes
    np.testing.assert_array_equal(truth.images[0].get_array(), [[1, 0, 2]])
    np.testing.assert_array_equal(likeliest.images[0].get_array(), [[1, 2, 1]])
    assert bands.get_xlim() == (0, 1.5)
    tops = bands.collections[1].get_paths()[0].vertices[:, 1]
    assert tops.max() == 1.0
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sit", "walk"]
    with pytest.raises(MmgraphError, match=r"a posterior is \(steps, 3 states\)"):
        state_paths(posterior, "abc")
    with pytest.raises(MmgraphError, match="the truth has shape"):
        state_paths(posterior, "ab", np.zeros(2, int))


def test_errors_have_the_colour_of_what_is_said_instead():
    truths = [np.array([-1, 0, 0, 1, -1]), np.array([1, 1])]
    said = [np.array([0, 0, 1, 1, 1]), np.array([1, 0])]
    figure = time_confusion(truths, said, ["sit", "walk"], names=["one", "two"])
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0, 1, 3, 1], [1, 2, 0, 0]])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two"]
    with pytest.raises(MmgraphError, match="recording 1: 1 labels, 2 truths"):
        time_confusion(truths, [said[0], said[1][:1]], "ab")
    with pytest.raises(MmgraphError, match="0 recordings"):
        time_confusion([], [], "ab")
