"""The command that draws from a model: sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.answers import Columns, state_columns, value_columns
from mmgraph.cli.common import (
    JsonOption,
    Model,
    Seed,
    print_json,
    print_written,
    read_model,
    spread,
)
from mmgraph.cli.evidence import EvidenceOptions, reading
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.rows import answers, batch_size, check_table, in_columns, lines_to, write_table
from mmgraph.cli.sequences.draws import sequence_draws
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    import torch

    from mmgraph.graph.factor_graph import FactorGraph


@spread
def draw_samples(
    model: Model,
    *,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", "-n", min=1, help="How many, for each row or sequence of evidence."
        ),
    ] = 1,
    length: Annotated[
        int | None, typer.Option(min=1, help="Steps of each sequence, of a model of sequences.")
    ] = None,
    seed: Seed = 0,
    evidence: EvidenceOptions,
    method: Annotated[
        str,
        typer.Option(
            help="auto, junction_tree, layer_summation, gibbs or parallel_tempering. Models of "
            "sequences have others: chain, or particle_filter (of dynamic networks)."
        ),
    ] = "auto",
    output: Annotated[
        Path | None, typer.Option(help="A table (.csv, .csv.gz, .parquet) instead of the screen.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw samples of all variables, given evidence if there is any, as CSV.

    With an evidence file, the column 'row' says which row of it a sample belongs to, from 1; rows
    that the model holds to be impossible are warned of and have none. Of a model of sequences
    (--length 100) a line is a step, and the column 'sequence' says of which draw.
    """
    import torch

    check_table(output)
    graph = read_model(model)
    batches: Iterator[Columns]
    if not hasattr(graph, "factors"):
        file, options = evidence.evidence_file, reading(evidence.read)
        batches = sequence_draws(graph, draws, length, file, seed, method, **options)
    elif length is not None:
        raise EvidenceError(f"--length is of models of sequences, and '{model}' is none")
    else:
        batches = _draws(
            graph, draws, evidence, torch.Generator().manual_seed(seed), method, output
        )
    if as_json and output is None:
        lines = ((c, line) for c in batches for line in zip(*c.values(), strict=True))
        print_json([dict(zip(columns, line, strict=True)) for columns, line in lines])
        return
    with keeps(None, unwritten(output)):
        count = write_table(output, batches)
    if output is not None:
        record = {"model": model, "output": str(output), "rows": count}
        print_written(as_json, record, f"wrote {lines_to(count, output)}")


def _draws(
    graph: FactorGraph,
    draws: int,
    evidence: EvidenceOptions,
    generator: torch.Generator,
    method: str,
    output: Path | None,
) -> Iterator[Columns]:
    """Draws of a graph, of the rows of a file batch by batch."""
    import mmgraph
    from mmgraph.graph.evidence import Evidence

    observed, is_file = evidence.evidence_for(graph)

    def ask(rows: Any) -> Any:
        return mmgraph.sample(graph, draws, rows, generator, method).codes

    def cells(drawn: Any) -> Columns:
        return sample_columns(drawn, graph)

    if not is_file:
        return iter([cells(ask(observed))])
    rows = Evidence.of(observed, graph.variables)
    size = batch_size(graph, method, draws)
    return in_columns(answers(rows, ask, size, output), cells, draws)


def sample_columns(drawn: Mapping[str, Any], graph: FactorGraph) -> Columns:
    """Return samples ``(draws, *shape)`` or ``(batch, draws, *shape)``, a line a draw."""
    columns: Columns = {}
    for name, values in drawn.items():
        variable = graph.variables[name]
        lines = values.reshape(-1, *variable.shape)
        columns |= (state_columns if variable.is_discrete else value_columns)(variable, lines)
    return columns
