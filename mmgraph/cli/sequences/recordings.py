"""Recordings in tables: which columns are whose, and their rows at one rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mmgraph.cli.common import say
from mmgraph.cli.sequences.columns import Times, number_columns, text_columns, time_column
from mmgraph.graph.errors import EvidenceError, suggestion

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.data.table import Table

_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class ColumnOptions:
    """Options that say what the columns of recordings are."""

    modality: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=COLUMN,COLUMN,…: the channels of a sensor; repeat it. By default those that "
            "a model was learned from."
        ),
    ] = None
    time: Annotated[str, typer.Option(help="The column of times: seconds, or ISO dates.")] = "time"
    label: Annotated[str, typer.Option(help="The column of labels; empty where there is none.")] = (
        "action"
    )
    recording: Annotated[
        str | None,
        typer.Option(help="The column that tells recordings apart; by default a file is one."),
    ] = None
    person: Annotated[
        str | None, typer.Option(help="The column of people, who are learned from as a whole.")
    ] = None

    def channels(self) -> dict[str, list[str]]:
        """Return the columns of each modality."""
        named = {}
        for text in self.modality or ():
            name, equals, columns = text.partition("=")
            if not name or not equals or not columns:
                raise EvidenceError(f"--modality {text!r} is not NAME=COLUMN,COLUMN,…")
            named[name] = [column.strip() for column in columns.split(",")]
        return named


class Recording(NamedTuple):
    """A recording of a file: times, and what is there at its rows."""

    name: str
    times: Times
    signals: Mapping[str, np.ndarray]
    labels: list[str]
    person: str


class RegularSteps(NamedTuple):
    """Recordings at one rate: times of steps, the row nearest to each and the reverse, signals."""

    times: list[np.ndarray]
    rows: list[np.ndarray]
    steps_of_rows: list[np.ndarray]
    signals: dict[str, list[np.ndarray | None]]


def read_recordings(
    path: Path,
    columns: ColumnOptions,
    channels: Mapping[str, Sequence[str]],
    labelled: bool,
    reading: Mapping[str, Any],
) -> list[Recording]:
    """Return the recordings of a file, or of the tables in a folder.

    A recording may lack a modality; of the columns of one that is there none may be missing.
    """
    from mmgraph.data.tables import open_table

    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in _SUFFIXES)
        if not files:
            raise EvidenceError(f"the folder {path} has no CSV, TSV or Parquet file")
    found: list[Recording] = []
    for file in files:
        found += _recordings_of(open_table(file, **reading), file, columns, channels, labelled)
    if labelled:
        for modality, named in channels.items():
            if not any(modality in one.signals for one in found):
                raise EvidenceError(f"{path} has none of the columns {', '.join(named)}")
    return found


def _recordings_of(
    table: Table,
    file: Path,
    columns: ColumnOptions,
    channels: Mapping[str, Sequence[str]],
    labelled: bool,
) -> Iterator[Recording]:
    import numpy as np

    there = _modalities_of(table, file, channels)
    numbers = number_columns(table, [n for c in there.values() for n in c])
    asked = [columns.recording, columns.label if labelled else None, columns.person]
    wanted = [n for n in asked if n and (labelled or n in table.columns)]
    texts = text_columns(table, wanted) if wanted else {}
    times = time_column(table, columns.time)
    if not len(times.seconds):
        raise EvidenceError(f"{file} has no rows")
    names = texts.get(columns.recording or "", [file.stem] * len(times.seconds))
    of_name: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        of_name.setdefault(name, []).append(row)
    for name, places in of_name.items():
        rows = np.array(places)
        yield Recording(
            name,
            times.rows(rows),
            {m: np.stack([numbers[n][rows] for n in c], axis=1) for m, c in there.items()},
            [texts[columns.label][r] for r in rows] if labelled else [],
            texts.get(columns.person or "", names)[rows[0]],
        )


def _modalities_of(
    table: Table, file: Path, channels: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """The modalities that a file has, all of whose columns are there."""
    there = {m: c for m, c in channels.items() if any(name in table.columns for name in c)}
    if not there:
        raise EvidenceError(f"{file} has none of the columns of {', '.join(channels)}")
    for modality, named in there.items():
        for name in named:
            if name not in table.columns:
                hint = suggestion(name, [n for n in table.columns if n not in named])
                raise EvidenceError(
                    f"{file} lacks the column '{name}' of '{modality}'{hint}; a recording has all "
                    "columns of a modality, or none"
                )
    return there


def at_rate(
    recordings: Sequence[Recording], rate: float, modalities: Sequence[str]
) -> RegularSteps:
    """Return recordings at a rate, and say which of them had to be resampled."""
    import numpy as np

    from mmgraph.predictors.sequences.resampling import at_places, nearest, rate_of, resampled

    own = [one.times.seconds for one in recordings]
    pairs = [resampled(t, rate, one.name) for t, one in zip(own, recordings, strict=True)]
    others = [n for n, (times, _) in enumerate(pairs) if times is not own[n]]
    if others:
        name = recordings[others[0]].name
        first = f"{name} ({rate_of(own[others[0]], name):.4g} rows a second)"
        more = f" and {len(others) - 1} other recordings" if len(others) > 1 else ""
        say(f"{first}{more}: resampled to {rate:.4g} steps a second")
    signals = {
        modality: [
            at_places(one.signals[modality], places) if modality in one.signals else None
            for one, (_, places) in zip(recordings, pairs, strict=True)
        ]
        for modality in modalities
    }
    return RegularSteps(
        [times for times, _ in pairs],
        [nearest(places) for _, places in pairs],
        [
            nearest(np.interp(t, times, np.arange(len(times))))
            for t, (times, _) in zip(own, pairs, strict=True)
        ],
        signals,
    )
