"""The command that learns actions from labelled recordings and labels others: recognise."""

from __future__ import annotations

import math
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
from mmgraph.cli.outputs import check_model_place
from mmgraph.cli.rows import check_table, write_table
from mmgraph.cli.sequences.recordings import (
    ColumnOptions,
    Recording,
    RegularSteps,
    at_rate,
    read_recordings,
)
from mmgraph.graph.errors import EvidenceError, FormatError

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.predictors.sequences.recording_cells import RecordingCells
    from mmgraph.predictors.sequences.sequence_labeller import Segment, SequenceLabeller

_SHOWN = 40
"""The most segments that are printed."""


@spread
def recognise(
    shown: Annotated[
        Path,
        typer.Argument(
            help="Labelled recordings: a CSV, TSV or Parquet file, or a folder; or a model of them."
        ),
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
    model: Annotated[
        Path | None,
        typer.Option(help="Where to write what was learned (.mmgraph), to label others by."),
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn actions from labelled recordings, and label the rows of others.

    Recordings of up to twice or half the rate are resampled, and a row is answered by the step
    nearest to it; dates are written as they stand there. Sensors may be missing in any recording.
    `mmgraph detect` reads the output of one recording.

    Examples: mmgraph recognise shown/ new.csv --modality wrist=ax,ay,az --model labeller.mmgraph;
    mmgraph recognise labeller.mmgraph new.csv --output actions.csv
    """
    import mmgraph
    from mmgraph.formats.resolve import NATIVE_SUFFIX
    from mmgraph.predictors.sequences.resampling import rate_of

    check_table(output)
    if model is not None:
        check_model_place(model)
        if model.suffix != NATIVE_SUFFIX:
            raise FormatError(f"{model}: a labeller is written to {NATIVE_SUFFIX}")
    options = reading(read)
    labeller, channels = _read_labeller(shown, rate, columns.channels())
    learned = [] if labeller else read_recordings(shown, columns, channels, True, options)
    others = read_recordings(new, columns, channels, False, options)
    if labeller is not None:
        rate = labeller.rate
    rate = rate_of(learned[0].times.seconds, learned[0].name) if rate is None else rate
    labeller, steps, cells = _learned(labeller, learned, others, list(channels), rate, lag)
    if model is not None:
        labeller.columns_ = labeller.columns_ or channels
        mmgraph.write(labeller, model)
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
    list_written(file for file in (output, model) if file is not None)


def _read_labeller(
    path: Path, rate: float | None, channels: dict[str, list[str]]
) -> tuple[SequenceLabeller | None, dict[str, list[str]]]:
    """What an earlier call wrote, None where a path holds no model, and the columns of sensors."""
    import mmgraph
    from mmgraph.formats.native.directory import is_native
    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller

    unknown = EvidenceError(
        f"{path} does not say which columns are the channels of which sensor: "
        "--modality NAME=COLUMN,COLUMN,…"
    )
    if not is_native(path):
        if not channels:
            raise unknown
        return None, channels
    labeller = mmgraph.read(path)
    if not isinstance(labeller, SequenceLabeller):
        kind = getattr(type(labeller), "file_kind", type(labeller).__name__)
        raise FormatError(f"{path} holds a {kind}, and no labeller of recordings")
    if rate is not None and not math.isclose(rate, labeller.rate, rel_tol=1e-3):
        raise EvidenceError(f"{path} labels {labeller.rate:g} steps a second, not --rate {rate:g}")
    for modality, columns in labeller.columns_.items():
        if channels.get(modality, columns) != columns:
            raise EvidenceError(
                f"{path} has learned {modality}={','.join(columns)}, in this order, not "
                f"{','.join(channels[modality])}"
            )
    if not (channels or labeller.columns_):
        raise unknown
    return labeller, channels or labeller.columns_


def _learned(
    labeller: SequenceLabeller | None,
    learned: Sequence[Recording],
    others: Sequence[Recording],
    modalities: Sequence[str],
    rate: float,
    lag: float | None,
) -> tuple[SequenceLabeller, RegularSteps, RecordingCells]:
    """What has learned from some recordings, now or earlier, and steps and features of others.

    Learning takes minutes: what is wrong with the others is told before.
    """
    import numpy as np

    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller

    old, steps = at_rate(learned, rate, modalities), at_rate(others, rate, modalities)
    known, labeller = labeller, labeller or SequenceLabeller(rate=rate)
    cells = labeller.cells(steps.signals)
    if lag is not None:
        cells.features.later_cells(lag)
    if known is not None:
        return known, steps, cells
    labels = [np.array(one.labels, object)[r] for one, r in zip(learned, old.rows, strict=True)]
    labeller.fit(old.signals, labels, [one.person for one in learned])
    return labeller, steps, cells


def _segments(
    recordings: Sequence[Recording],
    steps: RegularSteps,
    found: Sequence[Sequence[Segment]],
    rate: float,
) -> list[dict[str, Any]]:
    """The segments of all recordings, from and to seconds, or the dates of the nearest rows."""
    return [
        {
            "recording": one.name,
            "begin": one.times.cell(seconds[segment.begin]),
            "end": one.times.cell(seconds[segment.end - 1] + 1 / rate),
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
        columns["time"] = one.times.cells()
        columns["action"] = [names[code] for code in table[places].argmax(1)]
        for code, name in enumerate(names):
            columns[f"action={name}"] = table[places, code].tolist()
        yield columns
