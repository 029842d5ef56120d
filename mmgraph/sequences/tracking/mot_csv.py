"""Detections and tracks as text files of the MOT challenge.

A line is ``frame, id, left, top, width, height, confidence, x, y, z``: frames count from 1, the id
of a detection is -1, and the last three are not used. What follows them are features of the box.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from mmgraph.graph.errors import EvidenceError, FormatError
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracks import Tracks

_NAMES = ("frame", "id", "left", "top", "width", "height", "confidence", "x", "y", "z")
_LEAST_COLUMNS, _COLUMNS = 6, len(_NAMES)


def read_detections(path: str | os.PathLike[str]) -> Detections:
    """Read the detections of a file of the MOT challenge.

    Parameters
    ----------
    path : str or path
        Text of six columns or more, separated by commas, semicolons or blanks; a first line with
        names, and lines that begin with #, are skipped. From the eleventh column on stand features.

    Raises
    ------
    FormatError
        If a line has another number of columns, a cell is no number, or a box cannot be.
    """
    table, lines = _read_table(path)
    confidences = table[:, 6] if table.shape[1] > _LEAST_COLUMNS else None
    features = table[:, _COLUMNS:] if table.shape[1] > _COLUMNS else None
    try:
        return Detections(table[:, 0], table[:, 2:6], confidences, features)
    except EvidenceError as error:
        row = re.search(r"box (\d+)", str(error))
        if row is None:
            raise FormatError(f"{path}: {error}") from None
        message = str(error).replace(row[0], "the box")
        raise FormatError(f"{path}, line {lines[int(row[1])]}: {message}") from None


def read_truth(path: str | os.PathLike[str]) -> Tracks:
    """Read true tracks; lines whose seventh column is 0 are not to be counted, and left out."""
    table, _ = _read_table(path)
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


def _read_table(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[int]]:
    """Return the numbers of a file, and the line, from 1, of each row."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 text ({error})") from None
    rows: list[list[float]] = []
    lines: list[int] = []
    first = True
    for number, line in enumerate(text, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        separator = next((sign for sign in ";," if sign in line), None)
        cells = [cell.strip().strip("\"'") for cell in line.split(separator)]
        named, first = first and cells[0].casefold() == _NAMES[0], False
        if named:
            continue
        if len(cells) < _LEAST_COLUMNS or (rows and len(cells) != len(rows[0])):
            expected = f"{len(rows[0])}, as before" if rows else ", ".join(_NAMES[:_LEAST_COLUMNS])
            raise FormatError(f"{path}, line {number}: {len(cells)} columns; expected {expected}")
        rows.append([_number(cell, f"{path}, line {number}", i) for i, cell in enumerate(cells)])
        lines.append(number)
    return np.array(rows) if rows else np.zeros((0, _LEAST_COLUMNS)), lines


def _number(cell: str, place: str, column: int) -> float:
    try:
        return float(cell)
    except ValueError:
        name = _NAMES[column] if column < _COLUMNS else f"feature {column - _COLUMNS + 1}"
        wrong = f"{cell[:60]!r} and no number" if cell else "empty"
        raise FormatError(f"{place}: column {column + 1} ({name}) is {wrong}") from None
