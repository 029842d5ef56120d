"""The command that learns actions from labelled recordings and labels others: recognise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.answers import Columns
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
from mmgraph.cli.sequences.recordings import (
    ColumnOptions,
    Recording,
    RegularSteps,
    at_rate,
    read_recordings,
)

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.predictors.sequences.recording_cells import RecordingCells
    from mmgraph.predictors.sequences.sequence_labeller import Segment, SequenceLabeller

_SHOWN = 40
"""The most segments that are printed."""


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
        typer.Option(
            help="A table (.csv, .csv.gz, .parquet) with a line for each row: time, likeliest "
            "action, and the probability of each."
        ),
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn actions from labelled recordings, and label the rows of others.

    Recordings of up to twice or half the rate are resampled, and a row is answered by the step
    nearest to it. Sensors may be missing in any recording. `mmgraph detect` reads the output of
    one recording.

    Example: mmgraph recognise shown/ new.csv --modality wrist=ax,ay,az --output actions.csv
    """
    from mmgraph.predictors.sequences.resampling import rate_of

    check_table(output)
    options = reading(read)
    learned = read_recordings(shown, columns, True, options)
    others = read_recordings(new, columns, False, options)
    rate = rate_of(learned[0].times, learned[0].name) if rate is None else rate
    labeller, steps, cells = _learned(learned, others, list(columns.channels()), rate, lag)
    names = [str(label) for label in labeller.classes_]
    segments = _segments(others, steps, labeller.segments(cells, lag=lag), rate)
    if output is not None:
        tables = labeller.predict_proba(cells, lag=lag)
        write_table(output, _lines(others, steps, tables, names))
    if as_json:
        print_json({"actions": names, "rate": rate, "segments": segments})
        return
    shown_cells = [list(segment.values()) for segment in segments[:_SHOWN]]
    print_table(["recording", "begin", "end", "action", "probability"], shown_cells)
    if len(segments) > _SHOWN:
        typer.echo(f"… and {len(segments) - _SHOWN} segments more; --json gives all")
    list_written(file for file in (output,) if file is not None)


def _learned(
    learned: Sequence[Recording],
    others: Sequence[Recording],
    modalities: Sequence[str],
    rate: float,
    lag: float | None,
) -> tuple[SequenceLabeller, RegularSteps, RecordingCells]:
    """What has learned from some recordings, and the steps and features of the others.

    Learning takes minutes: what is wrong with the others is told before.
    """
    import numpy as np

    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller

    old, steps = at_rate(learned, rate, modalities), at_rate(others, rate, modalities)
    labeller = SequenceLabeller(rate=rate)
    cells = labeller.cells(steps.signals)
    if lag is not None:
        cells.features.later_cells(lag)
    labels = [np.array(one.labels, object)[r] for one, r in zip(learned, old.rows, strict=True)]
    labeller.fit(old.signals, labels, [one.person for one in learned])
    return labeller, steps, cells


def _segments(
    recordings: Sequence[Recording],
    steps: RegularSteps,
    found: Sequence[Sequence[Segment]],
    rate: float,
) -> list[dict[str, Any]]:
    """The segments of all recordings, from and to seconds."""
    return [
        {
            "recording": one.name,
            "begin": float(seconds[segment.begin]),
            "end": float(seconds[segment.end - 1]) + 1 / rate,
            "action": str(segment.label),
            "probability": segment.probability,
        }
        for one, seconds, segments in zip(recordings, steps.times, found, strict=True)
        for segment in segments
    ]


def _lines(
    recordings: Sequence[Recording],
    steps: RegularSteps,
    tables: Sequence[np.ndarray],
    names: Sequence[str],
) -> Iterator[Columns]:
    """A line for each row of the recordings, with what is said of the step nearest to it."""
    for one, places, table in zip(recordings, steps.steps_of_rows, tables, strict=True):
        columns: Columns = {"recording": [one.name] * len(places)} if len(recordings) > 1 else {}
        columns["time"] = one.times.tolist()
        columns["action"] = [names[code] for code in table[places].argmax(1)]
        for code, name in enumerate(names):
            columns[f"action={name}"] = table[places, code].tolist()
        yield columns
