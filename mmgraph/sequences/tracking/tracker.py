"""The tracker: its settings, and its two ways of working."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.sequences.tracking.association_model import AssociationModel
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.offline import OfflineSettings, track_offline
from mmgraph.sequences.tracking.online import OnlineTracker
from mmgraph.sequences.tracking.tracks import Tracks

MODALITIES = ("motion", "appearance")


class Tracker:
    """Tracks of people, cars or anything else, from the boxes that a detector finds in each frame.

    Boxes move at nearly constant velocity, which a Kalman filter predicts, and look alike as far as
    features say so. Confidences may be on any scale: what they are worth is learned from which
    boxes other frames support. A movement that all boxes share is the camera's. Whether there is
    anybody is a probability that boxes raise, and frames without one lower.

    Parameters
    ----------
    memory : int
        For how many frames somebody is looked for who is not found.
    window : int, optional
        How many frames :meth:`track` solves at once; windows overlap by half. By default all.
    modalities : sequence of {"motion", "appearance"}
        What associates boxes. Appearance needs features, and says nothing of boxes without.
    model : AssociationModel, optional
        The numbers behind all this; those by default suit pedestrians at 5 to 30 frames a second.

    Examples
    --------
    >>> detections = Detections([1, 2, 3], [[10, 10, 20, 50], [12, 10, 20, 50], [14, 10, 20, 50]])
    >>> Tracker().track(detections)
    Tracks(1 tracks, 3 boxes)
    """

    def __init__(
        self,
        memory: int = 60,
        window: int | None = None,
        modalities: Sequence[str] = MODALITIES,
        model: AssociationModel | None = None,
    ) -> None:
        for name, value, least in (("memory", memory, 1), ("window", window, 2)):
            if value is not None and (not isinstance(value, int) or value < least):
                raise MmgraphError(f"{name} is a number of frames from {least} on, not {value!r}")
        if isinstance(modalities, str) or not modalities:
            raise MmgraphError(f"modalities is a list of some of {MODALITIES}, not {modalities!r}")
        for modality in modalities:
            check_choice("modality", modality, MODALITIES, MmgraphError)
        self.memory, self.window = memory, window
        self.modalities = tuple(modalities)
        self.model = AssociationModel() if model is None else model

    def __repr__(self) -> str:
        return f"Tracker(memory={self.memory}, window={self.window}, modalities={self.modalities})"

    def track(self, detections: Detections) -> Tracks:
        """Return the tracks of all frames together.

        A first pass makes pieces of tracks that are not in doubt. Which of them exist and belong
        together is the cheapest flow, which is solved exactly (``cost`` and ``bound`` of the answer
        are equal) or window by window (then ``gap`` says how far it is from the best, at most).
        Gaps are filled by smoothing where that leaves little doubt of the place.

        Parameters
        ----------
        detections : Detections
            In any order; the same boxes in another order give the same tracks.
        """
        motion, appearance = (name in self.modalities for name in MODALITIES)
        settings = OfflineSettings(self.memory, self.window, motion, appearance)
        near = _WithoutLongGaps(detections, self.memory)
        return near.moved_back(track_offline(near.detections, self.model, settings))

    def online(self) -> OnlineTracker:
        """Return a fresh state, whose ``step`` takes the boxes of one frame after another."""
        motion, appearance = (name in self.modalities for name in MODALITIES)
        return OnlineTracker(self.model, self.memory, motion, appearance)

    def track_online(self, detections: Detections) -> Tracks:
        """Return what :meth:`online` says of each frame when it knows no later one."""
        near = _WithoutLongGaps(detections, self.memory)
        state, order = self.online(), detections.canonical_order()
        ordered = near.detections[order]
        parts = []
        frames = range(int(ordered.frames[0]), int(ordered.frames[-1]) + 1) if len(order) else ()
        for frame in frames:
            rows = slice(*ordered.frames.searchsorted([frame, frame + 1]))
            part = ordered[rows]
            found = state.step(part.boxes, part.confidences, part.features, frame)
            parts.append(found.of_rows(order[rows]))
        return near.moved_back(Tracks.joined(parts))


class _WithoutLongGaps:
    """Detections without the frames that no track outlasts: work goes with boxes."""

    def __init__(self, detections: Detections, memory: int) -> None:
        if not isinstance(detections, Detections):
            raise MmgraphError(
                f"mm.Detections(frames, boxes) are tracked, not {type(detections).__name__}"
            )
        distinct = np.unique(detections.frames)
        steps = np.minimum(np.diff(distinct, prepend=distinct[:1]), memory + 2)
        self._near = distinct[:1].sum() + np.cumsum(steps)
        self._far = distinct
        places = np.searchsorted(distinct, detections.frames)
        self.detections = replace(detections, frames=self._near[places])

    def moved_back(self, tracks: Tracks) -> Tracks:
        """Return tracks under the numbers that frames had."""
        if not len(tracks.frames):
            return tracks
        places = np.searchsorted(self._near, tracks.frames, side="right") - 1
        return replace(tracks, frames=tracks.frames + (self._far - self._near)[places])
