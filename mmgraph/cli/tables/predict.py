"""The command that asks a fitted classifier about rows of a file: predict."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.answers import Columns, Record
from mmgraph.cli.common import (
    JsonOption,
    ReadOption,
    print_json,
    print_table,
    print_written,
    progress_bar,
    say,
)
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.rows import MOST_ROWS, check_table, lines_to, write_table
from mmgraph.cli.tables.classifiers import read_classifier
from mmgraph.cli.tables.lacking_columns import lacking_words
from mmgraph.cli.tables.schema import table_reading
from mmgraph.graph.errors import FormatError, SchemaError

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.data.schema.columns import Column
    from mmgraph.data.table import Table
    from mmgraph.predictors.row_classifier import RowClassifier

_SHOWN_ROWS = 20
_SHOWN_CLASSES = 4
"""How much of a table is printed where it goes to no file."""
_NATS, _PRIOR = "nats:", "prior_nats"
"""What columns that explain begin with, and the one of the classes' shares."""


def predict(
    model: Annotated[
        str, typer.Argument(help="A fitted classifier, as fit, run or save has written it.")
    ],
    rows: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file, a row a case.")],
    given: Annotated[
        list[str] | None,
        typer.Option(help="Modalities to look at, one or several; by default all that are there."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add what each modality and leaf says for and against."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="A table (.csv, .csv.gz, .parquet) of all rows, instead of the screen."),
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the class of each row of a file, with modalities missing, too.

    The table has the number of the row in the column 'row', from 1; the most probable class in
    'predicted'; and the probability of each class in TARGET=CLASS. Columns that the classifier has
    not learned from are passed over; it may lack others, and whole modalities: they are missing.

    With --explain there are, in nats, the evidence for (above zero) and against (below) the
    predicted class beside the mean of all classes: of a modality in nats:MODALITY, of each of its
    leaves in nats:MODALITY:LEAF (leaves that see several modalities are of 'joint'; empty where the
    modality is missing), and of the shares of the classes among the training rows in prior_nats.

    Example: mmgraph predict my.mmgraph rows.csv --given genes --output predictions.csv
    """
    check_table(output)
    classifier = read_classifier(model)
    if explain and not hasattr(classifier, "explain"):
        raise FormatError(f"{model} holds a classifier that explains nothing: leave out --explain")
    table = _table_of(classifier, model, rows, table_reading(read))
    data = _rows_for(classifier, table)
    asked = _asked(classifier, given, data)
    assert classifier.schema_ is not None
    if words := lacking_words(table.origin, table.columns, classifier.schema_, asked):
        say(f"warning: {words}")
    batches = _batches(classifier, data, asked, explain)
    if as_json and output is None:
        print_json([record for batch in batches for record in _records(batch, _target(classifier))])
    elif output is None:
        _show(batches, len(data))
    else:
        with keeps(None, unwritten(output)):
            count = write_table(output, _with_progress(batches, len(data)))
        record = {"model": model, "output": str(output), "rows": count, "given": list(asked)}
        print_written(as_json, record, f"wrote {lines_to(count, output)}")


def _features(classifier: RowClassifier) -> list[Column]:
    assert classifier.schema_ is not None
    return [c for c in classifier.schema_.columns.values() if c.role == "feature"]


def _table_of(
    classifier: RowClassifier, model: str, path: Path, reading: Mapping[str, Any]
) -> Table:
    """The table of a file, which has a column at least that was learned from."""
    from mmgraph.data.tables import open_table

    table = open_table(path, **reading)
    features = _features(classifier)
    if not any(column.name in table.columns for column in features):
        names = ", ".join(f"'{column.name}'" for column in features[:5])
        names += ", …" if len(features) > 5 else ""
        raise SchemaError(f"{path} has none of the columns that {model} learned from: {names}")
    return table


def _rows_for(classifier: RowClassifier, table: Table) -> MultimodalData:
    """The features of a table's rows, of which those that are lacking are missing."""
    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.data.schema.schema import Schema

    return MultimodalData.read(table, Schema(_features(classifier)), partial=True)


def _asked(
    classifier: RowClassifier, given: list[str] | None, data: MultimodalData
) -> tuple[str, ...]:
    """The modalities to look at; a warning names rows in which none of them is there."""
    import numpy as np

    from mmgraph.predictors.modality_sets import asked_modalities

    asked = asked_modalities(data.modalities, given)
    telling = [modality for modality in asked if modality in classifier.modalities_]
    if not telling:
        warnings.warn(
            f"nothing was learned of {', '.join(asked)}: every answer is the shares of the classes",
            stacklevel=2,
        )
        return asked
    empty = np.all([data.block(modality).missing for modality in telling], axis=0)
    lacking = np.flatnonzero(empty)
    if len(lacking):
        which = ", ".join(str(row + 1) for row in lacking[:8])
        more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        warnings.warn(
            f"row{'s' if len(lacking) > 1 else ''} {which}{more} of {data.origin} lack all of "
            f"{', '.join(telling)}: the answer is the shares of the classes",
            stacklevel=2,
        )
    return asked


def _batches(
    classifier: RowClassifier, data: MultimodalData, asked: tuple[str, ...], explain: bool
) -> Iterator[Columns]:
    """The columns of the answers, some rows at a time."""
    from mmgraph.networks.boltzmann.answers import PriorWarning

    target = _target(classifier)
    labels = classifier.classes_.tolist()
    for start in range(0, len(data), MOST_ROWS):
        part = data.rows(slice(start, start + MOST_ROWS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)  # of all batches there was one
            table = classifier.predict_proba(part, asked)
        best = table.argmax(1)
        columns: Columns = {
            "row": list(range(start + 1, start + len(part) + 1)),
            "predicted": [labels[place] for place in best],
        }
        for label, column in zip(labels, table.T.tolist(), strict=True):
            columns[f"{target}={label}"] = column
        if explain:
            missing = {m: block.missing for m, block in part.blocks.items()}
            columns |= _nats(classifier.explain(part, asked), best, missing)
        yield columns


def _nats(explanation: Any, best: np.ndarray, missing: Mapping[str, np.ndarray]) -> Columns:
    """What is for and against the predicted class: the prior, each modality, each leaf.

    Of a modality that is missing in a row there is nothing.
    """
    import numpy as np

    log_prior = np.log(explanation.prior)
    columns: Columns = {_PRIOR: (log_prior - log_prior.mean())[best].tolist()}
    rows = np.arange(len(best))
    by_leaf = explanation.nats[:, rows, best]
    nobody = np.zeros(len(best), bool)

    def cells(modality: str, nats: np.ndarray) -> list[float | None]:
        gone = missing.get(modality, nobody)
        return [None if lacks else x for lacks, x in zip(gone, nats.tolist(), strict=True)]

    modalities = dict.fromkeys(modality for modality, _ in explanation.leaves)
    for modality in modalities:
        places = [i for i, (m, _) in enumerate(explanation.leaves) if m == modality]
        columns[f"{_NATS}{modality}"] = cells(modality, by_leaf[places].sum(0))
    for (modality, leaf), nats in zip(explanation.leaves, by_leaf, strict=True):
        columns[f"{_NATS}{modality}:{leaf}"] = cells(modality, nats)
    return columns


def _target(classifier: RowClassifier) -> str:
    """What the target is called in columns of probabilities."""
    return (classifier.schema_ and classifier.schema_.target) or "target"


def _records(columns: Columns, target: str) -> Iterator[Record]:
    """A record for each row: its number, the class, probabilities and perhaps nats."""
    special = ("row", "predicted")
    for line in zip(*columns.values(), strict=True):
        cells = dict(zip(columns, line, strict=True))
        nats = {n: v for n, v in cells.items() if n == _PRIOR or n.startswith(_NATS)}
        others = {n: v for n, v in cells.items() if n not in nats and n not in special}
        record = {"row": cells["row"], "predicted": cells["predicted"]}
        record["probabilities"] = {n.removeprefix(f"{target}="): v for n, v in others.items()}
        yield record | ({"nats": nats} if nats else {})


def _show(batches: Iterator[Columns], count: int) -> None:
    """Print the first rows."""
    (columns,) = islice(batches, 1)
    classes = [n for n in columns if "=" in n and not n.startswith(_NATS)]
    if len(classes) > _SHOWN_CLASSES or _PRIOR in columns:  # that of the predicted one will do
        best = [max(some) for some in zip(*(columns[n] for n in classes), strict=True)]
        others = {n: c for n, c in columns.items() if n not in classes}
        shown = {"row": others.pop("row"), "class": others.pop("predicted"), "prob.": best}
        columns = shown | others
    # Leaves would make the table too wide.
    names = [n for n in columns if n.count(":") < 2]
    lines = list(zip(*(columns[n] for n in names), strict=True))[:_SHOWN_ROWS]
    headings = [n.replace(_NATS, "nats\n").replace(_PRIOR, "nats\nprior") for n in names]
    print_table(headings, [[_printed(cell) for cell in line] for line in lines])
    if count > len(lines):
        say(f"{count - len(lines)} more rows; --output predictions.csv writes all")


def _printed(cell: object) -> object:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else cell


def _with_progress(batches: Iterator[Columns], count: int) -> Iterator[Columns]:
    with progress_bar("answering", count) as (bar, task):
        for columns in batches:
            yield columns
            bar.update(task, completed=columns["row"][-1])
