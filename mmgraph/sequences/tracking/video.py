"""Videos: their frames as pictures, and what the boxes in them look like."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, UInt8

from mmgraph.graph.errors import FormatError, needs
from mmgraph.sequences.tracking.detections import Detections

_LEVELS = 6
"""Of each channel, in a histogram."""


def video_frames(
    path: str | os.PathLike[str],
) -> Iterator[tuple[int, UInt8[np.ndarray, "height width 3"]]]:
    """Yield the number, from 1, and the picture of each frame of a video.

    Raises
    ------
    FormatError
        If the file is no video that can be read.
    MissingExtraError
        If av is not installed.
    """
    with needs("tracking", "av", "reading a video"):
        import av
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise FormatError(f"{path} has no pictures")
            for number, frame in enumerate(container.decode(video=0), 1):
                yield number, frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError) as error:
        raise FormatError(f"{path} cannot be read as a video ({error})") from None


def frame_rate(path: str | os.PathLike[str]) -> float:
    """Return how many frames a second a video has."""
    with needs("tracking", "av", "reading a video"):
        import av
    try:
        with av.open(os.fspath(path)) as container:
            return float(container.streams.video[0].average_rate or 25)
    except (av.FFmpegError, OSError, IndexError) as error:
        raise FormatError(f"{path} cannot be read as a video ({error})") from None


def colours_of_boxes(
    detections: Detections, path: str | os.PathLike[str]
) -> Float64[np.ndarray, "detections 36"]:
    """Return colour histograms of boxes in a video, of the upper and the lower half.

    Each is a histogram of every channel, as square roots of shares, so that their Euclidean
    distance is Hellinger's. Boxes outside the pictures, and in frames that it lacks, have NaN.
    """
    colours = np.full((len(detections), 2 * 3 * _LEVELS), np.nan)
    order = np.argsort(detections.frames, kind="stable")
    frames = detections.frames[order]
    for number, picture in video_frames(path):
        begin, end = np.searchsorted(frames, [number, number + 1])
        for row in order[begin:end]:
            colours[row] = _histograms(picture, detections.boxes[row])
        if end == len(order):
            break
    return colours


def _histograms(
    picture: UInt8[np.ndarray, "height width 3"], box: Float64[np.ndarray, " 4"]
) -> Float64[np.ndarray, " 36"]:
    left, top, width, height = box
    # The middle of the box: its margins show what is behind.
    columns = slice(max(0, round(left + 0.2 * width)), max(0, round(left + 0.8 * width) + 1))
    parts = []
    for begin, end in ((0.1, 0.5), (0.5, 0.9)):
        rows = slice(max(0, round(top + begin * height)), max(0, round(top + end * height) + 1))
        pixels = picture[rows, columns].reshape(-1, 3)
        if not len(pixels):
            return np.full(2 * 3 * _LEVELS, np.nan)
        levels = pixels.astype(np.int64) * _LEVELS // 256 + _LEVELS * np.arange(3)
        parts.append(np.bincount(levels.ravel(), minlength=3 * _LEVELS) / len(pixels) / 6)
    return np.sqrt(np.concatenate(parts))
