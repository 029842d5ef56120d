"""``mmgraph track`` on made boxes and a made video."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from mmgraph.sequences.tracking.mot_csv import read_truth
from mmgraph.sequences.tracking.video import video_frames


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten frames in which a red and a blue box draw near each other, and where they are."""
    monkeypatch.chdir(tmp_path)
    lines = []
    with av.open("walk.avi", "w") as video:
        stream = video.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 128, 64
        for t in range(10):
            picture = np.full((64, 128, 3), 255, np.uint8)
            for left, top, paint in ((10 + 2 * t, 8, (220, 0, 0)), (100 - 2 * t, 36, (0, 0, 220))):
                picture[top : top + 24, left : left + 12] = paint
                lines.append(f"{t + 1},-1,{left},{top},12,24,0.9,-1,-1,-1")
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        video.mux(stream.encode())
    Path("boxes.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("how", [(), ("--online",), ("--window", 5)])
def test_tracks_are_written_and_drawn_on_the_video(mmgraph, walk: Path, how):
    asked = ("track", "boxes.csv", "--output", "tracks.csv", "--video", "walk.avi", *how)
    code, out, err = mmgraph(*asked, "--picture", "drawn.mp4")
    assert (code, out) == (0, "")
    assert "wrote tracks.csv: 2 tracks" in err
    tracks = read_truth("tracks.csv")
    assert np.bincount(tracks.ids).tolist() == [0, 10, 10]
    drawn = [picture for _, picture in video_frames("drawn.mp4")]
    assert (len(drawn), drawn[0].shape) == (10, (64, 128, 3))
    changed = np.abs(drawn[5].astype(int) - [p for _, p in video_frames("walk.avi")][5])
    assert (changed > 60).any()
    told = json.loads(mmgraph(*asked, "--picture", "paths.png", "--json")[1])
    assert (told["tracks"], told["boxes"]) == (2, 20)
    assert Path("paths.png").stat().st_size > 5000


def test_no_tracks_have_a_reason(mmgraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for text, why in (
        ("", "there are no boxes"),
        ("1,-1,0,0,9,9\n90,-1,300,0,9,9\n", "of 2 boxes"),
    ):
        Path("boxes.csv").write_text(text)
        assert why in mmgraph("track", "boxes.csv", "--output", "tracks.csv")[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--picture", "out.mp4"), "--video names the one that is drawn on"),
        (("--picture", "out.gif"), "expected a name that ends in"),
        (("--online", "--window", 5), "--window is of no use with --online"),
        (("--video", "boxes.csv"), "boxes.csv cannot be read as a video"),
        (("--video", "none.avi"), "none.avi cannot be read as a video"),
    ],
)
def test_what_cannot_be_is_refused(mmgraph, walk: Path, options, message):
    code, _, err = mmgraph("track", "boxes.csv", "--output", "tracks.csv", *options)
    assert code == 2
    assert message in err
    assert not Path("tracks.csv").exists()
