"""The command that finds events in recognised actions: detect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from mmgraph.cli.outputs import check_picture
from mmgraph.cli.rows import check_table, write_table
from mmgraph.cli.sequences.columns import Times, number_columns, text_columns, time_column
from mmgraph.graph.errors import EvidenceError, suggestion

if TYPE_CHECKING:
    from mmgraph.sequences.events.actions import Actions
    from mmgraph.sequences.events.detection import EventProbabilities

_MOMENTS = ("begin", "noticed", "end")
_COLUMNS = (*_MOMENTS, "probability")
_LABEL = "action"


@dataclass(frozen=True)
class TruthOptions:
    """Options that say what events are compared with, and where that goes."""

    truth: Annotated[
        Path | None,
        typer.Option(help="True events: a table with columns 'begin' and 'end', as times are."),
    ] = None
    tolerance: Annotated[
        float, typer.Option(min=0, help="Seconds by which true events are longer at both sides.")
    ] = 0.0
    curve: Annotated[
        Path | None,
        typer.Option(help="A table of false alarms an hour, events found and delays by threshold."),
    ] = None
    picture: Annotated[
        Path | None, typer.Option(help="The curve as a picture (.png, .svg or .pdf).")
    ] = None

    def check(self) -> None:
        """Refuse files that could not be written, or for which there is nothing to compare."""
        check_table(self.curve)
        if self.picture is not None:
            check_picture(self.picture)
        for option, file in (("--curve", self.curve), ("--picture", self.picture)):
            if file is not None and self.truth is None:
                raise EvidenceError(f"{option} compares with true events, and there is no --truth")

    def compare(
        self, told: EventProbabilities, times: Times, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Compare and write; return the columns of the curve, none without a truth."""
        from mmgraph.data.tables import open_table
        from mmgraph.plots.figures import save
        from mmgraph.plots.sequences.detection_curve import draw_detection_curves
        from mmgraph.sequences.events.detection_curve import detection_curve

        if self.truth is None:
            return {}
        table = open_table(self.truth, **options)
        spans = [time_column(table, name, times.origin) for name in ("begin", "end")]
        if any(span.dates for span in spans) and not times.dates:
            raise EvidenceError(f"{self.truth} has dates, and the times of actions are seconds")
        true = list(zip(*(span.seconds for span in spans), strict=True))
        curve = detection_curve([told], [true], tolerance=self.tolerance)
        if self.curve is not None:
            write_table(self.curve, [curve.columns()])
        if self.picture is not None:
            save(draw_detection_curves({told.rule: curve}), self.picture)
        return curve.columns()


@spread
def detect(
    rules: Annotated[
        Path, typer.Argument(help="A .toml file of tables 'rule', as the README shows.")
    ],
    actions: Annotated[
        Path,
        typer.Argument(
            help="A CSV, TSV or Parquet file, a row a step: a column 'time' in seconds or ISO "
            "dates, and either 'action' or a column of probabilities for each action, NAME or "
            "action=NAME."
        ),
    ],
    comparison: TruthOptions,
    names: Annotated[
        str | None,
        typer.Option(
            help="NAME,NAME,…: all labels that may stand in 'action'; by default those there."
        ),
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="Which rule is an event; by default the last one.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="The probability from which on an event is noticed.")
    ] = 0.5,
    output: Annotated[
        Path | None, typer.Option(help="A table (.csv, .csv.gz, .parquet) of the events.")
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find events in recognised actions by a rule, and compare them with true ones.

    A rule is a sequence of actions with their durations and gaps, or rules combined: `lying within
    2 s after standing, for at least 10 s`. Its probability at each step is exact.

    Example: mmgraph detect rules.toml actions.csv --truth events.csv --picture curve.png
    """
    from mmgraph.sequences.events.detection import event_probabilities
    from mmgraph.sequences.events.rules import read_rules

    check_table(output)
    comparison.check()
    declared = read_rules(rules)
    wanted = _wanted([one.name for one in declared], rule, rules)
    options = reading(read)
    known, times = _read_actions(actions, names, options)
    told = event_probabilities(declared, known)[wanted]
    events = [
        asdict(event) | {name: times.cell(getattr(event, name)) for name in _MOMENTS}
        for event in told.events(threshold)
    ]
    record: dict[str, Any] = {"rule": wanted, "hours": told.hours, "events": events}
    if columns := comparison.compare(told, times, options):
        record["curve"] = columns
    if output is not None:
        write_table(output, [{name: [event[name] for event in events] for name in _COLUMNS}])
    if as_json:
        print_json(record)
        return
    print_table(_COLUMNS, [[event[name] for name in _COLUMNS] for event in events])
    if columns:
        print_table(list(columns), list(zip(*columns.values(), strict=True)))
    list_written(filter(None, (output, comparison.curve, comparison.picture)))


def _wanted(known: list[str], rule: str | None, rules: Path) -> str:
    """Return the name of the rule that is asked for, by default the last."""
    if rule is not None and rule not in known:
        raise EvidenceError(f"{rules} has no rule '{rule}'{suggestion(rule, known)}")
    return known[-1] if rule is None else rule


def _read_actions(path: Path, labels: str | None, options: dict[str, Any]) -> tuple[Actions, Times]:
    """Read a table of labels or of probabilities over time, and the times."""
    import numpy as np

    from mmgraph.data.tables import open_table
    from mmgraph.sequences.events.actions import Actions

    table = open_table(path, **options)
    times = time_column(table, "time")
    names = [name for name in table.columns if name != "time"]
    if told := [name for name in names if name.startswith(f"{_LABEL}=")]:
        names = told  # as `recognise` writes them, beside the likeliest action
    try:
        if _LABEL in names:
            known = [label.strip() for label in labels.split(",")] if labels else ()
            labelled = text_columns(table, [_LABEL])[_LABEL]
            return Actions.of_labels(times.seconds, labelled, known), times
        columns = number_columns(table, names)
        probabilities = np.array(list(columns.values())).T.reshape(len(times.seconds), len(names))
        plain = tuple(name.removeprefix(f"{_LABEL}=") for name in names)
        return Actions(times.seconds, plain, probabilities), times
    except EvidenceError as error:
        raise EvidenceError(f"{path}: {error}") from None
