"""What a detector found: boxes in frames, how sure it was, and what the boxes look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import EvidenceError


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes that a detector found, in any order.

    Parameters
    ----------
    frames : (detections,) array of int
        The frame of each box.
    boxes : (detections, 4) array
        Left, top, width and height, in pixels; widths and heights are positive.
    confidences : (detections,) array, optional
        How sure the detector is, on any scale that rises with it; NaN where it does not say.
    features : (detections, features) array, optional
        What each box looks like, such as a colour histogram; a row with NaN is not known.

    Raises
    ------
    EvidenceError
        If shapes do not match, a number is not finite, or a box has no positive size.
    """

    frames: Int64[np.ndarray, " detections"]
    boxes: Float64[np.ndarray, "detections 4"]
    confidences: Float64[np.ndarray, " detections"] | None = None
    features: Float64[np.ndarray, "detections features"] | None = None

    def __post_init__(self) -> None:
        boxes = checked_boxes(self.boxes)
        count = len(boxes)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "frames", _frames(self.frames, count))
        for name, dimensions in (("confidences", 1), ("features", 2)):
            object.__setattr__(self, name, _rows(name, getattr(self, name), count, dimensions))

    def __len__(self) -> int:
        return len(self.boxes)

    def canonical_order(self) -> Int64[np.ndarray, " detections"]:
        """Return the order by frame, box, confidence and features, whatever order was given."""
        return canonical_order(self.boxes, self.confidences, self.features, self.frames)

    def __getitem__(self, rows: object) -> Detections:
        """Return the detections of some rows."""
        parts = (self.frames, self.boxes, self.confidences, self.features)
        return Detections(*(None if part is None else part[rows] for part in parts))  # type: ignore[arg-type, call-overload]


def canonical_order(
    boxes: Float64[np.ndarray, "detections 4"],
    confidences: Float64[np.ndarray, " detections"] | None = None,
    features: Float64[np.ndarray, "detections features"] | None = None,
    frames: Int64[np.ndarray, " detections"] | None = None,
) -> Int64[np.ndarray, " detections"]:
    """Return the order of detections by frame, box, confidence and features."""
    keys = [] if features is None else list(features.T[::-1])
    keys += [] if confidences is None else [confidences]
    keys += list(boxes.T[::-1]) + ([] if frames is None else [frames])
    return np.lexsort(keys)


def checked_boxes(boxes: object) -> Float64[np.ndarray, "detections 4"]:
    """Return boxes (left, top, width, height) as doubles, or say which is none.

    Raises
    ------
    EvidenceError
        If the shape is another, a number is not finite, or a size is not positive.
    """
    try:
        array = np.array(boxes, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvidenceError("boxes are an array of numbers: left, top, width, height") from None
    if array.size == 0:
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise EvidenceError(
            f"boxes have the shape {array.shape}; expected (detections, 4): "
            "left, top, width, height"
        )
    for wrong, reason in (
        (~np.isfinite(array), "which is not finite"),
        (array[:, 2:] <= 0, "whose width or height is not positive"),
    ):
        if wrong.any():
            row = int(wrong.any(axis=1).argmax())
            raise EvidenceError(f"box {row} is {array[row].tolist()}, {reason}")
    return array


def _frames(frames: object, count: int) -> Int64[np.ndarray, " detections"]:
    array = np.asarray(frames)
    if array.shape != (count,):
        raise EvidenceError(f"there are {count} boxes, but frames of the shape {array.shape}")
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
    if count and (array.dtype.kind not in "iuf" or (whole != array).any()):
        row = int((whole != array).argmax())
        raise EvidenceError(f"the frame of box {row} is {array[row]!r}, and no whole number")
    return whole


def _rows(name: str, values: object, count: int, dimensions: int) -> np.ndarray | None:
    if values is None:
        return None
    array = np.array(values, dtype=np.float64)
    if array.ndim != dimensions or len(array) != count:
        raise EvidenceError(f"there are {count} boxes, but {name} of the shape {array.shape}")
    if np.isinf(array).any():
        row = int(np.isinf(array.reshape(count, -1)).any(axis=1).argmax())
        raise EvidenceError(f"the {name} of box {row} are infinite (NaN would say: not known)")
    return array
