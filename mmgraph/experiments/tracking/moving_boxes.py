"""Boxes around what moves in a video of a camera that stands: a detector that needs no training."""

from __future__ import annotations

import itertools
import os

import numpy as np
from scipy import ndimage

from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.video import video_frames

_BACKGROUND_FROM = 25
"""So many frames, evenly taken, have the background as their median."""
_CHANGED = 28
"""Levels of 256 that tell a pixel from the background."""
_LEAST_AREA, _LEAST_HEIGHT = 180, 28


def moving_boxes(path: str | os.PathLike[str], frames: int) -> Detections:
    """Return boxes around regions that differ from the median of the first frames.

    The confidence is the share of the box that differs. People who walk side by side share one.
    """
    pictures = [picture for _, picture in itertools.islice(video_frames(path), frames)]
    usual = np.median(pictures[:: max(1, len(pictures) // _BACKGROUND_FROM)], axis=0)
    when, boxes, shares = [], [], []
    for number, picture in enumerate(pictures, 1):
        changed = np.abs(picture - usual).max(axis=2) > _CHANGED
        # Taller than wide: legs and body of one person belong together.
        joined = ndimage.binary_closing(ndimage.binary_opening(changed), np.ones((9, 5)))
        regions, _ = ndimage.label(joined)
        areas = np.bincount(regions.ravel())
        for region, place in enumerate(ndimage.find_objects(regions), 1):
            rows, columns = place
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if areas[region] >= _LEAST_AREA and height >= _LEAST_HEIGHT:
                when.append(number)
                boxes.append([columns.start, rows.start, width, height])
                shares.append(areas[region] / (width * height))
    return Detections(np.array(when, np.int64), np.array(boxes), np.array(shares))
