"""The job that tracks pedestrians: the tracker online and offline, beside SORT."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.pictures import save_figures
from mmgraph.experiments.tracking.declaration import TrackingDeclaration, read_tracking
from mmgraph.experiments.tracking.made_scenes import Scene, made_scene
from mmgraph.experiments.tracking.measures import track_measures
from mmgraph.experiments.tracking.moving_boxes import moving_boxes
from mmgraph.experiments.tracking.sort import sort_tracks
from mmgraph.graph.errors import DatasetError, MmgraphError
from mmgraph.plots.sequences.tracks import drawn_frame, track_paths
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracker import Tracker
from mmgraph.sequences.tracking.tracks import COLUMNS, Tracks
from mmgraph.sequences.tracking.video import colours_of_boxes, video_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VIDEO = "video"


def job(name: str | os.PathLike[str], directory: Path | None) -> TrackingJob:
    """Return the job of a declaration."""
    declaration = read_tracking(name)
    return TrackingJob(declaration, directory, load_scenes(declaration))


def load_scenes(declaration: TrackingDeclaration) -> dict[str, list[Scene]]:
    """Return lists of scenes by name: each of the data set, all of it, and made ones."""
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, part) for part in ("detections", "truth")):
        raise DatasetError(f"the data set '{declaration.dataset}' has no boxes and true tracks")
    scenes = {}
    for name, found in loaded.detections.items():
        true = loaded.truth[name][loaded.truth[name][:, 6] != 0]
        ids, frames = true[:, 1].astype(np.int64), true[:, 0].astype(np.int64)
        truth = Tracks(ids, frames, true[:, 2:6], np.ones(len(ids)), np.full(len(ids), -1))
        scenes[name] = [Scene(Detections(found[:, 0], found[:, 2:6], found[:, 6]), truth)]
    scenes[f"all of {declaration.dataset}"] = [one for group in scenes.values() for one in group]
    first = declaration.first_scene
    made = [made_scene(first + seed, declaration.frames) for seed in range(declaration.scenes)]
    return {**scenes, f"{len(made)} made scenes": made} if made else scenes


class TrackingJob(Job):
    """Scenes that are tracked by SORT, online and offline; a step for each list of them.

    A row of the results has ``data``, ``method``, the measures of
    :func:`~mmgraph.experiments.tracking.measures.track_measures`, ``frames_per_second``, and of
    ``offline`` also ``gap``, by how much the association could be cheaper at most.
    """

    kind = "tracking"
    declaration: TrackingDeclaration

    def __init__(
        self,
        declaration: TrackingDeclaration,
        directory: Path | None,
        scenes: Mapping[str, list[Scene]],
    ) -> None:
        super().__init__(declaration, directory)
        self.scenes = scenes
        self.tracker = Tracker(
            declaration.memory, declaration.window or None, declaration.modalities
        )

    def arrays(self) -> Iterable[np.ndarray]:
        """Return the boxes."""
        return [scene.detections.boxes for group in self.scenes.values() for scene in group]

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each list of scenes, and one for the video; there are no folds."""
        if limit is not None:
            raise MmgraphError("tracks have no folds to choose from")

        def tracked(group: list[Scene]) -> Any:
            return lambda progress, scratch: self._track(group, progress)

        steps = [
            Step(f"scenes{i}", f"tracking {name}", tracked(group), parts=max(2, len(group)))
            for i, (name, group) in enumerate(self.scenes.items())
        ]
        if self.declaration.video and self.directory is not None:
            steps.append(Step(_VIDEO, "tracking what moves", lambda *_: self._track_video()))
        return steps

    def _track(self, group: list[Scene], progress: StepProgress) -> Answer:
        """Return measures and speed by method, and the offline tracks of a single scene."""
        methods = {
            "sort": sort_tracks,
            "online": self.tracker.track_online,
            "offline": self.tracker.track,
        }
        for track in methods.values():  # compile before the clock runs
            track(group[0].detections[: min(50, len(group[0].detections))])
        rows, found, gap = [], Tracks.joined([]), 0.0
        for method, track in methods.items():
            pairs, seconds, frames = [], 0.0, 0
            for i, scene in enumerate(group):
                progress(i, f"{method}, scene {i}")
                began = time.perf_counter()
                found = track(scene.detections)
                seconds += time.perf_counter() - began
                frames += int(np.ptp(scene.detections.frames)) + 1
                pairs.append((found, scene.truth))
                gap += found.gap or 0.0
            rows.append(
                {"method": method, **track_measures(pairs), "frames_per_second": frames / seconds}
            )
        rows[-1]["gap"] = gap
        return Answer(_arrays(found) if len(group) == 1 else {}, rows)

    def _track_video(self) -> Answer:
        path = self._video_path()
        found = moving_boxes(path, self.declaration.pictured)
        found = replace(found, features=colours_of_boxes(found, path))
        return Answer(_arrays(self.tracker.track(found)))

    def _video_path(self) -> Path:
        from mmgraph import datasets

        loaded: Any = datasets.load(self.declaration.video)
        if not hasattr(loaded, "path"):
            raise DatasetError(f"the data set '{self.declaration.video}' is no video")
        return Path(loaded.path)

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return a row for each list of scenes and each method."""
        return {
            "results": [
                {"data": name, **row}
                for i, name in enumerate(self.scenes)
                for row in answers[f"scenes{i}"].notes
            ]
        }

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the paths of each scene of the data set, and boxes and paths of the video."""
        figures: dict[str, Figure] = {}
        for i, name in enumerate(self.scenes):
            if arrays := answers[f"scenes{i}"].arrays:
                title = f"{name}, tracked offline"
                figures[f"paths_{name}"] = track_paths(_tracks(arrays), title=title)
        if _VIDEO in answers:
            tracks = _tracks(answers[_VIDEO].arrays)
            last = self.declaration.pictured
            picture = next(p for number, p in video_frames(self._video_path()) if number == last)
            drawn = drawn_frame(picture, tracks, last)
            title = f"{self.declaration.video}: what moves, to frame {last}"
            figures["video"] = track_paths(tracks, drawn, title=title)
        return save_figures(directory, figures)


def _arrays(tracks: Tracks) -> dict[str, np.ndarray]:
    return {column: getattr(tracks, column) for column in COLUMNS}


def _tracks(arrays: Mapping[str, Any]) -> Tracks:
    return Tracks(**arrays)
