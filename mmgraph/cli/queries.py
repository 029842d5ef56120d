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
    method: Annotated[
        str,
        typer.Option(
            help="auto, junction_tree, enumeration, torch, belief_propagation, tree_reweighted, "
            "mean_field, gibbs, parallel_tempering or annealed_importance_sampling."
        ),
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="For the methods that sample.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Print the probabilities of variables given evidence."""
    import torch

    import mmgraph
    from mmgraph.inference.methods import SAMPLING

    graph = mmgraph.read(model)
    given, is_file = read_evidence(graph, evidence, evidence_file)
    options: dict[str, Any] = {}
    if method in SAMPLING:
        options["generator"] = torch.Generator().manual_seed(seed)
    posterior = mmgraph.query(graph, given, query or None, method=method, device=device, **options)
    answers = _answers(posterior, graph)
    if as_json:
        print_json(answers if is_file else answers[0])
        return
    for row, answer in enumerate(answers):
        title = f"{answer['method']}, {'exact' if answer['exact'] else 'approximate'}"
        if not answer["converged"]:
            title += f", NOT CONVERGED ({posterior.shortfall})"
        if answer["log_evidence"] is not None:
            title = f"log P(evidence) = {answer['log_evidence']:.6g}, {title}"
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
    """One record a row of evidence; an array is answered element by element."""
    from mmgraph.graph.variable import element_names

    answers = [
        {
            "method": posterior.method,
            "exact": posterior.exact,
            "converged": posterior.converged,
            "log_evidence": log_evidence,
            "marginals": {},
        }
        for log_evidence in _log_evidence(posterior)
    ]
    for name, table in posterior.marginals.items():
        # An element of an array may have been asked for by its own name, as x[0,1].
        variable = graph.variables.get(name) or graph.variables[name.partition("[")[0]]
        elements = element_names(variable) if name in graph.variables else [name]
        labels = [str(label) for label in variable.labels]
        rows = table.reshape(len(table), len(elements), len(labels)).tolist()
        for answer, distributions in zip(answers, rows, strict=True):
            for element, distribution in zip(elements, distributions, strict=True):
                answer["marginals"][element] = dict(zip(labels, distribution, strict=True))
    return answers


def _log_evidence(posterior: Any) -> list[float | None]:
    """Of each row; None from a method that does not know it."""
    return (
        posterior.log_evidence.tolist() if posterior.has_log_evidence else [None] * posterior.batch
    )


def most_probable(
    model: Model,
    evidence: EvidenceOption = None,
    evidence_file: EvidenceFile = None,
    query: Query = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto, junction_tree, enumeration, graph_cut, trws, trws_and_moves, max_product, "
            "alpha_expansion, alpha_beta_swap, icm or branch_and_bound."
        ),
    ] = "auto",
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
            "assignment": _labels(best, row),
            "log_weight": log_weight,
            "gap": None if best.gap is None else float(best.gap[row]),
        }
        for row, log_weight in enumerate(best.log_weight.tolist())
    ]
    if as_json:
        print_json(answers if is_file else answers[0])
        return
    for row, answer in enumerate(answers):
        title = f"log-probability {answer['log_weight']:.6g}, {answer['method']}"
        if not answer["exact"] and answer["gap"] is not None:
            title += f", at most {answer['gap']:.3g} from the best"
        lines = list(answer["assignment"].items())
        print_table(("variable", "state"), lines, f"row {row}: {title}" if is_file else title)


def _labels(best: Any, row: int) -> dict[str, str]:
    """The labels of one row; an array element by element."""
    from mmgraph.graph.variable import element_names

    return {
        element: str(best.variables[name].labels[code])
        for name, codes in best.states.items()
        for element, code in zip(
            element_names(best.variables[name]), codes[row].reshape(-1).tolist(), strict=True
        )
    }


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
    from mmgraph.graph.variable import element_names

    graph = mmgraph.read(model)
    given, _ = read_evidence(graph, evidence, None)
    generator = torch.Generator().manual_seed(seed)
    drawn = mmgraph.sample(graph, draws, given, generator).codes
    columns: dict[str, list[Any]] = {}
    for name, values in drawn.items():
        variable = graph.variables[name]
        if variable.is_discrete:
            labels = [str(label) for label in variable.labels]
            elements = values.reshape(len(values), -1).T.tolist()
            for element, codes in zip(element_names(variable), elements, strict=True):
                columns[element] = [labels[code] for code in codes]
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
