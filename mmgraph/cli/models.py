"""The commands that make and look at models: fit, show, convert."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli import machines
from mmgraph.cli.common import (
    JsonOption,
    Model,
    ReadOption,
    Seed,
    checked_graph,
    directory_option,
    print_json,
    print_record,
    print_table,
    print_written,
    progress_bar,
)
from mmgraph.cli.evidence import reading
from mmgraph.cli.interruption import NOT_KEPT, keeps
from mmgraph.cli.outputs import check_directory, check_model_file, check_parent, check_picture
from mmgraph.cli.sequences.summaries import show_sequence_model
from mmgraph.cli.tables.classifiers import fit_classifier, show_classifier
from mmgraph.cli.tables.variables import normals, state_words, variable_records
from mmgraph.graph.errors import GraphError

if TYPE_CHECKING:
    from mmgraph.networks.bayesian_network import BayesianNetwork


def fit(
    model: Model,
    output: Annotated[Path, typer.Option(help="Where the fitted model goes (.bif, .mmgraph, …).")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="A CSV or Parquet file, a column a variable; a declared machine or "
            "classification (.toml) has data of its own."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="auto, maximum_likelihood, bdeu, dirichlet or em.")
    ] = "auto",
    checkpoint: Annotated[
        Path | None, directory_option("A directory that training can resume from.")
    ] = None,
    seed: Seed = 0,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn a model's parameters, and write it.

    Of a declared classification (.toml) that is the classifier of all rows, which `mmgraph predict`
    asks. A deep Boltzmann machine may be trained by several processes:
    torchrun --nproc-per-node 2 -m mmgraph fit MODEL --output FILE.mmgraph
    """
    import mmgraph

    if checkpoint is not None:
        check_directory(checkpoint)
    if (kind := _declared_kind(model)) == "boltzmann_machine":
        machines.fit_machine(model, data, output, checkpoint, as_json)
        return
    if kind == "classification":
        if data is not None or checkpoint is not None:
            option = "--checkpoint" if data is None else "--data"
            raise GraphError(f"{option} is of other models: '{model}' names its rows itself")
        fit_classifier(model, output, as_json)
        return
    if kind is not None:
        raise GraphError(f"'{model}' is a {kind} and run as a whole: mmgraph run {model}")
    if data is None:
        raise GraphError(f"'{model}' is learned from a table; give one with --data")
    network = mmgraph.read(model)
    if not isinstance(network, mmgraph.BayesianNetwork):
        raise GraphError(f"'{model}' is not a Bayesian network; only those can be fitted")
    check_model_file(network, output)
    options = reading(read) | ({} if checkpoint is None else {"checkpoint": checkpoint})
    with keeps(checkpoint, NOT_KEPT):
        _fit_with_progress(network, data, method, seed, options)
    mmgraph.write(network, output)
    result = {"model": model, "output": str(output), **_fit_record(network, method)}
    if as_json:
        print_json(result)
    else:
        print_record(result)


def _declared_kind(model: str) -> str | None:
    """The kind of ready model that a name or path declares, if it is one of a declaration."""
    from mmgraph.experiments.experiment import kind_of
    from mmgraph.formats.resolve import models_directory

    is_declared = Path(model).suffix == ".toml" or (models_directory() / f"{model}.toml").is_file()
    return kind_of(model) if is_declared else None


def _fit_with_progress(
    network: BayesianNetwork, data: Path, method: str, seed: int, options: dict[str, Any]
) -> None:
    """Fit a network, and show the iterations where there are any."""
    import torch

    with progress_bar("reading and counting", None) as (bar, task):

        def progress(iteration: int, log_likelihood: float) -> None:
            text = f"EM iteration {iteration}, log-likelihood {log_likelihood:.6g}"
            bar.update(task, description=text)

        if method in ("auto", "em"):
            options["progress"] = progress
            options["generator"] = torch.Generator().manual_seed(seed)
        network.fit(data, method, **options)


def _fit_record(network: BayesianNetwork, method: str) -> dict[str, Any]:
    report = network.fit_report
    chosen = "maximum_likelihood" if method == "auto" else method
    return {
        "method": chosen if report is None else "em",
        "iterations": report and len(report.log_likelihoods) - 1,
        "converged": report is None or report.converged,
        "log_likelihood": report and report.log_likelihoods[-1],
    }


def show(
    model: Model,
    output: Annotated[
        Path | None, typer.Option(help="A picture (.png, .svg, .pdf) instead of a table.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List a model's variables, or draw its network coloured by modality.

    Of a continuous variable the regression on its parents: the normal distribution N(mean,
    variance) in each state of the discrete ones. Of a classifier its modalities and leaves; of a
    model of sequences what is hidden and what is seen, durations, and parameters that fit in small
    tables; of a labeller of recordings its sensors and columns; of a recogniser of commands its
    grammar.
    """
    import mmgraph

    if output is not None:
        check_picture(output)
    found = mmgraph.read(model)
    if not isinstance(found, mmgraph.FactorGraph):
        from mmgraph.predictors.row_classifier import RowClassifier

        if output is None and isinstance(found, RowClassifier):
            show_classifier(model, found, as_json)
            return
        if show_sequence_model(model, found, output is not None, as_json):
            return
    graph = checked_graph(model, found)
    if output is not None:
        from mmgraph.plots import draw_network

        draw_network(graph, output)
        print_written(as_json, {"model": model, "output": str(output)}, f"wrote {output}")
        return
    variables = variable_records(graph)
    if as_json:
        print_json({"model": model, "factors": len(graph.factors), "variables": variables})
        return
    columns = ["variable", "states", "modality", "parents"]
    rows = [
        [v["name"], state_words(v), v["modality"] or "-", ", ".join(v["parents"] or ()) or "-"]
        for v in variables
    ]
    if any(texts := [normals(v["regressions"] or ()) for v in variables]):
        columns.append("distribution")
        rows = [[*row, text or "-"] for row, text in zip(rows, texts, strict=True)]
    print_table(
        columns,
        rows,
        f"{model}: {len(variables)} variables, {len(graph.factors)} factors",
    )


def convert(
    source: Model,
    target: Annotated[Path, typer.Argument(help="The new file; its ending says the format.")],
    as_json: JsonOption = False,
) -> None:
    """Write a model in another format."""
    import mmgraph

    check_parent(target)
    mmgraph.write(mmgraph.read(source), target)
    print_written(as_json, {"source": source, "target": str(target)}, f"wrote {target}")
