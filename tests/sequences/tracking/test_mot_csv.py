"""Files of the MOT challenge: read, written, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.sequences.tracking.mot_csv import read_detections, read_truth, write_tracks
from mmgraph.sequences.tracking.tracks import Tracks


def test_tracks_are_read_as_they_were_written(tmp_path: Path):
    boxes = np.array([[1.25, 2, 3, 4], [-5, 6, 7, 8]])
    tracks = Tracks(np.array([2, 1]), np.array([1, 3]), boxes, np.ones(2), np.array([0, -1]))
    write_tracks(tracks, tmp_path / "t.csv")
    again = read_truth(tmp_path / "t.csv")
    assert (again.ids.tolist(), again.frames.tolist()) == ([2, 1], [1, 3])
    np.testing.assert_array_equal(again.boxes, boxes)


def test_detections_may_have_names_blanks_and_features(tmp_path: Path):
    path = tmp_path / "d.txt"
    path.write_text("frame,id,left,top,width,height,c,x,y,z,f\n1,-1,0,0,5,9,.5,-1,-1,-1,2\n\n")
    found = read_detections(path)
    assert found.features is not None
    assert (found.frames.tolist(), found.features.tolist()) == ([1], [[2.0]])
    path.write_text("2 -1 0 0 5 9\n")
    assert read_detections(path).confidences is None
    path.write_text("# by hand\nFrame; id; left; top; width; height\n3; -1; 0; 0; 5; 9\n")
    assert read_detections(path).boxes.tolist() == [[0, 0, 5, 9]]
    path.write_text("")
    assert len(read_detections(path)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,,,,,\n# two\n1,-1,0,0,5,-9,1", "line 3: the box .* not positive"),
        ("1,-1,0,0,5,nan,1", "line 1: the box .* not finite"),
        ("1,-1,0,0,5,9,1\n1,-1,0,0,x,9,1", r"line 2: column 5 \(width\) is 'x' and no number"),
        ("# one\nframe,,,,,\n\n1,-1,0,0,,9,1", r"line 4: column 5 \(width\) is empty"),
        ("1,-1,0,0,5,9,1,-1,-1,-1,3,", r"line 1: column 12 \(feature 2\) is empty"),
        ("1;-1;0;0,5;5;9;1", r"line 1: column 4 \(top\) is '0,5' and no number"),
        ("1,-1,0,0,5", "line 1: 5 columns"),
        ("1,-1,0,0,5,9,1\n1,-1,0,0,5,9", "line 2: 6 columns; expected 7"),
        ("1,-1,0,0,5,9\n1.5,-1,0,0,5,9", "line 2: the frame of the box is .* no whole number"),
    ],
)
def test_lines_that_are_no_boxes_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=rf"bad\.csv.*{message}"):
        read_detections(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(FormatError, match=r"none\.csv cannot be read"):
        read_detections(tmp_path / "none.csv")
