"""The tracker: any order of boxes, empty frames, crowds, modalities that are missing, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import EvidenceError, MmgraphError
from mmgraph.sequences.tracking.association_model import AssociationModel
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracker import Tracker
from mmgraph.sequences.tracking.tracks import Tracks

FRAMES = 30


def walkers(
    count: int = 3, hidden: range = range(0), features: bool = False, seed: int = 0
) -> tuple[Detections, np.ndarray]:
    """People on lines of their own; the first is not found in the hidden frames. And who is who."""
    random = np.random.default_rng(seed)
    frames, who = (part.ravel() for part in np.mgrid[1 : FRAMES + 1, :count])
    boxes = np.column_stack([20 + 3 * frames, 100.0 * who, 20 + 0 * who, 50 + 0 * who])
    boxes[:, :2] += random.normal(0, 0.7, (len(boxes), 2))
    looks = np.eye(count)[who] + random.normal(0, 0.1, (len(who), count)) if features else None
    there = ~((who == 0) & np.isin(frames, list(hidden)))
    found = Detections(frames, boxes, random.uniform(0.6, 1, len(who)), looks)
    return found[there], who[there]


def assert_same(some: Tracks, others: Tracks, order: np.ndarray) -> None:
    for column in ("ids", "frames", "boxes", "existence"):
        np.testing.assert_array_equal(getattr(some, column), getattr(others, column))
    there = some.detections >= 0
    np.testing.assert_array_equal(some.detections[there], order[others.detections[there]])


@pytest.mark.parametrize("method", ["track", "track_online"])
def test_people_keep_their_identities_in_any_order_of_boxes(method):
    detections, who = walkers()
    tracks = getattr(Tracker(), method)(detections)
    assert len(np.unique(tracks.ids)) == 3
    assert all(len(np.unique(who[tracks.detections[tracks.ids == i]])) == 1 for i in (1, 2, 3))
    assert np.isfinite(tracks.boxes).all()
    assert (tracks.existence <= 1).all()
    order = np.random.default_rng(1).permutation(len(detections))
    assert_same(tracks, getattr(Tracker(), method)(detections[order]), order)


def test_a_gap_is_bridged_and_filled_offline():
    detections, _ = walkers(hidden=range(12, 18))
    tracks = Tracker().track(detections)
    inferred = tracks.detections < 0
    assert len(np.unique(tracks.ids)) == 3
    assert tracks.gap == pytest.approx(0, abs=1e-6)
    assert sorted(tracks.frames[inferred]) == list(range(12, 18))
    np.testing.assert_allclose(tracks.boxes[inferred, 0], 20 + 3 * np.arange(12, 18), atol=3)
    assert tracks.existence[inferred].max() < tracks.existence[~inferred].min()


def test_windows_say_by_how_much_they_may_be_off():
    tracks = Tracker(window=8).track(walkers(5, hidden=range(9, 14))[0])
    whole = Tracker().track(walkers(5, hidden=range(9, 14))[0])
    assert tracks.bound is not None
    assert whole.cost is not None
    assert tracks.cost is not None
    assert tracks.bound - 1e-6 <= whole.cost <= tracks.cost + 1e-6


def test_appearance_alone_follows_who_jumps():
    detections, who = walkers(features=True)
    jumps = np.random.default_rng(2).uniform(0, 2000, (len(who), 2))
    moved = Detections(
        detections.frames,
        np.column_stack([jumps, detections.boxes[:, 2:]]),
        None,
        detections.features,
    )
    tracks = Tracker(modalities=["appearance"]).track_online(moved)
    rows = tracks.detections >= 0
    pairs = set(zip(tracks.ids[rows], who[tracks.detections[rows]], strict=True))
    assert len(pairs) == 3  # nobody changes identity


def test_features_may_be_missing_in_any_frame():
    state, boxes = Tracker().online(), np.array([[10, 10, 20, 40.0], [100, 10, 20, 40]])
    looks = np.array([[0.0, 1, 0], [1, 0, 0]])
    shown = [
        state.step(*arguments)
        for arguments in (
            (boxes,), (boxes, None, looks), (boxes,), ([],), (boxes, None, looks * np.nan),
            (boxes, None, looks), (boxes, None, looks),
        )
    ]  # fmt: skip
    assert shown[-1].ids.tolist() == [1, 2]
    with pytest.raises(EvidenceError, match="boxes have 2 features, and those before 3"):
        state.step(boxes, None, looks[:, :2])
    assert state.frame == len(shown)


def test_empty_frames_and_none():
    state = Tracker().online()
    assert len(state.step([])) == 0
    nothing = Detections([], [])
    for tracks in (Tracker().track(nothing), Tracker().track_online(nothing)):
        assert len(tracks) == 0
        assert tracks.boxes.shape == (0, 4)


@pytest.mark.parametrize("method", ["track", "track_online"])
def test_who_is_there_in_a_single_frame_is_tracked(method):
    one = Detections([5, 5], [[0, 0, 10, 20], [100, 0, 10, 20]], [0.9, 0.8])
    assert getattr(Tracker(), method)(one).ids.tolist() == [1, 2]


def test_who_is_found_again_after_a_while_has_the_same_name():
    walk = np.array([[4.0 * t, 0, 20, 50] for t in range(1, 53)])
    seen = np.r_[:15, 37:52]
    later = Detections(seen + 1, walk[seen])
    model = AssociationModel()
    for least, names in ((model.least_joined, {1}), (np.inf, {1, 2})):  # the first box is too few
        tracks = Tracker(model=model._replace(least_joined=least)).track_online(later)
        assert set(tracks.ids) == names


def test_a_second_box_of_one_person_is_no_track():
    walk = np.array([[3.0 * t, 0, 20, 50] for t in range(1, 17)])
    boxes = Detections(np.r_[1:17, 6:17], np.r_[walk, walk[5:] + np.array([1, 4, -2, -6])])
    model = AssociationModel()
    for less, names in ((model.twice, {1}), (0.0, {1, 2})):
        assert set(Tracker(model=model._replace(twice=less)).track_online(boxes).ids) == names


def test_identities_are_never_used_again():
    state = Tracker(memory=3).online()
    seen: list[set[int]] = []
    for place in range(3):
        for _ in range(12):
            ids = set(state.step([[500.0 * place, 0, 20, 50]]).ids.tolist())
        seen.append(ids)
        for _ in range(12):
            state.step([])
    assert len(set.union(*seen)) == sum(map(len, seen)) == 3


def test_200_boxes_a_frame():
    grid = np.stack(np.meshgrid(np.arange(20) * 60.0, np.arange(10) * 90.0), 2).reshape(-1, 2)
    boxes = np.column_stack([grid, np.full(200, 20.0), np.full(200, 50.0)])
    state = Tracker().online()
    for step in range(6):
        tracks = state.step(boxes + np.array([2.0 * step, 0, 0, 0]))
    assert len(np.unique(tracks.ids)) == 200


def test_a_camera_that_jumps_breaks_no_tracks():
    detections, who = walkers(8)
    shifts = np.cumsum(np.random.default_rng(3).normal(0, 12, (FRAMES + 1, 2)), axis=0)
    boxes = detections.boxes + np.pad(shifts[detections.frames], ((0, 0), (0, 2)))
    tracks = Tracker().track_online(Detections(detections.frames, boxes))
    rows = tracks.detections >= 0
    assert len(set(zip(tracks.ids[rows], who[tracks.detections[rows]], strict=True))) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 0, -3, 5]],), "box 0 .* not positive"),
        (([[0, 0, 3, 5], [0, np.nan, 3, 5]],), "box 1 .* not finite"),
        (([[0, 0, 3]],), "expected \\(detections, 4\\)"),
        (([[0, 0, 3, 5]], [1, 2]), "confidences of the shape"),
        (([[0, 0, 3, 5]], None, [[np.inf]]), "features of box 0 are infinite"),
        (([[0, 0, 3, 5]], None, None, 1), "frame 1 cannot follow frame 3"),
    ],
)
def test_bad_boxes_are_refused(arguments, message):
    state = Tracker().online()
    state.step([], frame=3)
    with pytest.raises(EvidenceError, match=message):
        state.step(*arguments)


def test_bad_settings_are_refused():
    for options, message in (
        ({"memory": 0}, "memory"),
        ({"window": 1}, "window"),
        ({"modalities": ["moton"]}, "did you mean 'motion'"),
        ({"modalities": "motion"}, "list"),
    ):
        with pytest.raises(MmgraphError, match=message):
            Tracker(**options)
    with pytest.raises(EvidenceError, match="frame of box 1 is"):
        Detections([1, 1.5], [[0, 0, 1, 1], [0, 0, 1, 1]])


@pytest.mark.parametrize("way", ["track", "track_online"])
def test_frames_far_apart_cost_no_more_than_their_boxes(way):
    boxes = np.array([[10.0 + 3 * t, 10, 20, 50] for t in range(16)])
    near = np.arange(1, 17)
    one = getattr(Tracker(), way)(Detections(near, boxes))
    frames = np.concatenate([near, near + 10**9])
    two = getattr(Tracker(), way)(Detections(frames, np.concatenate([boxes, boxes])))
    first, later = two.frames < 10**6, two.frames > 10**6
    assert set(one.frames) <= set(two.frames[first])
    assert set(two.ids[first]).isdisjoint(two.ids[later])
    assert later.sum() >= 5
    assert two.frames.max() == 10**9 + 16
