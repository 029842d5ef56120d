"""Detections and tracks as text files of the MOT challenge.

A line is ``frame, id, left, top, width, height, confidence, x, y, z``: frames count from 1, the id
of a detection is -1, and the last three are not used. What follows them are features of the box.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mmgraph.graph.errors import EvidenceError, FormatError
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracks import Tracks

_LEAST_COLUMNS, _COLUMNS = 6, 10


def read_detections(path: str | os.PathLike[str]) -> Detections:
    """Read the detections of a file of the MOT challenge.

    Parameters
    ----------
    path : str or path
        Text of six columns or more, separated by commas or blanks; a first line with names is
        skipped. From the eleventh column on stand features.

    Raises
    ------
    FormatError
        If a line has another number of columns, a cell is no number, or a box cannot be.
    """
    table = _read_table(path)
    confidences = table[:, 6] if table.shape[1] > _LEAST_COLUMNS else None
    features = table[:, _COLUMNS:] if table.shape[1] > _COLUMNS else None
    try:
        return Detections(table[:, 0], table[:, 2:6], confidences, features)
    except EvidenceError as error:
        raise FormatError(f"{path}: {error} (boxes are counted from 0)") from None


def read_truth(path: str | os.PathLike[str]) -> Tracks:
    """Read true tracks; lines whose seventh column is 0 are not to be counted, and left out."""
    table = _read_table(path)
    if table.shape[1] > _LEAST_COLUMNS:
        table = table[table[:, 6] != 0]
    order = np.lexsort((table[:, 1], table[:, 0]))
    frames, ids = table[order, :2].astype(np.int64).T
    sure = np.ones(len(ids))
    return Tracks(ids, frames, table[order, 2:6], sure, np.full(len(ids), -1))


def write_tracks(tracks: Tracks, path: str | os.PathLike[str]) -> None:
    """Write tracks whole; the seventh column is the probability that they exist."""
    lines = [
        f"{frame},{identity},{box[0]:.2f},{box[1]:.2f},{box[2]:.2f},{box[3]:.2f},{exists:.4f},-1,-1,-1"
        for frame, identity, box, exists in zip(
            tracks.frames, tracks.ids, tracks.boxes, tracks.existence, strict=True
        )
    ]
    write_text(path, "".join(f"{line}\n" for line in lines))


def _read_table(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 text ({error})") from None
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if number == 1 and cells[0].strip("\"'").casefold() == "frame":
                continue
            raise FormatError(f"{path}, line {number}: no number in {line[:60]!r}") from None
        if len(row) < _LEAST_COLUMNS or (rows and len(row) != len(rows[0])):
            expected = (
                f"{len(rows[0])}, as before" if rows else "frame, id, left, top, width, height"
            )
            raise FormatError(f"{path}, line {number}: {len(row)} columns; expected {expected}")
        rows.append(row)
    return np.array(rows) if rows else np.zeros((0, _LEAST_COLUMNS))
