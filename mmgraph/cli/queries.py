"""The commands that ask a model: infer, map, sample."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from mmgraph.cli.common import (
    EvidenceFile,
    EvidenceOption,
    JsonOption,
    Model,
    print_json,
    print_table,
)
from mmgraph.cli.evidence import read_evidence

Query = Annotated[
    list[str] | None,
    typer.Option("--query", "-q", help="Variables asked for, one or several; by default all."),
]


def infer(
    model: Model,
    evidence: EvidenceOption = None,
    evidence_file: EvidenceFile = None,
    query: Query = None,
    method: Annotated[str, typer.Option(help="auto, junction_tree, enumeration, torch.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Print the probabilities of variables given evidence."""
    import mmgraph

    graph = mmgraph.read(model)
    given, is_file = read_evidence(graph, evidence, evidence_file)
    posterior = mmgraph.query(graph, given, query or None, method=method, device=device)
    answers = _answers(posterior, graph)
    if as_json:
        print_json(answers if is_file else answers[0])
        return
    for row, answer in enumerate(answers):
        title = f"log P(evidence) = {answer['log_evidence']:.6g}, {answer['method']}"
        title += ", exact" if answer["exact"] else ", approximate"
        print_table(
            ("variable", "state", "probability"),
            [
                (name, state, probability)
                for name, table in answer["marginals"].items()
                for state, probability in table.items()
            ],
            f"row {row}: {title}" if is_file else title,
        )


def _answers(posterior: Any, graph: Any) -> list[dict[str, Any]]:
    """One record a row of evidence."""
    tables = {name: table.tolist() for name, table in posterior.marginals.items()}
    labels = {name: [str(x) for x in graph.variables[name].labels] for name in tables}
    return [
        {
            "method": posterior.method,
            "exact": posterior.exact,
            "converged": posterior.converged,
            "log_evidence": log_evidence,
            "marginals": {
                name: dict(zip(labels[name], rows[row], strict=True))
                for name, rows in tables.items()
            },
        }
        for row, log_evidence in enumerate(posterior.log_evidence.tolist())
    ]


def most_probable(
    model: Model,
    evidence: EvidenceOption = None,
    evidence_file: EvidenceFile = None,
    query: Query = None,
    method: Annotated[str, typer.Option(help="auto, junction_tree, enumeration.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Print the most probable states of all variables, or of those asked for with --query."""
    import mmgraph

    graph = mmgraph.read(model)
    given, is_file = read_evidence(graph, evidence, evidence_file)
    best = mmgraph.map_query(graph, given, query or None, method=method)
    answers = [
        {
            "method": best.method,
            "exact": best.exact,
            "assignment": {name: str(label) for name, label in best.labels(row).items()},
            "log_weight": log_weight,
        }
        for row, log_weight in enumerate(best.log_weight.tolist())
    ]
    if as_json:
        print_json(answers if is_file else answers[0])
        return
    for row, answer in enumerate(answers):
        title = f"log-probability {answer['log_weight']:.6g}, {answer['method']}"
        lines = list(answer["assignment"].items())
        print_table(("variable", "state"), lines, f"row {row}: {title}" if is_file else title)


def draw_samples(
    model: Model,
    draws: Annotated[int, typer.Option("--draws", "-n", min=1, help="How many.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="The same seed draws the same samples.")
    ] = 0,
    evidence: EvidenceOption = None,
    output: Annotated[Path | None, typer.Option(help="A CSV file instead of the screen.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw independent samples of all variables, given evidence if there is any."""
    import torch

    import mmgraph

    graph = mmgraph.read(model)
    given, _ = read_evidence(graph, evidence, None)
    generator = torch.Generator().manual_seed(seed)
    drawn = mmgraph.sample(graph, draws, given, generator)
    columns: dict[str, list[Any]] = {}
    for name, values in drawn.items():
        variable = graph.variables[name]
        if variable.is_discrete:
            labels = [str(label) for label in variable.labels]
            columns[name] = [labels[code] for code in values.tolist()]
        elif variable.shape:
            for i in range(variable.size):
                columns[f"{name}[{i}]"] = values.flatten(1)[:, i].tolist()
        else:
            columns[name] = values.tolist()
    rows = list(zip(*columns.values(), strict=True))
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    if output is None:
        typer.echo(text.getvalue(), nl=False)
        return
    from mmgraph.formats.files import write_text

    write_text(output, text.getvalue())
