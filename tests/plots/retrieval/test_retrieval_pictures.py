"""Pictures of searches: sheets of hits, maps of spaces, alignments as matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots import save
from mmgraph.plots.retrieval.alignment_matrix import alignment_matrix
from mmgraph.plots.retrieval.hit_sheet import hit_sheet
from mmgraph.plots.retrieval.space_map import space_map

RED = np.full((4, 3, 3), (255, 0, 0), np.uint8)
POINTS = np.random.default_rng(0).standard_normal((12, 5))


def test_a_sheet_shows_each_hit_with_its_words(tmp_path: Path):
    figure = hit_sheet(
        ["costs $5", RED],
        [[RED, RED // 2], [RED[:, :, 0] / 255]],
        probabilities=[[0.75, 0.5], [0.25]],
        captions=[["a", "a caption that is too long for two lines of it"], ["b"]],
        right=[[True, False], [False]],
    )
    save(figure, tmp_path / "hits.svg")
    _, first, second, query, third, spare = figure.axes
    assert first.get_xlabel() == "✓ 0.75\na"
    assert second.get_xlabel() == "0.50\na caption that is\ntoo long for two …"
    np.testing.assert_array_equal(second.get_images()[0].get_array(), RED // 2)
    np.testing.assert_array_equal(query.get_images()[0].get_array(), RED)
    assert third.get_images()[0].get_clim() == (0, 1)
    assert not spare.get_visible()
    assert figure.axes[0].texts[0].get_text() == r"“costs \$5”"


def test_a_map_has_a_mark_of_each_kind_and_a_colour_of_each_group(tmp_path: Path):
    groups, kinds = [str(i % 9) for i in range(12)], ["picture", "text"] * 6
    shown = [RED, *[None] * 11]
    figure = space_map(POINTS, groups=groups, kinds=kinds, pairs=[(0, 1)], pictures=shown)
    save(figure, tmp_path / "map.png")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["picture", "text", *"0123456", "others"]
    pictures, _, texts, *_ = figure.axes[0].collections
    centred = POINTS - POINTS.mean(0)
    near = np.linalg.norm(centred[1::2] @ np.linalg.svd(centred)[2][:2].T, axis=1)
    np.testing.assert_allclose(np.linalg.norm(texts.get_offsets(), axis=1), near)
    assert len(pictures.get_offsets()) == 5
    neighbourly = space_map(POINTS, method="tsne").axes[0]
    assert neighbourly.get_xlabel() == "t-SNE 1"
    assert len(neighbourly.collections[0].get_offsets()) == 12


def test_a_matrix_names_its_sides_and_frames_the_best(tmp_path: Path):
    figure = alignment_matrix([[0.9, 0.1, 0], [0, 0, 0]], ["red", "$"], [1, 2, "no match"])
    save(figure, tmp_path / "alignment.png")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.10"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["red", r"\$"]
    (frame,) = axes.get_lines()
    np.testing.assert_allclose(frame.get_xydata().mean(0), 0, atol=0.2)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: hit_sheet([], []), "0 queries have 0 lists of hits"),
        (lambda: hit_sheet(["a"], [[RED]], captions=[[]]), r"captions are told of \[0\] hits"),
        (lambda: hit_sheet(["a"], [[RED, POINTS[:0]]]), "hit 1 of query 0 is no picture"),
        (lambda: space_map(POINTS[:2]), "three rows"),
        (lambda: space_map(POINTS, groups=["a"]), "groups are told of 1 items, there are 12"),
        (lambda: space_map(POINTS, method="psa"), "unknown method 'psa'; did you mean 'pca'"),
        (lambda: alignment_matrix([[1.0]], ["a"], []), r"shape \(1, 1\); names are of 1, 0"),
        (lambda: alignment_matrix([[1.0], [-1]], ["a", "b"], ["c"]), "not so in the row 'b'"),
    ],
)
def test_what_cannot_be_drawn(draw, message: str):
    with pytest.raises(MmgraphError, match=message):
        draw()
