"""The commands that make and look at models: fit, show, convert."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli import machines
from mmgraph.cli.common import (
    JsonOption,
    Model,
    ReadOption,
    Seed,
    directory_option,
    print_json,
    print_record,
    print_table,
    print_written,
    progress_bar,
    read_graph,
)
from mmgraph.cli.evidence import reading
from mmgraph.cli.interruption import NOT_KEPT, keeps
from mmgraph.cli.outputs import check_directory, check_model_file, check_parent, check_picture
from mmgraph.cli.tables.classifiers import fit_classifier, found_classifier, show_classifier
from mmgraph.graph.errors import GraphError

if TYPE_CHECKING:
    from mmgraph.graph.factor import Factor
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.networks.bayesian_network import BayesianNetwork

_CONFIGURATIONS = 4
"""Of so many states of the discrete parents a table shows the distributions."""


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
    variance) in each state of the discrete ones. Of a classifier its modalities and leaves.
    """
    if output is not None:
        check_picture(output)
    elif (classifier := found_classifier(model)) is not None:
        show_classifier(model, classifier, as_json)
        return
    graph = read_graph(model)
    if output is not None:
        from mmgraph.plots import draw_network

        draw_network(graph, output)
        print_written(as_json, {"model": model, "output": str(output)}, f"wrote {output}")
        return
    variables = _variable_records(graph)
    if as_json:
        print_json({"model": model, "factors": len(graph.factors), "variables": variables})
        return
    columns = ["variable", "states", "modality", "parents"]
    rows = [
        [v["name"], _states(v), v["modality"] or "-", ", ".join(v["parents"] or ()) or "-"]
        for v in variables
    ]
    if any(texts := [_normals(v["regressions"] or ()) for v in variables]):
        columns.append("distribution")
        rows = [[*row, text or "-"] for row, text in zip(rows, texts, strict=True)]
    print_table(
        columns,
        rows,
        f"{model}: {len(variables)} variables, {len(graph.factors)} factors",
    )


def _variable_records(graph: FactorGraph) -> list[dict[str, Any]]:
    """A record of each variable, in a Bayesian network with its parents and its regressions."""
    import mmgraph

    net = graph if isinstance(graph, mmgraph.BayesianNetwork) else None
    return [
        {
            "name": name,
            "states": [str(label) for label in variable.labels] if variable.is_discrete else None,
            "shape": list(variable.shape),
            "family": variable.family,
            "modality": variable.modality,
            "parents": list(net.parents(name)) if net else None,
            "regressions": _regressions(net.distribution(name)) if net else None,
        }
        for name, variable in graph.variables.items()
    ]


def _states(variable: dict[str, Any]) -> str:
    if variable["states"] is None:
        return variable["family"] + (f" {shape}" if (shape := tuple(variable["shape"])) else "")
    shown = ", ".join(variable["states"][:6])
    return shown + (f", … ({len(variable['states'])})" if len(variable["states"]) > 6 else "")


def _regressions(factor: Factor) -> list[dict[str, Any]] | None:
    """Of a real number the regressions, one for each state of its discrete parents; else None."""
    from mmgraph.graph.variable import element_names

    form = factor.linear_form()
    if form is None or form.log_weights is not None or form.child.shape:
        return None
    names = [name for v in form.continuous for name in element_names(v)]
    labels = itertools.product(*(v.labels for v in form.discrete))
    numbers = form.coefficients[:, 0], form.intercept[:, 0], form.covariance[:, 0, 0]
    return [
        {
            "given": {v.name: str(x) for v, x in zip(form.discrete, states, strict=True)},
            "intercept": intercept,
            "coefficients": dict(zip(names, coefficients, strict=True)),
            "variance": variance,
        }
        for states, coefficients, intercept, variance in zip(
            labels, *(tensor.tolist() for tensor in numbers), strict=True
        )
    ]


def _normals(regressions: Sequence[dict[str, Any]]) -> str:
    """Regressions in words, ``D=no: N(1 + 0.5 x, 2)``, a line each."""
    lines = []
    for regression in regressions[:_CONFIGURATIONS]:
        mean = f"{regression['intercept']:.4g}"
        for name, slope in regression["coefficients"].items():
            mean += f" {'-' if slope < 0 else '+'} {abs(slope):.4g} {name}"
        states = ", ".join(f"{name}={state}" for name, state in regression["given"].items())
        lines.append(f"{states}{states and ': '}N({mean}, {regression['variance']:.4g})")
    if len(regressions) > _CONFIGURATIONS:
        lines.append(f"… ({len(regressions)})")
    return "\n".join(lines)


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
