"""TUD pedestrians: boxes around people who walk past a camera, with the truth."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.datasets.entries import read_files
from mmgraph.graph.errors import DatasetError

COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence")
"""Columns of boxes, in the order of the MOT challenge."""
SEQUENCES = ("TUD-Campus", "TUD-Stadtmitte")
"""The sequences."""
_FOLDER = "motmetrics/data"


@dataclass(frozen=True, eq=False)
class TudPedestrians:
    """Boxes of two sequences of the MOT challenge 2015, without their pictures.

    Boxes have the :data:`COLUMNS` frame (from 1), id, left, top, width and height (pixels) and
    confidence, and are sorted by frame. They may reach beyond the picture of 640 x 480 pixels.

    Attributes
    ----------
    detections : dict of array, shape (boxes, 7)
        What was found, by sequence. Ids and confidences are -1: none.
    truth : dict of array, shape (boxes, 7)
        What is there, by sequence; the id is the person's, from 1.
    reported : dict of array of int, shape (boxes,)
        The detections are the output of a tracker: the ids that it gave them, by which its own
        tracks can be measured.
    rate : float
        Frames a second.
    """

    detections: dict[str, Float64[np.ndarray, "boxes 7"]]
    truth: dict[str, Float64[np.ndarray, "boxes 7"]]
    reported: dict[str, Int64[np.ndarray, " boxes"]]
    rate: float = 25.0


def load() -> TudPedestrians:
    """Load the boxes of both sequences."""
    contents = dict(read_files("tud_pedestrians", f"{_FOLDER}/TUD-*"))
    found, truth, reported = {}, {}, {}
    for name in SEQUENCES:
        member = f"{_FOLDER}/{name}/test.txt"
        boxes = read_boxes(contents[member].decode(), member)
        reported[name] = boxes[:, 1].astype(np.int64)
        boxes[:, 1] = -1
        found[name] = boxes
        member = f"{_FOLDER}/{name}/gt.txt"
        truth[name] = read_boxes(contents[member].decode(), member)
    return TudPedestrians(found, truth, reported)


def read_boxes(text: str, member: str) -> Float64[np.ndarray, "boxes 7"]:
    """Return the first seven columns of lines of numbers with commas between, sorted by frame.

    Raises
    ------
    DatasetError
        If the text is something else; ``member`` names the file.
    """
    try:
        boxes = np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, usecols=range(len(COLUMNS)))
    except ValueError as error:
        raise DatasetError(f"{member} is no table of boxes: {error}") from error
    return boxes[np.argsort(boxes[:, 0], kind="stable")]
