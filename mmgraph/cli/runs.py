"""The commands around data: run a ready model, list the data sets."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    directory_option,
    list_written,
    print_json,
    print_table,
    say,
)
from mmgraph.cli.interruption import steps_kept
from mmgraph.cli.tables.classifiers import leaf_words

COLUMNS = {
    "activities": (
        "split", "given", "method", "recording_accuracy", "accuracy", "macro_f1", "transitions_f1",
        "segment_f1", "log_loss", "debiased_calibration_error",
    ),
    "boltzmann_machine": (
        "split", "given", "imputed", "representation", "accuracy",
        "expected_calibration_error", "calibration_error_by_chance", "mean_squared_error",
    ),
    "classification": (
        "split", "given", "log_loss", "accuracy", "expected_calibration_error",
        "debiased_calibration_error", "calibration_error_by_chance",
    ),
    "commands": ("recordings", "rows", "accuracy", "answered"),
    "comparison": (
        "model", "log_loss", "accuracy", "debiased_calibration_error", "train_seconds",
    ),
    "gaussian_network": ("split", "model", "experiment", "log_likelihood", "rmse", "r_squared"),
    "land_cover": (
        "split", "given", "missing", "method", "overall_accuracy", "overall_accuracy_deviation",
        "average_accuracy", "kappa",
    ),
}  # fmt: skip
"""What the table of each kind shows of a row; of others everything."""
SEARCH_FIGURES = (
    ("recall_at_1", "recall_at_10", "recall_at_10_by_chance"),
    ("average_precision", "average_precision_by_chance"),
    ("log_loss", "prior_log_loss", "debiased_calibration_error"),
    ("overlap",),
    ("gain_over_picture", "gain_over_words"),
    ("colour_right", "garment_right"),
)
"""The figures of searches that stand in one table."""
_NOTE = """\
± is the standard error: over rows, or in a split by groups over the groups. ECE
is the expected calibration error; debiased: without what noise adds to it; by
chance: what it would be if these predictions were calibrated, its mean and 95%
quantile. Given nothing the answer is the shares of the classes."""
_GIVEN_WIDTH = 15


def run(
    model: Annotated[str, typer.Argument(help="A ready model in models/, or its .toml file.")],
    folds: Annotated[
        int | None, typer.Option(min=1, help="Run only the first folds (or seeds).")
    ] = None,
    output: Annotated[
        Path | None,
        directory_option("Directory for results and pictures; default: MODEL_run."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a ready model and report it, with modalities missing too.

    Of a classification, such as `mmgraph new` declares, the classifier of all rows is saved as
    model.mmgraph, which `mmgraph predict` asks.

    A run that was interrupted goes on where it stopped.
    """
    from mmgraph.experiments.experiment import run as run_experiment
    from mmgraph.experiments.reader import find_declaration

    results = output or Path(f"{find_declaration(model).stem}_run")
    with steps_kept(results) as progress:
        report = run_experiment(model, results, folds=folds, progress=progress)
    if as_json:
        keys = ("model", "title", "kind", "rows", "target", "classes", "folds", "seconds",
                "results", "leaves", "chosen", "leak", "effect", "words", "changepoints",
                "events")  # fmt: skip
        print_json({key: report[key] for key in keys if key in report})
        return
    # Of a comparison, rows as they are: noise and few labels stand in its page.
    rows = [row for row in report["results"] if _is_plain(row)]
    columns = COLUMNS.get(report["kind"]) or tuple(rows[0])
    if report["kind"] in ("activities", "boltzmann_machine"):  # whose rows are of several kinds
        columns = tuple(c for c in columns if any(c in row for row in rows))
    if report["kind"] == "comparison":
        print_comparison(rows, _title(report))
    elif report["kind"] == "retrieval":
        print_searches(rows, _title(report))
    else:
        print_rows(columns, rows, _title(report))
    if "calibration_error_by_chance" in columns:
        typer.echo(_NOTE)
    for groups in dict.fromkeys(row["groups"] for row in report["results"] if row.get("groups")):
        what = "blocks of consecutive rows" if "leak" in report else groups
        typer.echo(f"In the split 'grouped' whole groups are left out (here: {what}).")
    if "leaves" in report:
        typer.echo(f"Leaves of the saved model: {leaf_words(report['leaves'])}.")
    for sentence in report.get("words", ()):
        typer.echo(textwrap.fill(sentence))
    list_written(report["files"])
    if fitted := [file for file in report["files"] if Path(file).name == "model.mmgraph"]:
        say(f"`mmgraph predict {fitted[0]} ROWS.csv` answers for other rows")


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print some figures of rows of results, without the split where there is one alone."""
    if {row.get("split") for row in rows} == {"random"}:
        columns = tuple(column for column in columns if column != "split")
    print_table(
        [_heading(column) for column in columns],
        [[_cell(row, column) for column in columns] for row in rows],
        title,
        pad_edge=False,
    )


def _is_plain(row: Mapping[str, Any]) -> bool:
    return row.get("condition", "none") == "none" and row.get("unit", "rows") == "rows"


def print_comparison(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print a table for each split and set of modalities, so that names and numbers stay whole."""
    typer.echo(title)
    for split, given in dict.fromkeys((row["split"], tuple(row["given"])) for row in rows):
        asked = [r for r in rows if (r["split"], tuple(r["given"])) == (split, given)]
        place = f"Split {split}, given {' + '.join(given) or 'nothing'}:"
        print_rows(COLUMNS["comparison"], asked, place)


def print_searches(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print a table for each split, features of pictures, and kind of figures."""
    typer.echo(title)
    for split, image in dict.fromkeys((row["split"], tuple(row["image"])) for row in rows):
        here = [r for r in rows if (r["split"], tuple(r["image"])) == (split, image)]
        for figures in SEARCH_FIGURES:
            asked = [row for row in here if figures[0] in row]
            if asked:
                place = f"Split {split}, pictures by {' + '.join(image)}:"
                print_rows(("question", "model", *figures), asked, place)


def _title(report: Mapping[str, Any]) -> str:
    """What was run, how much of it, and how long it took."""
    name, title, folds = report["model"], report.get("title"), report.get("folds")
    parts = [f"{title} ({name})" if title else name]
    if folds and folds["run"] < folds["declared"]:
        parts.append(f"{folds['run']} of {folds['declared']} folds")
    return ", ".join([*parts, f"{report['seconds']:.0f} s"])


def _heading(column: str) -> str:
    """A short heading, so that the table fits a terminal of 80 columns."""
    short = {
        "missing": "lacks",
        "log_loss": "log-loss",
        "log_likelihood": "log-likelihood",
        "rmse": "RMSE",
        "r_squared": "R²",
        "overall_accuracy": "overall",
        "overall_accuracy_deviation": "±",
        "average_accuracy": "average",
        "expected_calibration_error": "ECE",
        "debiased_calibration_error": "ECE\ndebiased",
        "lower_bound": "bound",
        "recall_at_1": "R@1",
        "recall_at_10": "R@10",
        "average_precision": "average\nprecision",
        "prior_log_loss": "of the\nprior",
        "gain_over_picture": "over\npicture",
        "gain_over_words": "over\nwords",
        "mean_squared_error": "squared\nerror",
        "representation": "from\njoint\nunits",
    }
    if column.endswith("px_unseen"):
        return "unseen"
    if column.endswith("_by_chance"):
        return "by\nchance"
    return short.get(column, column.replace("_", " "))


def _cell(row: Mapping[str, Any], column: str) -> str:
    """A figure of a row, with its standard error or 95% quantile where there is one."""
    text = _text(row.get(column))
    if (error := row.get(f"{column}_standard_error")) is not None:
        return f"{text}±{_text(error).removeprefix('0')}"
    if (quantile := row.get(f"{column}_95")) is not None:
        return f"{text},\n{_text(quantile)}"
    return text


def _text(value: object) -> str:
    """A value as people read it: lists joined, numbers to three places or whole."""
    if isinstance(value, list):
        joined = textwrap.fill("+ ".join(map(str, value)), _GIVEN_WIDTH).replace("+ ", "+")
        return joined or "nothing"
    if isinstance(value, float):
        return f"{value:z.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def list_datasets(
    name: Annotated[str | None, typer.Argument(help="One data set; by default all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets with their sizes, licences and citations."""
    from mmgraph.datasets import catalog, entry

    entries = [entry(name)] if name else list(catalog().values())
    records: list[dict[str, Any]] = [
        {
            "name": e.name,
            "title": e.title,
            "content": e.content,
            "modalities": list(e.modalities),
            "bytes": sum(package.size for package in e.packages) or None,
            "fetched_by": sorted({package.client for package in e.packages}),
            "licence": e.licence,
            "citation": e.citation,
        }
        for e in entries
    ]
    if as_json:
        print_json(records)
        return
    for record in records:
        where = "installed with pgmpy"
        if record["bytes"]:
            clients = " and ".join(record["fetched_by"])
            where = f"{record['bytes'] / 1e6:.1f} MB to fetch with {clients}"
        typer.echo(f"{record['name']}: {record['title']} ({where})")
        for key in ("content", "modalities", "licence", "citation"):
            value = record[key]
            text = ", ".join(value) if isinstance(value, list) else str(value)
            if text:
                typer.echo(textwrap.indent(textwrap.fill(f"{key}: {text}", 94), "  "))
        typer.echo()
