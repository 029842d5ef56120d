"""The declaration of a tracking job: sequences, made scenes, and the tracker's settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.sequences.tracking.tracker import MODALITIES


@dataclass(frozen=True, kw_only=True)
class TrackingDeclaration(ReadyModel):
    """A ready model of the kind ``tracking``.

    The tracker, of these settings, follows the boxes of the data set, those of so many made
    ``scenes`` of some ``frames`` (the seeds from ``first_scene`` on), and what moves in the
    ``pictured`` frames of a ``video``, of which only pictures are made.
    """

    scenes: int = entry(0, table="made", within=(0, 1000))
    first_scene: int = entry(0, table="made", within=(0, 2**31))
    frames: int = entry(200, table="made", within=(2, 10**5))
    video: str = entry("", table="video", key="dataset")
    pictured: int = entry(200, table="video", key="frames", within=(2, 10**6))
    memory: int = entry(60, table="tracker", within=(1, 10**6))
    window: int = entry(0, table="tracker", within=(0, 10**6))
    modalities: tuple[str, ...] = entry(MODALITIES, table="tracker", among=MODALITIES)


def read_tracking(name: str | os.PathLike[str]) -> TrackingDeclaration:
    """Read the declaration of a tracking job; a ``window`` of 0 is none."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "made", "video", "tracker")
    return reader.declaration(TrackingDeclaration)
