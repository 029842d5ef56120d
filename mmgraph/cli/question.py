"""A question about rows of evidence: one is answered on the screen, many in a table or JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.cli.answers import Account, Columns, Record
from mmgraph.cli.common import print_json, say
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.rows import answers, batch_size, in_columns, lines_to, write_table

if TYPE_CHECKING:
    from mmgraph.graph.factor_graph import FactorGraph


@dataclass
class Question:
    """What is asked of each row: of a model, its name and graph, by a method.

    ``ask`` takes evidence and returns a Posterior or an Assignment; ``columns`` and ``records``
    turn that, and the model, into a table or JSON, and ``show`` prints the answer for one row.
    """

    model: str
    graph: FactorGraph
    method: str
    ask: Callable[[Any], Any]
    columns: Callable[[Any, FactorGraph], Columns]
    records: Callable[[Any, FactorGraph], list[Record]]
    show: Callable[[Any, Record], None]

    def answer(self, evidence: object, many: bool, output: Path | None, as_json: bool) -> None:
        """Answer one row on the screen, or many in a table."""
        if many or output is not None:
            self._answer_rows(evidence, output, as_json)
            return
        answer = self.ask(evidence)
        (record,) = self.records(answer, self.graph)
        if as_json:
            print_json(record)
        else:
            self.show(answer, record)

    def _answer_rows(self, evidence: object, output: Path | None, as_json: bool) -> None:
        """Answer every row of evidence, some rows at a time.

        A table goes to the output, or as CSV to standard output. JSON is the list of all records,
        null where a row is impossible; or a summary, where the table goes to a file.
        """
        from mmgraph.graph.evidence import Evidence

        account = Account()

        def ask(rows: Evidence) -> Any:
            answer = self.ask(rows)
            account.add(answer)
            return answer

        size = batch_size(self.graph, self.method)
        batches = answers(Evidence.of(evidence, self.graph.variables), ask, size, output)
        if as_json and output is None:
            listed: list[Record | None] = []
            for rows, possible, answer in batches:
                records = [] if answer is None else self.records(answer, self.graph)
                by_row = dict(zip(possible, records, strict=True))
                listed += [by_row.get(row) for row in rows]
            print_json(listed)
            return
        with keeps(None, unwritten(output)):
            count = write_table(
                output, in_columns(batches, lambda answer: self.columns(answer, self.graph))
            )
        if as_json:
            summary = {"model": self.model, "output": str(output), "rows": count}
            print_json(summary | asdict(account))
        elif output is not None:
            say(f"wrote {lines_to(count, output)} ({account})")
        elif not (account.exact and account.converged):
            say(str(account))
