from __future__ import annotations

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.sequences.tud_pedestrians import read_boxes
from mmgraph.graph.errors import DatasetError
from tests.datasets.packages.made import wheel

TRUTH = b"1,1,10,20,30,40,1,-1,-1,-1\n2,1,11,20,30,40,1,4.4,5.5,0\n"
FOUND = b"2,7,11.5,20,30,40,-1,-1,-1,-1\n1,3,10.5,20,30,40,-1,-1,-1,-1\n"


def test_boxes_are_sorted_and_without_ids(made):
    folders = [f"motmetrics/data/{name}" for name in ("TUD-Campus", "TUD-Stadtmitte")]
    files = {f"{f}/gt.txt": TRUTH for f in folders} | {f"{f}/test.txt": FOUND for f in folders}
    made("tud_pedestrians", wheel(files))
    data = datasets.load("tud_pedestrians")
    assert data.truth["TUD-Campus"].tolist() == [
        [1, 1, 10, 20, 30, 40, 1],
        [2, 1, 11, 20, 30, 40, 1],
    ]
    found = [[1, -1, 10.5, 20, 30, 40, -1], [2, -1, 11.5, 20, 30, 40, -1]]
    assert data.detections["TUD-Stadtmitte"].tolist() == found
    assert data.reported["TUD-Stadtmitte"].tolist() == [3, 7]


@pytest.mark.parametrize("text", ["1,2,3\n", "1,1,a,20,30,40,1\n"])
def test_a_file_that_has_no_boxes_is_named(text: str) -> None:
    with pytest.raises(DatasetError, match=r"gt\.txt is no table of boxes"):
        read_boxes(text, "gt.txt")


@pytest.mark.slow
def test_the_real_boxes() -> None:
    data = datasets.load("tud_pedestrians")
    shapes = {name: (len(data.truth[name]), len(boxes)) for name, boxes in data.detections.items()}
    assert shapes == {"TUD-Campus": (359, 222), "TUD-Stadtmitte": (1156, 749)}
    assert [int(boxes[-1, 0]) for boxes in data.truth.values()] == [71, 179]
    assert [len(np.unique(boxes[:, 1])) for boxes in data.truth.values()] == [8, 10]
    assert all((boxes[:, 4:6] > 0).all() for boxes in data.detections.values())
