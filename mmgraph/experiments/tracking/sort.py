"""SORT as published, the reference beside which tracks are measured."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from mmgraph.experiments.tracking.measures import overlaps
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracks import Tracks

_MOTION = np.eye(7) + np.eye(7, k=4)
_MOTION_NOISE = np.diag([1, 1, 1, 1, 0.01, 0.01, 0.0001])
_NOISE = np.diag([1.0, 1, 10, 10])
_START = np.diag([10.0, 10, 10, 10, 10_000, 10_000, 10_000])


class _Track:
    """A Kalman filter of centre, area, aspect ratio and the velocities of the first three."""

    def __init__(self, identity: int, box: np.ndarray) -> None:
        self.identity, self.mean, self.covariance = identity, np.zeros(7), _START.copy()
        self.mean[:4] = _measured(box)
        self.hits, self.since = 0, 0

    def predict(self) -> np.ndarray:
        if self.mean[6] + self.mean[2] <= 0:
            self.mean[6] = 0.0
        self.mean = _MOTION @ self.mean
        self.covariance = _MOTION @ self.covariance @ _MOTION.T + _MOTION_NOISE
        self.hits = 0 if self.since > 0 else self.hits
        self.since += 1
        return self.box()

    def update(self, box: np.ndarray) -> None:
        self.since, self.hits = 0, self.hits + 1
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + _NOISE)
        self.mean = self.mean + gain @ (_measured(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]

    def box(self) -> np.ndarray:
        x, y, area, aspect = self.mean[:4]
        width = np.sqrt(max(area * aspect, 1e-9))
        height = max(area, 1e-9) / width
        return np.array([x - width / 2, y - height / 2, width, height])


def sort_tracks(
    detections: Detections, max_age: int = 1, min_hits: int = 3, least_overlap: float = 0.3
) -> Tracks:
    """Track boxes by SORT, with the settings that its authors published.

    References
    ----------
    Bewley et al., "Simple online and realtime tracking" (2016).
    """
    tracks: list[_Track] = []
    rows: list[tuple[int, int, np.ndarray]] = []
    made = 0
    first, last = (detections.frames.min(), detections.frames.max()) if len(detections) else (0, -1)
    for count, frame in enumerate(range(first, last + 1), 1):
        boxes = detections.boxes[detections.frames == frame]
        found = overlaps(boxes, np.array([track.predict() for track in tracks]).reshape(-1, 4))
        pairs = np.array(linear_sum_assignment(-found)).T
        pairs = pairs[found[pairs[:, 0], pairs[:, 1]] >= least_overlap]
        for i, j in pairs:
            tracks[j].update(boxes[i])
        for i in np.setdiff1d(np.arange(len(boxes)), pairs[:, 0]):
            made += 1
            tracks.append(_Track(made, boxes[i]))
        rows += [
            (track.identity, frame, track.box())
            for track in tracks
            if track.since < 1 and (track.hits >= min_hits or count <= min_hits)
        ]
        tracks = [track for track in tracks if track.since <= max_age]
    ids, frames = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2).T
    placed = np.array([row[2] for row in rows]).reshape(-1, 4)
    return Tracks(ids, frames, placed, np.ones(len(ids)), np.full(len(ids), -1))


def _measured(box: np.ndarray) -> np.ndarray:
    left, top, width, height = box
    return np.array([left + width / 2, top + height / 2, width * height, width / height])
