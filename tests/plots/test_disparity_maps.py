"""Disparity maps: one scale for all, what is unknown, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots import disparity_maps, save


def test_all_maps_share_the_truth_s_colours(tmp_path: Path):
    truth = np.linspace(5, 20, 30).reshape(5, 6)
    truth[0, 0] = np.inf
    figure = disparity_maps({"truth": truth, "found": truth * 2}, image=np.zeros((5, 6, 3)))
    drawn = [axes.images[0] for axes in figure.axes if axes.images]
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == ["image", "truth", "found"]
    for picture in drawn[1:]:
        assert picture.get_clim() == (truth[0, 1], 20.0)
    assert np.ma.getmaskarray(np.ma.masked_invalid(drawn[1].get_array()))[0, 0]
    save(figure, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 0


@pytest.mark.parametrize("plane", [np.full((3, 4), np.inf), np.full((3, 4), 2.0)])
def test_maps_without_a_range(plane: np.ndarray):
    low, high = disparity_maps({"flat": plane}).axes[0].images[0].get_clim()
    assert low < high


def test_bad_maps():
    with pytest.raises(MmgraphError, match="of one shape"):
        disparity_maps({"a": np.zeros((3, 4)), "b": np.zeros((4, 3))})
    with pytest.raises(MmgraphError, match="of one shape"):
        disparity_maps({})
