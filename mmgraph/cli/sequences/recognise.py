"""The command that learns actions from labelled recordings and labels others: recognise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mmgraph.cli.common import (
    JsonOption,
    ReadOption,
    list_written,
    print_json,
    print_table,
    spread,
)
from mmgraph.cli.evidence import reading
from mmgraph.cli.rows import check_table, write_table
from mmgraph.cli.sequences.columns import number_columns, text_columns
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    import numpy as np

_SHOWN = 40
"""The most segments that are printed."""


@dataclass(frozen=True)
class ColumnOptions:
    """Options that say what the columns of recordings are."""

    modality: Annotated[
        list[str], typer.Option(help="NAME=COLUMN,COLUMN,…: the channels of a sensor; repeat it.")
    ]
    time: Annotated[str, typer.Option(help="The column of times in seconds.")] = "time"
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
        for text in self.modality:
            name, equals, columns = text.partition("=")
            if not name or not equals or not columns:
                raise EvidenceError(f"--modality {text!r} is not NAME=COLUMN,COLUMN,…")
            named[name] = [column.strip() for column in columns.split(",")]
        return named


class _Recording(NamedTuple):
    """A recording of a file: times, and what is there at its rows."""

    name: str
    times: np.ndarray
    signals: Mapping[str, np.ndarray]
    labels: list[str]
    person: str


@spread
def recognise(
    shown: Annotated[
        Path, typer.Argument(help="Labelled recordings: a CSV, TSV or Parquet file, or a folder.")
    ],
    new: Annotated[Path, typer.Argument(help="Recordings to label: likewise, without labels.")],
    columns: ColumnOptions,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1e-3, help="Steps a second; by default those of the first labelled recording."
        ),
    ] = None,
    lag: Annotated[
        float | None,
        typer.Option(help="Seconds after a step that are seen; by default the whole recording."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="A table (.csv, .csv.gz, .parquet) of each step's probabilities."),
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn actions from labelled recordings, and label the steps of others.

    Recordings of up to twice or half the rate are resampled; sensors may be missing in new ones.
    `mmgraph detect` reads the output of one recording.

    Example: mmgraph recognise shown/ new.csv --modality wrist=ax,ay,az --output actions.csv
    """
    import numpy as np

    from mmgraph.predictors.sequences.resampling import at_places, nearest, rate_of, resampled
    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller

    check_table(output)
    channels, options = columns.channels(), reading(read)
    learned = _read(shown, columns, channels, True, options)
    others = _read(new, columns, channels, False, options)
    rate = rate_of(learned[0].times, learned[0].name) if rate is None else rate

    def steps(recordings: Sequence[_Recording]) -> tuple[list[Any], list[Any], dict[str, Any]]:
        pairs = [resampled(one.times, rate, one.name) for one in recordings]
        signals = {
            modality: [
                at_places(one.signals[modality], places) if modality in one.signals else None
                for one, (_, places) in zip(recordings, pairs, strict=True)
            ]
            for modality in channels
        }
        return [times for times, _ in pairs], [nearest(places) for _, places in pairs], signals

    _, rows, signals = steps(learned)
    labels = [np.array(one.labels, object)[r] for one, r in zip(learned, rows, strict=True)]
    labeller = SequenceLabeller(rate=rate)
    labeller.fit(signals, labels, [one.person for one in learned])
    times, _, signals = steps(others)
    tables = labeller.predict_proba(signals, lag=lag)
    names = [str(label) for label in labeller.classes_]
    segments = [
        {
            "recording": one.name,
            "begin": float(seconds[segment.begin]),
            "end": float(seconds[segment.end - 1]) + 1 / rate,
            "action": str(segment.label),
            "probability": segment.probability,
        }
        for one, seconds, found in zip(others, times, labeller.segments(signals), strict=True)
        for segment in found
    ]
    if output is not None:
        batches = (
            ({"recording": [one.name] * len(table)} if len(others) > 1 else {})
            | {"time": seconds.tolist()}
            | {name: table[:, place].tolist() for place, name in enumerate(names)}
            for one, seconds, table in zip(others, times, tables, strict=True)
        )
        write_table(output, batches)
    if as_json:
        print_json({"actions": names, "rate": rate, "segments": segments})
        return
    cells = [list(segment.values()) for segment in segments[:_SHOWN]]
    print_table(["recording", "begin", "end", "action", "probability"], cells)
    if len(segments) > _SHOWN:
        typer.echo(f"… and {len(segments) - _SHOWN} segments more; --json gives all")
    list_written(file for file in (output,) if file is not None)


def _read(
    path: Path,
    columns: ColumnOptions,
    channels: Mapping[str, Sequence[str]],
    labelled: bool,
    options: Mapping[str, Any],
) -> list[_Recording]:
    """The recordings of a file, or of the tables in a folder."""
    import numpy as np

    from mmgraph.data.tables import open_table

    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in (".csv", ".tsv", ".parquet"))
        if not files:
            raise EvidenceError(f"the folder {path} has no CSV, TSV or Parquet file")
    found = []
    for file in files:
        table = open_table(file, **options)
        # Of new recordings a sensor may be missing; of its columns all are there, or none.
        there = {
            m: c for m, c in channels.items() if labelled or any(n in table.columns for n in c)
        }
        if not there:
            raise EvidenceError(f"{file} has none of the columns of {', '.join(channels)}")
        numbers = number_columns(table, [columns.time, *(n for c in there.values() for n in c)])
        asked = [columns.recording, columns.label if labelled else None, columns.person]
        wanted = [n for n in asked if n and (labelled or n in table.columns)]
        texts = text_columns(table, wanted) if wanted else {}
        times = numbers[columns.time]
        whole = [file.stem] * len(times)
        names = texts.get(columns.recording or "", whole)
        for name in dict.fromkeys(names):
            rows = np.array([one == name for one in names], bool)
            first = int(rows.argmax())
            found.append(
                _Recording(
                    name,
                    times[rows],
                    {m: np.stack([numbers[n][rows] for n in c], axis=1) for m, c in there.items()},
                    [t for t, r in zip(texts.get(columns.label, ()), rows, strict=False) if r],
                    texts.get(columns.person or "", names)[first],
                )
            )
    return found
