"""The tracking job: made scenes, SORT, measures, a small run, and the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments import experiment
from mmgraph.experiments.tracking import experiment as tracking
from mmgraph.experiments.tracking.made_scenes import made_scene
from mmgraph.experiments.tracking.measures import overlaps, track_measures
from mmgraph.experiments.tracking.sort import sort_tracks
from mmgraph.graph.errors import FormatError
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracks import Tracks
from tests.experiments.shortened import shortened

SMALL = """
kind = "tracking"
title = "Few people"
[data]
dataset = "tud_pedestrians"
[tracker]
memory = 20
"""


def test_the_truth_is_measured_as_perfect_and_a_switch_is_counted():
    truth = made_scene(3, 20).truth
    perfect = track_measures([(truth, truth)])
    assert (perfect["mota"], perfect["idf1"], perfect["switches"]) == (1, 1, 0)
    person = truth.ids == truth.ids[0]
    ids = np.where(person & (truth.frames > 10), 999, truth.ids)
    switched = Tracks(ids, truth.frames, truth.boxes, truth.existence, truth.detections)
    assert track_measures([(switched, truth)])["switches"] == 1


def test_made_scenes_are_the_same_each_time_and_have_boxes_that_can_be():
    one, again = made_scene(5, 15), made_scene(5, 15)
    np.testing.assert_array_equal(one.detections.boxes, again.detections.boxes)
    assert len(one.truth) > 15


def test_sort_follows_who_overlaps_and_forgets_who_does_not():
    frames = np.arange(1, 11)
    boxes = np.column_stack([3.0 * frames, 0 * frames, 0 * frames + 20, 0 * frames + 50])
    assert set(sort_tracks(Detections(frames, boxes)).ids) == {1}
    boxes[5:, 0] += 500
    assert set(sort_tracks(Detections(frames, boxes)).ids) == {1, 2}
    assert len(sort_tracks(Detections([], []))) == 0


def test_overlaps_are_intersections_over_unions():
    found = overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 2, 2], [5, 5, 1, 1]]))
    np.testing.assert_allclose(found, [[1 / 3, 0]])


def test_a_small_run_reports_each_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "few.toml"
    path.write_text(SMALL)
    scenes = {"a scene": [made_scene(1, 25)]}
    monkeypatch.setattr(tracking, "load_scenes", lambda declaration: scenes)
    report = experiment.run(path, tmp_path / "out")
    assert [row["method"] for row in report["results"]] == ["sort", "online", "offline"]
    assert report["results"][-1]["gap"] == pytest.approx(0, abs=1e-6)
    assert {Path(f).name for f in report["files"]} == {"paths_a scene.png", "results.json"}
    path.write_text(SMALL + 'modalities = ["sound"]')
    with pytest.raises(FormatError, match=r"few\.toml: \[tracker\] modalities = 'sound'"):
        experiment.run(path)


@pytest.mark.slow
def test_fewer_switches_than_sort_at_its_accuracy(tmp_path: Path):
    short = shortened("pedestrians", tmp_path, {"scenes = 12": "scenes = 4"})
    results = experiment.run(short, tmp_path)["results"]
    by_name = {(row["data"], row["method"]): row for row in results}
    for data in ("all of tud_pedestrians", "4 made scenes"):
        sort = by_name[data, "sort"]
        for method in ("online", "offline"):
            assert by_name[data, method]["mota"] >= sort["mota"]
            assert by_name[data, method]["switches"] <= 0.9 * sort["switches"]
    assert (tmp_path / "video.png").exists()  # the fixture of this folder writes no pixels
