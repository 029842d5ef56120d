"""The command that learns what drives what from a table: learn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    ReadOption,
    Seed,
    directory_option,
    list_written,
    print_json,
    print_table,
    progress_bar,
    spread,
)
from mmgraph.cli.interruption import NOT_KEPT, keeps
from mmgraph.cli.outputs import (
    check_directory,
    check_model_file,
    check_model_place,
    check_picture,
)
from mmgraph.cli.tables.schema import table_reading
from mmgraph.graph.errors import EvidenceError, MmgraphError, SchemaError

if TYPE_CHECKING:
    from mmgraph.data.schema.schema import Schema
    from mmgraph.data.table import Table
    from mmgraph.learning.structure.constraints import Edge
    from mmgraph.learning.structure.learned_structure import LearnedStructure
    from mmgraph.networks.bayesian_network import BayesianNetwork

_STATES = ("categorical", "ordinal")
_NUMBERS = ("continuous", "count")


@dataclass
class EdgeOptions:
    """What is known of the edges; wherever a column may be named, a modality may."""

    tier: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns or modalities, with commas, as often as needed, causes first: no edge "
            "runs from a later tier to an earlier one."
        ),
    ] = None
    required: Annotated[
        list[str] | None,
        typer.Option(help="An edge CAUSE:EFFECT that must be, as often as needed."),
    ] = None
    forbidden: Annotated[
        list[str] | None,
        typer.Option(help="An edge CAUSE:EFFECT that must not be."),
    ] = None
    max_parents: Annotated[
        int | None, typer.Option(min=0, help="How many parents a variable has at most.")
    ] = None

    def options(self) -> dict[str, Any]:
        """As :func:`mmgraph.learn_structure` takes them."""
        options: dict[str, Any] = {
            "required": _pairs("--required", self.required or ()),
            "forbidden": _pairs("--forbidden", self.forbidden or ()),
        }
        if self.tier:  # a schema may have some, too
            options["tiers"] = [[name.strip() for name in tier.split(",")] for tier in self.tier]
        return options | ({} if self.max_parents is None else {"max_parents": self.max_parents})


@dataclass
class SearchOptions:
    """How the graph is searched for, and how sure it is."""

    score: Annotated[
        str, typer.Option(help="bic, aic, bdeu, bds, k2, bge or held-out (by likelihood).")
    ] = "bic"
    method: Annotated[
        str, typer.Option(help="auto, or a search: exact, orders, tabu, climb, ges, pc, fci.")
    ] = "auto"
    interventions: Annotated[
        str | None,
        typer.Option(help="The column that names what a row's experiment set, empty where none."),
    ] = None
    missing: Annotated[
        str, typer.Option(help="What becomes of missing cells: raise, available or em.")
    ] = "raise"
    bootstrap: Annotated[
        int, typer.Option(min=0, help="How often to learn anew from resampled rows.")
    ] = 0
    threshold: Annotated[
        float | None,
        typer.Option(help="The confidence from which on an edge is in the consensus graph."),
    ] = None
    seed: Seed = 0
    checkpoint: Annotated[
        Path | None, directory_option("Keeps the bootstrap, so that it can go on another time.")
    ] = None

    def options(self) -> dict[str, Any]:
        """As :func:`mmgraph.learn_structure` takes them."""
        return {k: v for k, v in vars(self).items() if v is not None and k != "seed"}


@spread
def learn(
    data: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file.")],
    edges: EdgeOptions,
    search: SearchOptions,
    schema: Annotated[
        Path | None,
        typer.Option(help="What its columns are (modalities!), as `mmgraph schema` proposes it."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file for the network with that graph, fitted.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A picture (.png, .svg, .pdf), edges as wide as sure.")
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from a table what drives what, and how sure that is.

    Every column is a variable, but those to which the schema gives another role. The edges are
    those of the best graph; "--" may run either way in an equivalent one.

    Example: mmgraph learn rows.csv --schema schema.toml --tier genome --tier image,lab --bootstrap
    200 --picture graph.svg
    """
    import torch

    import mmgraph

    for path, check in ((output, check_model_place), (picture, check_picture)):
        if path is not None:
            check(path)
    if search.checkpoint is not None:
        if not search.bootstrap:
            raise MmgraphError("--checkpoint keeps a bootstrap: say how many with --bootstrap")
        check_directory(search.checkpoint)
    table, options = _table(data, schema, read)
    options |= edges.options() | search.options()
    if output is not None:
        _check_output(table, options, output)
    generator = torch.Generator().manual_seed(search.seed)
    with keeps(search.checkpoint, NOT_KEPT), progress_bar("searching", None) as (bar, task):

        def progress(done: int, replicates: int) -> None:
            bar.update(task, description="bootstrap", completed=done, total=replicates)

        learned = mmgraph.learn_structure(table, **options, generator=generator, progress=progress)
        if output is not None:
            bar.update(task, description="fitting the network")
            mmgraph.write(_network(table, options, learned), output)
    if picture is not None:
        from mmgraph.plots import draw_structure

        draw_structure(learned, picture)
    files = {"output": output, "picture": picture}
    written = {what: str(path) for what, path in files.items() if path is not None}
    if as_json:
        print_json({"data": str(data), **_record(learned), **written})
        return
    _show(learned)
    list_written(written.values())


def _table(data: Path, schema: Path | None, read: list[str] | None) -> tuple[Table, dict[str, Any]]:
    """The table, and what its schema says, as options of ``learn_structure``."""
    from mmgraph.data.schema.schema import Schema
    from mmgraph.data.tables import open_table

    reading = table_reading(read)
    if schema is None:
        return open_table(data, **reading), {}
    described = Schema.read(schema)
    table = described.open(data, **reading)
    return table, _said_by_schema(table, described.resolved(table.columns, table.origin))


def _said_by_schema(table: Table, schema: Schema) -> dict[str, Any]:
    """What a schema says of the variables: their kinds, modalities and tiers, and other columns."""
    from mmgraph.data.inferred_states import states_in

    variables = [c for c in schema.columns.values() if c.role in ("feature", "target")]
    for column in variables:
        if column.kind not in (*_STATES, *_NUMBERS):
            raise SchemaError(
                f"the column '{column.name}' is a {column.kind}, which no variable of a graph can "
                "be: give it the role 'ignored'"
            )
    open_ = [c.name for c in variables if c.kind in _STATES and c.states is None]
    numbers = sorted({c.tier for c in variables if c.tier is not None})
    others = {role: schema.role(role) for role in ("intervention", "group", "weight")}
    return {
        "variables": [c.name for c in variables],
        "modalities": {c.name: c.modality for c in variables if c.modality is not None},
        "continuous": [c.name for c in variables if c.kind == "continuous"],
        "states": {
            **{c.name: c.states for c in variables if c.states is not None},
            **states_in(table.select(open_), open_),
        },
        "tiers": [[c.name for c in variables if c.tier == number] for number in numbers],
        **{f"{role}s": name for role, name in others.items() if name is not None},
    }


def _check_output(table: Table, options: dict[str, Any], output: Path) -> None:
    """Refuse a file that no network of this table can be written to, before the search."""
    from mmgraph.learning.structure.learned_structure import LearnedStructure

    if options["method"] == "fci":
        raise MmgraphError("--output needs a directed graph, and FCI leaves edges open")
    others = {options[k] for k in ("interventions", "groups", "weights") if k in options}
    names = tuple(n for n in options.get("variables", table.columns) if n not in others)
    modalities = options.get("modalities", {})
    edgeless = LearnedStructure(names, [], None, "no search", ([], []), modalities=modalities)
    check_model_file(_network(table, options, edgeless), output)


def _network(table: Table, options: dict[str, Any], structure: LearnedStructure) -> BayesianNetwork:
    """The network of a structure, each variable from the rows in which it was not set."""
    from mmgraph.networks.bayesian_network import BayesianNetwork

    known = ("states", "continuous", "interventions", "weights")
    said: dict[str, Any] = {k: options[k] for k in known if k in options}
    return BayesianNetwork.from_structure(structure, table, **said)


def _record(learned: LearnedStructure) -> dict[str, Any]:
    """The structure as JSON has it."""
    record: dict[str, Any] = {
        "method": learned.method,
        "score": learned.score,
        "seconds": learned.seconds,
        "variables": {name: learned.modalities.get(name) for name in learned.names},
        "edges": learned.edges,
        "directed": learned.cpdag[0],
        "undirected": learned.cpdag[1],
    }
    if learned.pag is not None:
        record["pag"] = learned.pag
    if learned.confidence is not None:
        record["confidence"] = [[*edge, share] for edge, share in learned.confidence.items()]
        record |= {"threshold": learned.threshold, "consensus": learned.consensus}
    return record


def _show(learned: LearnedStructure) -> None:
    """List the edges for people."""
    directed = set(learned.cpdag[0])
    either_way = learned.edge_confidence
    columns = ["cause", "", "effect"]
    if learned.pag is not None:
        rows: list[list[Any]] = [list(edge) for edge in learned.pag]
    else:
        rows = [[a, "->" if (a, b) in directed else "--", b] for a, b in learned.edges]
    if either_way is not None:
        consensus = {frozenset(e) for e in learned.consensus or ()}
        columns += ["confidence", "of the direction", "in the consensus"]
        confidence = learned.confidence or {}
        for row in rows:
            a, b = row[0], row[2]
            share = either_way.get(frozenset((a, b)), 0.0)
            direction = confidence.get((a, b), 0.0) / share if share else 0.0
            row += [share, direction, "yes" if frozenset((a, b)) in consensus else "no"]
    score = "" if learned.score is None else f", score {learned.score:.7g}"
    title = f"{len(rows)} edges of {len(learned.names)} variables{score}: {learned.method}"
    print_table(columns, rows, f"{title} ({learned.seconds:.1f} s)")


def _pairs(option: str, texts: Iterable[str]) -> list[Edge]:
    """Edges that are written as CAUSE:EFFECT."""
    pairs = []
    for text in texts:
        cause, colon, effect = text.partition(":")
        if not (cause and colon and effect):
            raise EvidenceError(f"{option} {text!r} is no edge CAUSE:EFFECT")
        pairs.append((cause, effect))
    return pairs
