"""A question about many rows of evidence: asked in batches, answered by a table or by JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.cli.answers import Account, Columns, Record
from mmgraph.cli.common import print_json, say
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.rows import answers, in_columns, lines_to, write_table

if TYPE_CHECKING:
    from mmgraph.graph.factor_graph import FactorGraph


@dataclass
class Question:
    """What is asked of each row.

    Attributes
    ----------
    graph : FactorGraph
        The model.
    ask : callable
        Takes Evidence and returns a Posterior or an Assignment.
    columns, records : callable
        Turn an answer, and the model, into columns for a table, and records for JSON.
    """

    graph: FactorGraph
    ask: Callable[[Any], Any]
    columns: Callable[[Any, FactorGraph], Columns]
    records: Callable[[Any, FactorGraph], list[Record]]

    def answer_rows(
        self, model: str, evidence: object, size: int, output: Path | None, as_json: bool
    ) -> None:
        """Answer every row of evidence, ``size`` rows at a time.

        A table goes to the output, or as CSV to standard output. JSON is the list of all records,
        null where a row is impossible; or a summary, where the table goes to a file.
        """
        from mmgraph.graph.evidence import Evidence

        account = Account()

        def ask(rows: Evidence) -> Any:
            answer = self.ask(rows)
            account.add(answer)
            return answer

        batches = answers(Evidence.of(evidence, self.graph.variables), ask, size, output)
        if as_json and output is None:
            listed: list[Record | None] = []
            for rows, possible, answer in batches:
                records = [] if answer is None else self.records(answer, self.graph)
                found = dict(zip(possible, records, strict=True))
                listed += [found.get(row) for row in rows]
            print_json(listed)
            return
        with keeps(None, unwritten(output)):
            count = write_table(
                output, in_columns(batches, lambda answer: self.columns(answer, self.graph))
            )
        if as_json:
            print_json({"model": model, "output": str(output), "rows": count, **asdict(account)})
        elif output is not None:
            say(f"wrote {lines_to(count, output)} ({account})")
        elif not (account.exact and account.converged):
            say(str(account))
