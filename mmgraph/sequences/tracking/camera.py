"""The movement that all boxes share between two frames: the camera's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

_LEAST = 4
_ROUNDS = 4
_TAIL = 4.0
_RATE = 0.1
_LARGEST = 25.0
_SIGNIFICANT = 9.0
_FARTHEST, _ALIKE, _TOGETHER = 1.5, 0.2, 0.15
"""In heights: how far a camera may jump; in logarithms of heights; how well tracks must agree."""
_MAJORITY = 0.75
_MOST_PAIRS = 600


class CameraMotion:
    """Estimates, robustly, a common shift of what the tracks did not expect.

    How far a camera usually moves is learned as it goes: one that stands is soon held to stand, and
    single people who turn are not taken for the whole picture.
    """

    def __init__(self) -> None:
        self.variances = np.zeros(2)
        """Of a shift to the right and down, in squared pixels."""

    def estimate(
        self, shifts: Float64[np.ndarray, "pairs 2"], variances: Float64[np.ndarray, "pairs 2"]
    ) -> Float64[np.ndarray, " 2"]:
        """Return the most probable common shift, in pixels to the right and down.

        Parameters
        ----------
        shifts : (pairs, 2) array
            From where boxes were expected to where they are.
        variances : (pairs, 2) array
            Of these, if the camera stood.
        """
        if len(shifts) < _LEAST:
            return np.zeros(2)
        shift, variance = np.median(shifts, axis=0), np.ones(2)
        for _ in range(_ROUNDS):  # Student's t: whoever turned or was mistaken counts little
            weights = 1 / (variances + (shifts - shift) ** 2 / _TAIL)
            variance = 1 / weights.sum(axis=0)
            shift = (weights * shifts).sum(axis=0) * variance
        usual = np.where(shift**2 > _SIGNIFICANT * variance, shift**2, 0.0)
        # One jump, or one mistake, must not open the gates of all tracks.
        usual = np.minimum(usual, _LARGEST * (self.variances + variance))
        self.variances = self.variances + _RATE * (usual - self.variances)
        return shift * self.variances / (self.variances + variance)

    def jumped(
        self, predicted: Float64[np.ndarray, "tracks 4"], found: Float64[np.ndarray, "boxes 4"]
    ) -> Float64[np.ndarray, " 2"]:
        """Return the shift, in pixels, that brings most tracks to a box of their size.

        For when nothing is where it was expected. Shifts of less than a few tracks are none.

        Parameters
        ----------
        predicted, found : (tracks, 4) and (boxes, 4) array
            Centres and logarithmic sizes.
        """
        off = found[None] - predicted[:, None]
        tall = np.exp(predicted[:, 3])[:, None]
        near = (np.abs(off[..., :2]).max(axis=2) < _FARTHEST * tall) & (
            np.abs(off[..., 3]) < _ALIKE
        )
        tracks, boxes = np.nonzero(near)
        if len(tracks) > _MOST_PAIRS or not len(tracks):
            return np.zeros(2)
        shifts, scale = off[tracks, boxes, :2], _TOGETHER * tall[tracks, 0]
        agree = np.abs(shifts[:, None] - shifts[None]).max(axis=2) < scale
        of_track = tracks[:, None] == np.arange(len(predicted))
        votes = (agree @ of_track).sum(axis=1)  # a track has one vote, however many boxes are near
        best = int(votes.argmax())
        if votes[best] < max(_LEAST, _MAJORITY * len(predicted)):
            return np.zeros(2)
        shift = np.median(shifts[agree[best]], axis=0)
        self.variances = np.maximum(self.variances, shift**2)
        return shift
