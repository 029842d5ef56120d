"""The conditional tables of a BIF file, from the entries of its ``probability`` blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NoReturn

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.bif.syntax import Distribution, Entry, names_in, parse_distribution
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.rows import bounded_product, normalise
from mmgraph.formats.tables import ListedRow, check_count, check_rows
from mmgraph.formats.text import BRACKETED_WORD, Fail, TokenReader, fail, nearest
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable


class TableReader:
    """Turns ``probability`` blocks into tables, by the states as the file spells them."""

    def __init__(
        self, file: NetworkFile[Distribution], text: str, states: Mapping[str, Sequence[str]]
    ) -> None:
        self.file, self.text = file, text
        self.codes = {name: {s: i for i, s in enumerate(s_)} for name, s_ in states.items()}
        # Only bare words may be looked up in text that no tokenizer has seen.
        self.bare_codes = {
            name: {s: i for s, i in codes.items() if BRACKETED_WORD.fullmatch(s)}
            for name, codes in self.codes.items()
        }

    def factor(self, _: str, distribution: Distribution) -> TableFactor:
        """Return the table of a block."""
        child, parents = self.file.family(
            distribution.names,
            partial(self._fail, distribution.start),
            "the name of a declared variable",
            "one distribution",
        )
        table = None
        if distribution.entries is None:
            table = self._plain_table(distribution.body, child, parents)
            if table is None:  # what is unusual there, and where, the careful reader finds out
                reader = TokenReader(self.file.path, self.text, distribution.start)
                distribution = parse_distribution(reader)
        if table is None:
            table = self._table(distribution, child, parents)
        scope = (*parents, child)
        return TableFactor(scope, table.reshape([v.cardinality for v in scope]), child=child)

    def _fail(self, start: int, problem: str) -> NoReturn:
        fail(self.file.path, self.text, start, problem)

    def _plain_table(
        self, body: str, child: Variable, parents: Sequence[Variable]
    ) -> Float64[np.ndarray, "rows states"] | None:
        """Read a body that has nothing unusual; None where it has."""
        statements = body.split(";")
        if statements.pop().strip() or not statements:
            return None
        rows = bounded_product((p.cardinality for p in parents), len(body))
        if rows is None:
            return None
        first, _, numbers = statements[0].lstrip().partition(" ")
        if first == "table" and len(statements) == 1:
            values = _plain_numbers([numbers], rows * child.cardinality)
            if values is None:
                return None
            table = np.ascontiguousarray(values.reshape(child.cardinality, rows).T)
        elif len(statements) == rows:
            heads: list[str] = []
            tails: list[str] = []
            for statement in statements:
                head, _, tail = statement.partition(")")
                heads.append(head.lstrip())
                tails.append(tail)
            values = _plain_numbers(tails, child.cardinality)
            order = self._plain_order(heads, parents)
            if values is None or order is None:
                return None
            table = np.empty((rows, child.cardinality))
            table[order] = values
        else:
            return None
        return table if normalise(table) is None else None

    def _plain_order(self, heads: list[str], parents: Sequence[Variable]) -> np.ndarray | None:
        """Return the row of the table that each ``(state, …`` stands for, if each comes once."""
        commas = len(parents) - 1
        if any(head[:1] != "(" or head.count(",") != commas for head in heads):
            return None
        states = list(map(str.strip, ",".join([head[1:] for head in heads]).split(",")))
        order = np.zeros(len(heads), np.int64)
        for i, parent in enumerate(parents):
            try:
                codes = list(map(self.bare_codes[parent.name].__getitem__, states[i :: commas + 1]))
            except KeyError:
                return None
            order *= parent.cardinality
            order += codes
        return order if np.bincount(order, minlength=len(heads)).max() == 1 else None

    def _table(
        self, distribution: Distribution, child: Variable, parents: Sequence[Variable]
    ) -> Float64[np.ndarray, "rows states"]:
        entries = distribution.entries or []
        cardinalities = [p.cardinality for p in parents]
        fails: dict[int, Fail] = {}
        if entries and entries[0].kind == "table":
            if len(entries) > 1:
                problem = f"the distribution of '{child.name}' has a table and another entry"
                self._fail(entries[1].start, problem)
            size = bounded_product([*cardinalities, child.cardinality], len(self.text))
            elsewhere: Fail = partial(self._fail, entries[0].start)
            what = f"the table of '{child.name}'"
            if size is None:
                elsewhere(f"expected more numbers in {what} than the file can hold")
            check_count(entries[0].numbers, size, what, elsewhere)
            values = np.array(entries[0].numbers).reshape(child.cardinality, -1)
            table = np.ascontiguousarray(values.T)
        else:
            table, fails, elsewhere = self._table_of_rows(distribution, child, parents)
        check_rows(table, child, parents, lambda row: fails.get(row, elsewhere))
        return table

    def _table_of_rows(
        self, distribution: Distribution, child: Variable, parents: Sequence[Variable]
    ) -> tuple[Float64[np.ndarray, "rows states"], dict[int, Fail], Fail]:
        """Return the table, what raises the error of each row, and of those that are left out."""
        rows: list[ListedRow] = []
        default: Entry | None = None
        for entry in distribution.entries or []:
            at_entry = partial(self._fail, entry.start)
            if entry.kind == "table":
                at_entry(f"the distribution of '{child.name}' has rows and a table")
            if entry.kind == "row":
                states = self._states(entry, child, parents)
                rows.append(ListedRow(states, entry.numbers, at_entry))
            elif default is not None:
                at_entry(f"the default of '{child.name}' is given twice")
            else:
                default = entry
        elsewhere = partial(self._fail, distribution.start if default is None else default.start)
        numbers = None if default is None else default.numbers
        table, fails = self.file.listed(child, parents, rows, numbers, elsewhere)
        return table, fails, elsewhere

    def _states(self, entry: Entry, child: Variable, parents: Sequence[Variable]) -> list[int]:
        names = names_in(entry.states, len(parents))
        if names is None:
            found = sum(map(len, entry.states))
            self._fail(
                entry.start,
                f"expected {len(parents)} states in a row of '{child.name}', one for each parent, "
                f"found {found}",
            )
        states = []
        for parent, name in zip(parents, names, strict=True):
            codes = self.codes[parent.name]
            if name not in codes:
                self._fail(
                    entry.start,
                    f"in a row of '{child.name}': expected a state of '{parent.name}', found "
                    f"'{name[:60]}'{nearest(name, codes)}",
                )
            states.append(codes[name])
        return states


def _plain_numbers(pieces: list[str], count: int) -> Float64[np.ndarray, "rows numbers"] | None:
    """Read pieces of comma-separated numbers, so many in each; None where that does not fit."""
    if any(piece.count(",") != count - 1 for piece in pieces):
        return None
    joined = ",".join(pieces)
    if not joined.isascii() or "_" in joined:  # float() would read other digits, and 1_000
        return None
    try:
        numbers = np.array(list(map(float, joined.split(","))))
    except ValueError:
        return None
    return numbers.reshape(len(pieces), count)
