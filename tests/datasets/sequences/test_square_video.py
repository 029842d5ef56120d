from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.graph.errors import MissingExtraError
from tests.datasets.packages.made import deb

MEMBER = "usr/share/doc/opencv-doc/examples/data/vtest.avi"


def test_frames_of_a_made_video(made, monkeypatch):
    av = pytest.importorskip("av")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as video:
        stream = video.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuvj420p"
        for grey in (40, 200):
            picture = np.full((16, 32, 3), grey, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        video.mux(stream.encode())
    made("square_video", deb({MEMBER: buffer.getvalue()}))
    data = datasets.load("square_video")
    assert data.path.read_bytes() == buffer.getvalue()
    frames = list(data.frames())
    assert [frame.shape for frame in frames] == [(16, 32, 3)] * 2
    assert [frame.mean() for frame in frames] == pytest.approx([40, 200], abs=3)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"mmgraph\[tracking\]"):
        next(data.frames())


@pytest.mark.slow
def test_the_real_video() -> None:
    pytest.importorskip("av")
    shapes = [frame.shape for frame in datasets.load("square_video").frames()]
    assert shapes == [(576, 768, 3)] * 795
