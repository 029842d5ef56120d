"""The commands that ask a model about given evidence: infer and map."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from mmgraph.cli.answers import (
    Account,
    Record,
    assignment_columns,
    assignment_records,
    posterior_columns,
    posterior_records,
    totals,
)
from mmgraph.cli.common import (
    Device,
    JsonOption,
    Model,
    RowsOutput,
    Seed,
    print_table,
    read_model,
    spread,
)
from mmgraph.cli.evidence import EvidenceOptions, reading
from mmgraph.cli.question import Question
from mmgraph.cli.rows import check_table
from mmgraph.cli.sequences.answers import answer_sequences

Query = Annotated[
    list[str] | None,
    typer.Option("--query", "-q", help="Variables asked for, one or several; by default all."),
]


@spread
def infer(
    model: Model,
    evidence: EvidenceOptions,
    query: Query = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto, junction_tree, enumeration, torch, belief_propagation, tree_reweighted, "
            "mean_field, gibbs, parallel_tempering or annealed_importance_sampling. Models of "
            "sequences have others: chain, parallel_scan, particle_filter (of dynamic networks), "
            "enumeration, gpb2, imm or particles (of switching systems)."
        ),
    ] = "auto",
    seed: Seed = 0,
    device: Device = "auto",
    output: RowsOutput = None,
    as_json: JsonOption = False,
) -> None:
    """Print the probabilities of variables given evidence, or write them row by row.

    An evidence file, or --output, asks for a table with a line for each row of evidence: its number
    in the column 'row', from 1; for each variable asked for its most probable state in the column
    NAME, and the probability of each state in columns NAME=STATE; of a continuous variable its mean
    in the column NAME, and its standard deviation in the column NAME.sd. Rows that the model holds
    to be impossible are warned of and have empty cells.

    Of a model of sequences the rows of the file are steps in their order; those of a sequence stand
    together under one value of the column 'sequence'. Printed are spans of equal states.
    """
    import torch

    import mmgraph
    from mmgraph.inference.methods import is_seeded

    check_table(output)
    graph = read_model(model)
    asking: dict[str, Any] = {"method": method, "device": device}
    if not hasattr(graph, "factors"):
        if method != "chain" and "random_state" in graph.question_options.get("query", ()):
            asking["random_state"] = seed
        file, options = evidence.evidence_file, reading(evidence.read)
        answer_sequences(graph, file, query, False, asking, output, as_json, **options)
        return
    observed, many = evidence.evidence_for(graph)
    if many:
        _warn_of_observed(query or (), observed)
    if is_seeded(method):
        asking["generator"] = torch.Generator().manual_seed(seed)

    def ask(rows: Any) -> Any:
        return mmgraph.query(graph, rows, query or None, **asking)

    question = Question(
        model, graph, method, ask, posterior_columns, posterior_records, _show_posterior
    )
    question.answer(observed, many, output, as_json)


def _show_posterior(posterior: Any, record: Record) -> None:
    account = Account()
    account.add(posterior)
    rows = [(name, *row) for name, table in record["marginals"].items() for row in table.items()]
    title = ", ".join([*totals(record), str(account)])
    if rows or "means" not in record:
        print_table(("variable", "state", "probability"), rows, title)
        title = ""
    if "means" in record:
        deviations = [max(variance, 0.0) ** 0.5 for variance in record["variances"].values()]
        moments = zip(*zip(*record["means"].items(), strict=True), deviations, strict=True)
        print_table(("variable", "mean", "standard deviation"), list(moments), title)


def _warn_of_observed(asked: Sequence[str], observed: Mapping[str, object]) -> None:
    """Warn of columns of a file that are asked for: their answers are no predictions."""
    for name in asked:
        if name in observed:
            warnings.warn(
                f"the evidence gives '{name}' itself: where it does, the answer is what it says",
                stacklevel=3,
            )


@spread
def most_probable(
    model: Model,
    evidence: EvidenceOptions,
    query: Query = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto, junction_tree, enumeration, graph_cut, trws, trws_and_moves, max_product, "
            "alpha_expansion, alpha_beta_swap, icm or branch_and_bound. Models of sequences have "
            "others: chain or parallel_scan."
        ),
    ] = "auto",
    device: Device = "auto",
    output: RowsOutput = None,
    as_json: JsonOption = False,
) -> None:
    """Print the most probable states of all variables, or of those asked for with --query.

    An evidence file, or --output, asks for a table with a line for each row of evidence: its number
    in the column 'row', from 1, and a column of states for each variable. Rows that the model holds
    to be impossible are warned of and have empty cells.
    """
    import mmgraph

    check_table(output)
    graph = read_model(model)
    if not hasattr(graph, "factors"):
        file, options = evidence.evidence_file, reading(evidence.read)
        asking = {"method": method, "device": device}
        answer_sequences(graph, file, query, True, asking, output, as_json, **options)
        return
    observed, many = evidence.evidence_for(graph)

    def ask(rows: Any) -> Any:
        # What is read from a file is on the CPU, where every method runs.
        place = "auto" if device == "cpu" else device
        return mmgraph.map_query(graph, rows, query or None, method, place)

    def show(best: Any, record: Record) -> None:
        what = "log-probability" if graph.is_normalised else "log-weight"
        title = f"{what} {record['log_weight']:.6g}, {best.method}"
        if not best.exact and record["gap"] is not None:
            title += f", at most {record['gap']:.3g} from the best"
        print_table(("variable", "state"), list(record["assignment"].items()), title)

    question = Question(model, graph, method, ask, assignment_columns, assignment_records, show)
    question.answer(observed, many, output, as_json)
