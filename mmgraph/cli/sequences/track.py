"""The command that turns detections into tracks: track."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import JsonOption, list_written, print_written
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.outputs import check_drawing, check_file
from mmgraph.graph.errors import MmgraphError

if TYPE_CHECKING:
    from mmgraph.sequences.tracking.tracks import Tracks


def track(
    detections: Annotated[
        Path,
        typer.Argument(
            help="Lines of frame, id (-1), left, top, width, height, confidence, as in the MOT "
            "challenge; features from the eleventh column on."
        ),
    ],
    output: Annotated[Path, typer.Option(help="Tracks (.csv or .txt), in the same columns.")],
    online: Annotated[
        bool, typer.Option("--online", help="Say of each frame what is known by then.")
    ] = False,
    memory: Annotated[
        int, typer.Option(min=1, help="For how many frames one that is not found is looked for.")
    ] = 60,
    window: Annotated[
        int | None, typer.Option(min=2, help="Frames solved at once; by default all.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Shows what boxes look like, and is drawn on.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Paths (.png, .svg or .pdf), or with --video a video (.mp4, .mkv or .avi)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Follow people, or anything else, through the boxes that a detector found in each frame.

    The last line says how many there are, and by how much the association of boxes could be more
    probable at most.

    Example: mmgraph track detections.csv --output tracks.csv --video v.avi --picture out.mp4
    """
    from mmgraph.sequences.tracking.mot_csv import read_detections, write_tracks
    from mmgraph.sequences.tracking.tracker import Tracker
    from mmgraph.sequences.tracking.video import colours_of_boxes

    check_file(output, (".csv", ".txt"))
    if picture is not None:
        _check_picture(picture, video)
    if online and window is not None:
        raise MmgraphError("--window is of no use with --online, which takes frame by frame")
    given = read_detections(detections)
    tracker = Tracker(memory=memory, window=window)
    with keeps(None, unwritten(output)):
        if video is not None and given.features is None:
            given = replace(given, features=colours_of_boxes(given, video))
        found = tracker.track_online(given) if online else tracker.track(given)
        write_tracks(found, output)
        if picture is not None:
            _draw(found, video, picture)
    count = len(set(found.ids.tolist()))
    record: dict[str, Any] = {"output": str(output), "tracks": count, "boxes": len(found)}
    record |= {"cost": found.cost, "bound": found.bound, "gap": found.gap}
    summary = _summary(found, count, len(given))
    print_written(as_json, record, f"wrote {output}: {summary}")
    list_written([] if picture is None else [picture])


def _check_picture(picture: Path, video: Path | None) -> None:
    """Refuse a picture or a video that could not be drawn or written."""
    from mmgraph.plots.figures import SUFFIXES
    from mmgraph.plots.sequences.tracks import VIDEOS

    drawn_on = picture.suffix.lower() in VIDEOS
    if drawn_on and video is None:
        raise MmgraphError(f"{picture} is a video: --video names the one that is drawn on")
    check_file(picture, (*SUFFIXES, *VIDEOS))
    if not drawn_on:
        check_drawing()


def _draw(tracks: Tracks, video: Path | None, picture: Path) -> None:
    """Draw tracks on a video, or their paths."""
    from mmgraph.plots.figures import save
    from mmgraph.plots.sequences.tracks import VIDEOS, draw_tracks, track_paths
    from mmgraph.sequences.tracking.video import video_frames

    if video is not None and picture.suffix.lower() in VIDEOS:
        draw_tracks(tracks, video, picture)
        return
    behind = None if video is None else next(video_frames(video))[1]
    save(track_paths(tracks, behind), picture)


def _summary(found: Tracks, count: int, boxes: int) -> str:
    """Say how many tracks there are, why if none, and how far from the best at most."""
    text = f"{count} tracks"
    if not boxes:
        text += " (there are no boxes)"
    elif not count:
        text += f" (of {boxes} boxes none is followed long enough to be told from an error)"
    if found.gap is not None:
        text += f"; cost {found.cost:.2f}, too high by {found.gap:.2g}"
    return text
