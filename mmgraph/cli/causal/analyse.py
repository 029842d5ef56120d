"""The command that says which modality matters: analyse."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    ReadOption,
    directory_option,
    list_written,
    print_json,
    print_table,
    say,
)
from mmgraph.cli.interruption import steps_kept
from mmgraph.cli.outputs import check_drawing, check_file
from mmgraph.graph.errors import FormatError, MmgraphError

if TYPE_CHECKING:
    from mmgraph.causal.modalities.analysis import ModalityAnalysis


def analyse(
    source: Annotated[
        str,
        typer.Argument(
            help="A ready classification in models/ or its .toml, a table with a target, a "
            "network, or a classifier that was saved."
        ),
    ],
    target: Annotated[str | None, typer.Option(help="What is to be told.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Rows by which a network or a classifier is judged.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="What a table's columns are; default: as they suggest.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a network: modality (the default if there is one), variable, or modalities "
            "by name, image=xray,ct, as often as needed."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="The page to write (.html); its figures go to the same name in .json."),
    ] = None,
    output: Annotated[
        Path | None,
        directory_option("Directory of what a run keeps; default: SOURCE_run."),
    ] = None,
    folds: Annotated[int | None, typer.Option(min=1, help="Run only the first folds.")] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which modality matters: what each tells of a target, alone, in sets, given the others.

    Of a ready model or a table a classifier is cross-validated, with rows split at random and,
    where rows belong together, with whole groups left out; what was kept of a run is taken up. Of
    a network it is the joint distribution that tells, or the answers to the rows of --data.

    Example: mmgraph analyse home_activities --report page.html

    Example: mmgraph analyse asia --target lung
    """
    from mmgraph.experiments.reader import TABLES

    if report is not None:
        check_file(report, (".html",))
        check_drawing()
    is_table = source.lower().endswith(TABLES)
    is_declared = not is_table and (source.endswith(".toml") or _is_ready_model(source))
    if (is_table or is_declared) and by:
        raise MmgraphError(f"{source} is no network, which --by is of")
    if is_table:
        analyses, files = _of_table(Path(source), target, schema, read, output, folds, report)
    elif is_declared:
        analyses, files = _of_ready_model(source, target, output, folds, report)
    else:
        analyses, files = _of_model(source, target, data, by, report)
    if as_json:
        print_json({name or "analysis": one.to_dict() for name, one in analyses.items()})
    else:
        _print(analyses)
    list_written(files)


def _print(analyses: Mapping[str, ModalityAnalysis]) -> None:
    from mmgraph.experiments.analysis.words import compared, in_words

    for name, analysis in analyses.items():
        if name:
            typer.echo(f"{name[:1].upper()}{name[1:]}:")
        typer.echo(table := repr(analysis))
        if len(analysis.states) > 2:
            _print_states(analysis)
        if "±" in table:
            typer.echo("After ± is one standard error.")
        typer.echo(in_words(analysis) + "\n")
    if text := compared(analyses):
        typer.echo(text)


def _print_states(analysis: ModalityAnalysis) -> None:
    """What is told by state; of two modalities also what each adds to the other."""
    singles = {name: analysis.sets[frozenset([name])] for name in analysis.names}
    shown = singles | ({"together": analysis.whole} if len(singles) > 1 else {})
    rows = [
        [str(state), *(str(figures.by_state[place]) for figures in shown.values())]
        for place, state in enumerate(analysis.states)
    ]
    heads = [analysis.target, *shown]
    if len(singles) == 2:
        heads += [f"{name} adds" for name in analysis.names]
        for place, row in enumerate(rows):
            whole = analysis.whole.by_state[place].value
            others = reversed([f.by_state[place].value for f in singles.values()])
            row += [f"{whole - other:z.3f}" for other in others]
    print_table(heads, rows, "bits when the target is in each state")


def _is_ready_model(name: str) -> bool:
    from mmgraph.experiments.reader import find_declaration

    try:
        find_declaration(name)
    except FormatError:
        return False
    return True


def _of_ready_model(
    name: str, target: str | None, output: Path | None, folds: int | None, page: Path | None
) -> tuple[dict[str, ModalityAnalysis], list[str]]:
    from mmgraph.experiments.analysis.held_out_analysis import analyse_ready_model
    from mmgraph.experiments.experiment import kind_of
    from mmgraph.experiments.reader import find_declaration

    if (kind := kind_of(name)) != "classification":
        raise MmgraphError(f"{name} is of the kind '{kind}'; classifications are analysed")
    directory = output or Path(f"{find_declaration(name).stem}_run")
    analysed = partial(analyse_ready_model, target=target)
    return _with_progress(analysed, name, directory, folds, page)


def _of_table(
    path: Path,
    target: str | None,
    schema: Path | None,
    read: list[str] | None,
    output: Path | None,
    folds: int | None,
    page: Path | None,
) -> tuple[dict[str, ModalityAnalysis], list[str]]:
    from mmgraph.cli.tables.schema import table_reading
    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.data.schema.schema import Schema
    from mmgraph.experiments.analysis.held_out_analysis import analyse_rows
    from mmgraph.experiments.classification.data import check_labels

    reading = table_reading(read)
    described = Schema.read(schema) if schema else Schema.guess(path, target, **reading)
    if schema is None:
        say(
            f"{path} is read by what its columns suggest: `mmgraph schema {path}` writes that down "
            "to be corrected"
        )
    if target is not None and described.target != target:
        raise MmgraphError(f"the target of {schema} is {described.target}, not {target}")
    table = described.open(path, **reading)
    rows = MultimodalData.read(table, described)
    check_labels(rows, table)
    name = path.name.split(".")[0]
    return _with_progress(analyse_rows, rows, output or Path(f"{name}_run"), folds, page)


def _with_progress(
    analysed: Any, subject: Any, directory: Path, folds: int | None, page: Path | None
) -> tuple[dict[str, ModalityAnalysis], list[str]]:
    begun = False
    with steps_kept(directory) as tell:

        def progress(done: int, total: int, text: str) -> None:
            nonlocal begun
            if not begun:
                say(
                    f"{total} steps, each of which learns a classifier: of some thousand rows they "
                    f"take minutes together; {directory} keeps what is done"
                )
            begun = True
            tell(done, total, text)

        analyses, report = analysed(subject, directory, folds, progress, page)
    titles = {split["split"]: split["title"] for split in report["analyses"]}
    return {titles[split]: one for split, one in analyses.items()}, report["files"]


def _of_model(
    name: str,
    target: str | None,
    data: Path | None,
    by: list[str] | None,
    page: Path | None,
) -> tuple[dict[str, ModalityAnalysis], list[str]]:
    import mmgraph as mm
    from mmgraph.experiments.analysis.report import write_report
    from mmgraph.experiments.analysis.what_if import what_if_table

    model: Any = mm.read(name)
    is_network = isinstance(model, mm.BayesianNetwork)
    schema = getattr(model, "schema_", None)
    learned = schema.target if schema is not None else None
    target = target or learned
    if target is None:
        raise MmgraphError("which variable is to be told? --target NAME")
    if not is_network and learned not in (None, target):
        raise MmgraphError(f"the target of {name} is {learned}, not {target}")
    if by == ["modality"] and is_network and not model.modalities:
        raise MmgraphError(
            f"no variable of {name} has a modality: name them by --by "
            "image=VARIABLE,VARIABLE, or ask --by variable"
        )
    rows: Any = data
    if data is not None and not is_network:
        if schema is None:
            raise MmgraphError(f"{name} learned from arrays: it is analysed in Python")
        rows = mm.MultimodalData.read(data, schema, partial=True)
    looked_at: Any = _looked_at(by) if by else {}
    analysis = mm.analyse_modalities(model, target, rows, **looked_at)
    files = []
    if page is not None:
        table = what_if_table(model, target) if is_network else None
        files = write_report(analysis, page, what_if=table)
    return {"": analysis}, files


def _looked_at(by: list[str]) -> dict[str, Any]:
    """A kind, or the variables of each modality that is named as in image=xray,ct."""
    if len(by) == 1 and "=" not in by[0]:
        return {"by": by[0]}
    modalities: dict[str, list[str]] = {}
    for text in by:
        name, _, members = (part.strip() for part in text.partition("="))
        listed = [member.strip() for member in members.split(",")]
        if not name or not all(listed):
            raise MmgraphError(f"--by {text!r} is not as in image=xray,ct")
        modalities[name] = modalities.get(name, []) + listed
    return {"modalities": modalities}
