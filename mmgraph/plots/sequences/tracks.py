"""Pictures of tracks: paths over time, and boxes drawn on the frames of a video."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from mmgraph.graph.errors import FormatError, needs
from mmgraph.graph.storage.whole_files import checked_suffix, write_bytes
from mmgraph.plots.figures import INK, PALETTE, as_chart, entitle, name_axes, new_figure, show_image
from mmgraph.sequences.tracking.tracks import Tracks
from mmgraph.sequences.tracking.video import frame_rate, video_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

VIDEOS = (".mp4", ".mkv", ".avi")
_TRAIL = 25
"""Frames for which a path stays in sight."""


def track_paths(
    tracks: Tracks,
    picture: UInt8[np.ndarray, "height width 3"] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw paths: on the left where each track runs, on the right when.

    Parameters
    ----------
    tracks : Tracks
    picture : (height, width, 3) array of bytes, optional
        Lies behind the paths.
    title : str, optional
        Above everything.
    """
    figure = new_figure(12, 4.6)
    place, time = figure.subplots(1, 2)
    if picture is not None:
        show_image(place, picture, alpha=0.6)
    lower = tracks.boxes[:, :2] + tracks.boxes[:, 2:] * [0.5, 1.0]
    for identity in np.unique(tracks.ids):
        rows = tracks.ids == identity
        colour, gaps = PALETTE[identity % len(PALETTE)], tracks.detections[rows] < 0
        place.plot(*lower[rows].T, color=colour, linewidth=1.5)
        place.plot(*lower[rows][-1], "o", color=colour, markersize=4)
        for axes_x, shown, style in (
            (lower[rows, 0], ~gaps, {"marker": "."}),
            (lower[rows, 0], gaps, {"marker": "x"}),
        ):
            time.plot(
                tracks.frames[rows][shown],
                axes_x[shown],
                linestyle="",
                markersize=3,
                color=colour,
                **style,
            )
        time.annotate(
            str(identity), (tracks.frames[rows][0], lower[rows, 0][0]), color=INK, fontsize=8
        )
    if picture is None:
        place.invert_yaxis()
        place.set_aspect("equal", adjustable="datalim")
        as_chart(place)
    as_chart(time)
    name_axes(place, "to the right (pixels)", "down (pixels)")
    name_axes(time, "frame", "to the right (pixels)")
    place.set_title("Paths of the middle of lower edges; a dot: the end", color=INK, fontsize=11)
    time.set_title("The same over time; crosses: inferred", color=INK, fontsize=11)
    entitle(figure, title)
    return figure


def draw_tracks(
    tracks: Tracks, video: str | os.PathLike[str], output: str | os.PathLike[str]
) -> int:
    """Draw boxes, identities and paths on the frames of a video, and return how many there are.

    Raises
    ------
    FormatError
        If ``output`` does not end in .mp4, .mkv or .avi, or the video cannot be read.
    """
    suffix = checked_suffix(output, VIDEOS)
    with needs("tracking", "av", "writing a video"), needs("images", "PIL", "drawing boxes"):
        import av
        from PIL import Image
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"drawn{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                "mpeg4", rate=Fraction(frame_rate(video)).limit_denominator(1001)
            )
            stream.bit_rate = 4_000_000
            number = 0
            for number, picture in video_frames(video):
                image = Image.fromarray(picture)
                _draw_frame(image, tracks, number)
                if number == 1:
                    stream.width, stream.height = (side // 2 * 2 for side in image.size)
                frame = av.VideoFrame.from_image(image.crop((0, 0, stream.width, stream.height)))
                container.mux(stream.encode(frame))
            if not number:
                raise FormatError(f"{video} has no frames")
            container.mux(stream.encode())
        write_bytes(output, path.read_bytes())
    return number


def drawn_frame(
    picture: UInt8[np.ndarray, "height width 3"], tracks: Tracks, number: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a frame with boxes, identities and paths drawn on it."""
    with needs("images", "PIL", "drawing boxes"):
        from PIL import Image
    image = Image.fromarray(picture)
    _draw_frame(image, tracks, number)
    return np.asarray(image)


def _draw_frame(image: Image.Image, tracks: Tracks, number: int) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    recent = (tracks.frames <= number) & (tracks.frames > number - _TRAIL)
    for row in np.flatnonzero(tracks.frames == number):
        identity, (left, top, width, height) = int(tracks.ids[row]), tracks.boxes[row]
        colour = PALETTE[identity % len(PALETTE)]
        path = tracks.boxes[recent & (tracks.ids == identity)]
        pen.line([(x + w / 2, y + h) for x, y, w, h in path], fill=colour, width=2)
        thick = 3 if tracks.detections[row] >= 0 else 1
        pen.rectangle((left, top, left + width, top + height), outline=colour, width=thick)
        text = str(identity)
        pen.rectangle((left, top - 12, left + 7 * len(text) + 3, top), fill=colour)
        pen.text((left + 2, top - 12), text, fill="white")
