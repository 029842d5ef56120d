"""The command that puts models side by side: compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    directory_option,
    list_written,
    print_json,
    print_table,
    say,
    spread,
)
from mmgraph.cli.interruption import Interrupted, keeps, steps_kept
from mmgraph.cli.outputs import check_directory, check_drawing, check_file
from mmgraph.cli.runs import print_comparison
from mmgraph.graph.errors import MissingExtraError, MmgraphError

if TYPE_CHECKING:
    from mmgraph.comparison.report.comparison_report import ComparisonReport
    from mmgraph.comparison.report.over_data_sets import OverDataSets
    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.experiments.comparison.declaration import ComparisonDeclaration


@dataclass
class Protocol:
    """How models are compared; what is not said is as the declaration has it."""

    models: Annotated[
        str | None,
        typer.Option(help="Names with commas, such as network,late_fusion,logistic."),
    ] = None
    conditions: Annotated[
        str | None,
        typer.Option(help="Some of subsets,refitted,noise,labels,costs, with commas; or none."),
    ] = None
    folds: Annotated[int | None, typer.Option(min=2, help="Folds of the cross-validation.")] = None
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of folds, models and noise.")
    ] = None
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose the settings of each model on inner folds.")
    ] = False
    opponents: Annotated[
        bool | None,
        typer.Option(
            "--opponents/--no-opponents",
            help="Add the opponents that are lacking: prior, logistic, trees, boosting, machines.",
        ),
    ] = None
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each core.")
    ] = None

    def over(self, declaration: ComparisonDeclaration) -> ComparisonDeclaration:
        """Return a declaration with what is said here instead of what it says."""
        said: dict[str, Any] = {
            "folds": self.folds,
            "seed": self.seed,
            "opponents": self.opponents,
        }
        if self.models is not None:
            said["models"] = _names(self.models)
        if self.conditions is not None:
            said["conditions"] = () if self.conditions == "none" else _names(self.conditions)
        said["tune"] = self.tune or declaration.tune
        return replace(declaration, **{k: v for k, v in said.items() if v is not None})


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@spread
def compare(
    declarations: Annotated[
        list[str],
        typer.Argument(
            help="Ready comparisons or classifications in models/, or .toml files such as "
            "`mmgraph new` writes of a table; of five or more, models are ranked over all."
        ),
    ],
    protocol: Protocol,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page to write (.html); its figures go to the same name in .json. Of several "
            "data sets each has its own, NAME_DATA.html."
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        directory_option("Keeps each fit, so that it can go on; default: DATA_comparison."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fitted, and fit nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare models, graphical and deep, by one protocol: same rows, folds, missing modalities.

    Each answers rows that it has not learned from, with every set of modalities. Reported are
    figures with intervals, calibration, differences, costs, and in words where graphical models
    lose and where fusion loses to its best part.

    Example: mmgraph compare my.toml --models network,late_fusion,logistic --output comparison.html
    """
    from mmgraph.experiments.comparison.experiment import declared_comparison
    from mmgraph.graph.errors import needs

    if output is not None:
        check_file(output, (".html",))
        check_drawing()
        with needs("report", "jinja2", "a report"):
            import jinja2  # noqa: F401
    with keeps(None, "no fit was begun"):
        read = [declared_comparison(name) for name in declarations]
    named = {declaration.name: (protocol.over(declaration), data) for declaration, data in read}
    if len(named) < len(read):
        raise MmgraphError("two declarations have the same name: each data set is compared once")
    if dry_run:
        _tell_plans(named, as_json)
        return
    reports, files = {}, []
    for name, (declaration, data) in named.items():
        fits = directory or Path(f"{name}_comparison")
        place = fits / name if directory is not None and len(named) > 1 else fits
        reports[name] = report = _compared(declaration, data, place, protocol.jobs)
        if output is not None:
            page = output if len(named) == 1 else output.with_stem(f"{output.stem}_{name}")
            with keeps(place, parts=("steps",)):
                files += report.write(page)
    ranks = _ranks(reports)
    if as_json:
        print_json(_record(reports, ranks))
    else:
        for report in reports.values():
            _show(report)
        if ranks is not None:
            typer.echo(ranks.words())
    list_written(files)


def _tell_plans(
    named: Mapping[str, tuple[ComparisonDeclaration, MultimodalData]], as_json: bool
) -> None:
    """Say what would be fitted."""
    from mmgraph.experiments.comparison.experiment import planned

    plans = {name: planned(*one) for name, one in named.items()}
    if as_json:
        print_json({"plans": plans})
        return
    for name, plan in plans.items():
        splits = ", ".join(f"{split} of {folds} folds" for split, folds in plan["splits"].items())
        sets = "; ".join(" + ".join(given) for given in plan["sets"])
        fits = sum(model["fits"] for model in plan["models"])
        title = (
            f"{name}: {plan['rows']} rows, {plan['target']}; {splits}; given {sets}; {fits} fits"
        )
        print_table(
            ("model", "family", "settings", "fits"),
            [tuple(model.values()) for model in plan["models"]],
            title,
        )


def _compared(
    declaration: ComparisonDeclaration, data: MultimodalData, directory: Path, jobs: int | None
) -> ComparisonReport:
    from mmgraph.experiments.comparison.experiment import compared

    check_directory(directory)
    fits = (0, 0)
    try:
        with steps_kept(directory) as show:

            def progress(done: int, total: int, text: str) -> None:
                nonlocal fits
                fits = done, total
                show(done, total, text)

            return compared(declaration, data, directory=directory, progress=progress, n_jobs=jobs)
    except Interrupted:
        done, total = fits
        if not done:
            raise
        raise Interrupted(
            f"{done:,} of {total:,} fits are kept in {directory}: run the same command again to "
            "go on"
        ) from None


def _ranks(reports: Mapping[str, ComparisonReport]) -> OverDataSets | None:
    """Ranks over data sets; where there are none, it is said why."""
    from mmgraph.comparison.report.over_data_sets import over_data_sets
    from mmgraph.comparison.statistics.data_sets import FEWEST_DATA_SETS as FEWEST

    if len(reports) < FEWEST:
        if len(reports) > 1:
            say(f"{len(reports)} data sets are too few to rank models over; that takes {FEWEST}")
        return None
    try:
        return over_data_sets(reports)
    except MissingExtraError:
        raise
    except MmgraphError as error:
        say(f"models are not ranked over data sets: {error}")
        return None


def _record(reports: Mapping[str, ComparisonReport], ranks: OverDataSets | None) -> dict[str, Any]:
    rows = [{"data": name, **row} for name, report in reports.items() for row in report.rows()]
    record: dict[str, Any] = {
        "rows": rows,
        "words": {name: report.words() for name, report in reports.items()},
        "failures": [
            {"data": name, **f._asdict(), "condition": f.condition.kind}
            for name, report in reports.items()
            for f in report.failures
        ],
    }
    return record if ranks is None else {**record, "ranks": ranks.to_dict()}


def _show(report: ComparisonReport) -> None:
    """Print the figures of rows as they are, and the words."""
    rows = [row for row in report.rows() if row["condition"] == "none" and row["unit"] == "rows"]
    rows.sort(key=lambda row: (row["split"] != "random", -len(row["given"]), row["given"]))
    print_comparison(rows, report.about.title)
    for paragraph in report.words():
        typer.echo(f"{paragraph}\n")
    for failure in report.failures:
        say(f"{failure.model}, fold {failure.fold + 1} of {failure.split}: {failure.message}")
