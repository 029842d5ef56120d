"""Causal models by name, and settings as the command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.graph.errors import CausalError, FormatError

if TYPE_CHECKING:
    from mmgraph.causal.model import CausalModel

CausalModelName = Annotated[
    str,
    typer.Argument(
        help="A Bayesian network (a file, or a name such as asia), or a graph in dagitty's "
        "language: a file (.txt, .dag, .dagitty) or the text itself."
    ),
]
Latent = Annotated[
    list[str] | None,
    typer.Option("--latent", help="Variables that nobody observes, one or several."),
]

_DAGITTY = (".txt", ".dag", ".dagitty")


def read_causal_model(name: str, latent: Sequence[str] | None) -> CausalModel:
    """Return the causal model of a network or of dagitty's text.

    Raises
    ------
    FormatError
        If there is no such file or name, or it holds another kind of model.
    """
    import mmgraph
    from mmgraph.causal.graph.dagitty import published_graphs

    is_text = "{" in name or Path(name).suffix.lower() in _DAGITTY
    if is_text or (not Path(name).exists() and name in published_graphs()):
        return _without(mmgraph.CausalModel.from_dagitty(name), latent or ())
    if Path(name).suffix.lower() in (".csv", ".parquet"):
        raise FormatError(f"{name} holds rows, which go to --data: MODEL is a network or a graph")
    network = mmgraph.read(name)
    if not isinstance(network, mmgraph.BayesianNetwork):
        raise FormatError(f"{name} is no Bayesian network, and so says nothing of causes")
    return mmgraph.CausalModel.from_network(network, latent or ())


def _without(model: CausalModel, latent: Sequence[str]) -> CausalModel:
    """The model without some variables of its graph, which become hidden causes."""
    if not latent:
        return model
    import mmgraph

    model.graph.check_nodes(latent, "--latent")
    graph = model.graph.projected_on([n for n in model.nodes if n not in latent])
    made = mmgraph.CausalModel(graph.nodes, graph.directed.edges, graph.bidirected.edges)
    made.latent = model.latent.union(latent)
    return made


def names_in(arguments: Sequence[str] | None) -> list[str]:
    """Return the names that options list, several of one option between commas."""
    return [name.strip() for argument in arguments or () for name in argument.split(",")]


def settings(model: CausalModel, arguments: Sequence[str] | None, option: str) -> dict[str, Any]:
    """Return NAME=STATE and NAME=NUMBER as states by variable.

    Raises
    ------
    CausalError
        If an argument is no such pair, or a variable is named twice.
    """
    from mmgraph.graph.value_evidence import number_in

    read: dict[str, Any] = {}
    for argument in arguments or ():
        name, equals, text = argument.partition("=")
        if not equals or not name:
            raise CausalError(f"{option} {argument!r} is not of the form NAME=STATE")
        if name in read:
            raise CausalError(f"{option} sets '{name}' twice")
        variable = None if model.network is None else model.network.variables.get(name)
        is_real = variable is not None and not variable.is_discrete
        try:
            read[name] = number_in(text) if is_real else text
        except ValueError as error:
            raise CausalError(f"{option} {argument}: {error}") from None
    return read
