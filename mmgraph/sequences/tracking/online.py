"""Tracking a step at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linear_sum_assignment

from mmgraph.graph.errors import EvidenceError
from mmgraph.sequences.tracking.appearance import AppearanceEvidence, distances_between
from mmgraph.sequences.tracking.association_model import AssociationModel
from mmgraph.sequences.tracking.camera import CameraMotion
from mmgraph.sequences.tracking.confidence import ConfidenceScale
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.motion import (
    as_boxes,
    join_densities,
    log_densities,
    measured,
    predict_tracks,
    start_tracks,
    update_tracks,
)
from mmgraph.sequences.tracking.pace import Pace
from mmgraph.sequences.tracking.tracks import Tracks

Pairs = tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]
"""Tracks, and the rows of their boxes."""

_SUREST = 6.0
"""Log-odds of existence rise no higher, so that whoever leaves is forgotten in time."""
_FORGOTTEN = -3.0
_SETTLED = 2
"""Frames after which a track's velocity is known well enough to tell of the camera's."""
_FRESH = 0.2
"""The share of a new box in what a track looks like."""
_LOST = 0.5
"""Where less than this share of the tracks is found, the camera may have jumped."""
_STILL = np.zeros(2)


@dataclass
class _Followed:
    """Whom the tracker follows: a row of each array is a track."""

    means: Float64[np.ndarray, "tracks 4 2"]
    spreads: Float64[np.ndarray, "tracks 4 3"]
    odds: Float64[np.ndarray, " tracks"]
    ids: Int64[np.ndarray, " tracks"]  # 0 as long as it has not been shown
    missed: Int64[np.ndarray, " tracks"]
    age: Int64[np.ndarray, " tracks"]
    sure: Float64[np.ndarray, " tracks"]  # the confidence of its first box
    rows: Int64[np.ndarray, " tracks"]  # of its box in this frame, -1: none
    features: Float64[np.ndarray, "tracks features"]

    def __len__(self) -> int:
        return len(self.odds)

    def keep(self, rows: Bool[np.ndarray, " tracks"]) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def append(self, others: _Followed) -> None:
        for field in fields(self):
            both = getattr(self, field.name), getattr(others, field.name)
            setattr(self, field.name, np.concatenate(both))


class OnlineTracker:
    """The state of tracking: whom it follows, where they are, and how sure it is.

    Parameters
    ----------
    model : AssociationModel
    memory : int
        For how many frames it looks for somebody who is not found.
    motion, appearance : bool
        Which modalities associate boxes.
    """

    def __init__(
        self, model: AssociationModel, memory: int, motion: bool = True, appearance: bool = True
    ) -> None:
        self.usual = self.model = model
        self.memory, self.motion, self.appearance = memory, motion, appearance
        self.frame, self.shift = 0, _STILL
        self.pace = Pace()
        self.camera = CameraMotion()
        self.evidence = AppearanceEvidence(alone=not motion)
        self.scale = ConfidenceScale(model.generally)
        self._next_id = 1
        self._followed: _Followed | None = None

    def step(
        self,
        boxes: Any,
        confidences: Any = None,
        features: Any = None,
        frame: int | None = None,
    ) -> Tracks:
        """Take the boxes of the next frame, and return who is where in it.

        Parameters
        ----------
        boxes : (boxes, 4) array
            Left, top, width and height, in any order; there may be none.
        confidences : (boxes,) array, optional
            How sure the detector is, on any scale; NaN is not known.
        features : (boxes, features) array, optional
            What the boxes look like; a row with NaN is not known.
        frame : int, optional
            The number of the frame, by default the next; those left out are frames not looked at.

        Returns
        -------
        Tracks
            Of this frame; ``detections`` are rows of ``boxes``.

        Raises
        ------
        EvidenceError
            If shapes do not match, a number is not finite, a box has no positive size, features are
            not as many as before, or the frame is not after the one before.
        """
        number = self.frame + 1 if frame is None else int(frame)
        if self._followed is not None and number <= self.frame:
            raise EvidenceError(f"frame {number} cannot follow frame {self.frame}")
        given = Detections(np.full(np.size(boxes) // 4, number), boxes, confidences, features)
        order = given.canonical_order()
        given = given[order]
        points, looks = measured(given.boxes), given.features
        if looks is None or not self.appearance or not np.isfinite(looks).any():
            known = 1 if self._followed is None else self._followed.features.shape[1]
            looks = np.full((len(points), known), np.nan)
        confidence = given.confidences
        sure = np.zeros(len(points)) if confidence is None else confidence
        worth = self.scale.log_odds(sure)
        first = self._followed is None
        self.model = self.usual.at_pace(self.pace.value)
        followed = self._advance(number, looks)
        tracks, rows = self._associate(followed, points, looks)
        self._correct(followed, tracks, points[rows], worth[rows], sure[rows])
        followed.rows[tracks] = order[rows]
        born = np.ones(len(points), bool)
        born[rows] = False
        fresh = _born(points[born], worth[born], sure[born], looks[born], self.model)
        if first:
            fresh.odds += self.model.start
        elif len(tracks) and len(fresh):
            found = followed.means[tracks], followed.spreads[tracks]
            near = log_densities(*found, points[born], _STILL, self.model)
            fresh.odds[near.max(axis=0) > self.model.others] += self.model.twice
        fresh.rows[:] = order[born]
        followed.append(fresh)
        self._name(followed)
        answer = self._shown(followed)
        recent = followed.missed <= self.memory
        followed.keep(recent & ((followed.odds > _FORGOTTEN) | (followed.ids > 0)))
        return answer

    def _advance(self, number: int, looks: Float64[np.ndarray, "boxes features"]) -> _Followed:
        """Move all tracks to a frame."""
        followed = self._followed
        if followed is None:
            nobody = np.zeros((0, 4)), np.zeros(0), np.zeros(0), looks[:0]
            followed = _born(*nobody, self.model)
            self._followed, self.frame = followed, number - 1
        if looks.shape[1] != followed.features.shape[1]:
            if np.isfinite(followed.features).any():
                raise EvidenceError(
                    f"boxes have {looks.shape[1]} features, and those before "
                    f"{followed.features.shape[1]}"
                )
            followed.features = np.full((len(followed), looks.shape[1]), np.nan)
        steps, self.frame = number - self.frame, number
        predict_tracks(followed.means, followed.spreads, float(steps), self.model)
        followed.odds += steps * np.log(self.model.stays)
        followed.missed += steps - 1
        followed.age += 1
        followed.rows[:] = -1
        return followed

    def _associate(
        self,
        followed: _Followed,
        points: Float64[np.ndarray, "boxes 4"],
        looks: Float64[np.ndarray, "boxes features"],
    ) -> Pairs:
        """Return tracks and rows of boxes that belong together, most probable in all."""
        if not np.isfinite(looks).any():
            alike = np.zeros((len(followed), len(points)))
            return (
                self._by_motion(followed, points, alike) if self.motion else _most_probable(alike)
            )
        distances = distances_between(followed.features, looks)
        alike = self.evidence.log_ratios(distances)
        pairs = self._by_motion(followed, points, alike) if self.motion else _most_probable(alike)
        self._learn_looks(followed, *pairs, looks, distances)
        return pairs

    def _by_motion(
        self,
        followed: _Followed,
        points: Float64[np.ndarray, "boxes 4"],
        alike: Float64[np.ndarray, "tracks boxes"],
    ) -> Pairs:
        """Associate by places, too, and move all tracks as the camera did."""
        model, recent = self.model, followed.missed == 0

        def associated(variances: Float64[np.ndarray, " 2"]) -> Pairs:
            gains = log_densities(followed.means, followed.spreads, points, variances, model)
            return _most_probable(gains + alike - model.others)

        tracks, rows = associated(self.camera.variances)
        self.shift = _STILL
        if recent[tracks].sum() < _LOST * min(recent.sum(), len(points)):
            self.shift = self.camera.jumped(followed.means[recent, :, 0], points)
            if self.shift.any():
                followed.means[:, :2, 0] += self.shift
                tracks, rows = associated(self.camera.variances)
        settled = followed.age[tracks] > _SETTLED
        before, after = followed.means[tracks[settled]], points[rows[settled]]
        noise = model.position_noise * np.exp(before[:, 3:, 0])
        variances = followed.spreads[tracks[settled], :2, 0] + noise**2
        shift = self.camera.estimate(after[:, :2] - before[:, :2, 0], variances)
        if shift.any():
            self.shift = self.shift + shift
            followed.means[:, :2, 0] += shift
            tracks, rows = associated(_STILL)
        return tracks, rows

    def _learn_looks(
        self,
        followed: _Followed,
        tracks: Int64[np.ndarray, " pairs"],
        rows: Int64[np.ndarray, " pairs"],
        looks: Float64[np.ndarray, "boxes features"],
        distances: Float64[np.ndarray, "tracks boxes"],
    ) -> None:
        """Learn from pairs how alike boxes of one person are, and what each looks like."""
        others = distances[tracks]
        others[np.arange(len(rows)), rows] = np.nan
        self.evidence.learn(distances[tracks, rows], others[np.isfinite(others)])
        old, new = followed.features[tracks], looks[rows]
        mixed = np.where(np.isnan(old), new, (1 - _FRESH) * old + _FRESH * new)
        followed.features[tracks] = np.where(np.isnan(new), old, mixed)

    def _correct(
        self,
        followed: _Followed,
        tracks: Int64[np.ndarray, " pairs"],
        points: Float64[np.ndarray, "pairs 4"],
        worth: Float64[np.ndarray, " pairs"],
        sure: Float64[np.ndarray, " pairs"],
    ) -> None:
        """Correct tracks by their boxes: where they are, and whether there is anybody."""
        model = self.model
        update_tracks(followed.means, followed.spreads, tracks, points, model)
        lost = np.ones(len(followed), bool)
        lost[tracks] = False
        # A box that began a track in the frame before is supported by another in this one.
        young = followed.age == 2
        self.scale.learn(
            np.append(followed.sure[young], sure), np.append(~lost[young], np.ones(len(sure), bool))
        )
        followed.odds[tracks] += model.seen_again + worth
        followed.odds[lost] += model.missed
        np.minimum(followed.odds, _SUREST, out=followed.odds)
        followed.missed[lost] += 1
        followed.missed[tracks] = 0
        settled = tracks[followed.age[tracks] > _SETTLED]
        speeds = followed.means[settled, :2, 1] / np.exp(followed.means[settled, 3:, 0])
        self.pace.learn(speeds / self.usual.start_velocity)

    def _name(self, followed: _Followed) -> None:
        """Name those who now probably exist: as the lost ones who they may be, or anew."""
        model = self.model
        new = np.flatnonzero((followed.ids == 0) & (followed.odds > model.named))
        if not len(new):
            return
        lost = np.flatnonzero((followed.ids > 0) & (followed.missed > 0))
        pairs = np.repeat(lost, len(new)), np.tile(new, len(lost))
        hidden = followed.missed[pairs[0]] - followed.age[pairs[1]]
        joins = model.joined + model.hidden * hidden
        if self.motion:
            ends, starts = ((followed.means[rows], followed.spreads[rows]) for rows in pairs)
            joins += join_densities(ends, starts, np.zeros(len(hidden)), model)
        looks = distances_between(followed.features[lost], followed.features[new])
        joins = joins.reshape(looks.shape) + self.evidence.log_ratios(looks)
        again, rows = _most_probable(joins - model.least_joined)
        followed.ids[new[rows]] = followed.ids[lost[again]]
        new = np.delete(new, rows)
        followed.ids[new] = self._next_id + np.arange(len(new))
        self._next_id += len(new)
        followed.keep(~np.isin(np.arange(len(followed)), lost[again]))

    def _shown(self, followed: _Followed) -> Tracks:
        """Return the tracks that have names, and probably exist."""
        tall = np.exp(followed.means[:, 3, 0])
        sharp = np.sqrt(followed.spreads[:, :2, 0].max(axis=1)) < self.model.blurred * tall
        found = followed.missed == 0
        exists = (followed.ids > 0) & (followed.odds > self.model.shown)
        shown = np.flatnonzero(exists & (found | sharp))
        shown = shown[np.argsort(followed.ids[shown])]
        return Tracks(
            followed.ids[shown],
            np.full(len(shown), self.frame),
            as_boxes(followed.means[shown, :, 0]),
            1 / (1 + np.exp(-followed.odds[shown])),
            followed.rows[shown],
        )


def _born(
    points: Float64[np.ndarray, "boxes 4"],
    worth: Float64[np.ndarray, " boxes"],
    sure: Float64[np.ndarray, " boxes"],
    looks: Float64[np.ndarray, "boxes features"],
    model: AssociationModel,
) -> _Followed:
    """Return tracks that begin with these boxes."""
    none = np.zeros(len(points), np.int64)
    means, spreads = start_tracks(points, model)
    return _Followed(
        means=means,
        spreads=spreads,
        odds=model.prior + worth,
        ids=none,
        missed=none.copy(),
        age=none + 1,
        sure=sure,
        rows=none - 1,
        features=looks,
    )


def _most_probable(
    gains: Float64[np.ndarray, "tracks boxes"],
) -> Pairs:
    """Return the pairs of the greatest total gain, each of which gains something."""
    tracks, rows = linear_sum_assignment(np.maximum(gains, 0.0), maximize=True)
    better = gains[tracks, rows] > 0
    return tracks[better], rows[better]
