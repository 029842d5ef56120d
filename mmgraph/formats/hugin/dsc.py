"""Bayesian networks in the DSC files of Microsoft's MSBN, which bnlearn and SamIam write as well.

A ``probability`` block holds one row for each combination of the parents' states, which stand in
front of it as zero-based indices or as names, in any order; ``default`` gives the rows that are
left out. GeNIe writes zeros in front of every row, one more than there are parents: its rows stand
in order, the last parent moving fastest. Text that is not UTF-8 is ISO 8859-1.

The format: "Microsoft Belief Network Tools", the *Bayes Network Interchange Format* of Microsoft
Research (1996), and ``write.dsc`` of the R package bnlearn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from os import PathLike

from mmgraph.formats.files import SIZE_LIMIT, read_text
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.rows import bounded_product, state_of
from mmgraph.formats.tables import ListedRow
from mmgraph.formats.text import Fail, Token, TokenReader, nearest, token_pattern
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

DSC_TOKENS = token_pattern("{}()[]=;|,:")


@dataclass
class Distribution:
    """A ``probability`` block of a child and then its parents.

    Its rows are the parents' states, the numbers, and the position of each.
    """

    names: list[str]
    start: int
    rows: list[tuple[list[Token], list[float], int]] = field(default_factory=list)
    default: list[float] | None = None


def read_dsc(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network from a DSC file.

    Parameters, rows and errors are those of :func:`~mmgraph.formats.bif.bif.read_bif`; a node that
    is not discrete, or whose distribution is a function, is an error that names it.
    """
    reader = TokenReader(path, read_text(path, size_limit, legacy="iso-8859-1"), tokens=DSC_TOKENS)
    file = NetworkFile[Distribution](path)
    reader.word("belief", "at the beginning")
    reader.word("network", "after 'belief'")
    if reader.peek().kind == "quoted":
        reader.next()
    while (token := reader.next()).kind != "end":
        if token.kind == "word" and token.text == "node":
            _node(reader, file, token.start)
        elif token.kind == "word" and token.text == "probability":
            distribution = _distribution(reader, token.start)
            at_block = partial(reader.fail, token.start)
            file.distribute(distribution.names[0], distribution, at_block)
        elif token.kind == "word":
            _skip_statement(reader, token)
        else:
            reader.fail(token.start, f"expected 'node' or 'probability', found {token}")
    return file.network(lambda _, distribution: _factor(reader, distribution, file))


def _skip_statement(reader: TokenReader, keyword: Token) -> None:
    """Move past ``key : value ;`` or ``key … { … }``, which say nothing of probabilities."""
    depth = 0
    while True:
        token = reader.next()
        if token.kind == "end":
            reader.fail(keyword.start, f"expected ';' or '}}' after {keyword}, found {token}")
        if token.kind != "mark":
            continue
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if depth < 0:
            reader.fail(token.start, f"expected ';' after {keyword}, found {token}")
        if depth == 0 and token.text in (";", "}"):
            return


def _node(reader: TokenReader, file: NetworkFile[Distribution], start: int) -> None:
    name = reader.name("the name of a node").text
    fail = partial(reader.fail, start)
    reader.mark("{", f"after the name of the node '{name}'")
    states: tuple[str, ...] | int | None = None
    while not reader.skip("}"):
        key = reader.name(f"an attribute of '{name}' or '}}'")
        if key.kind == "word" and key.text == "type":
            if states is not None:
                reader.fail(key.start, f"the type of '{name}' is given twice")
            states = _type(reader, name)
        else:
            _skip_statement(reader, key)
    if states is None:
        fail(f"expected the type of '{name}', found the end of its block")
    if isinstance(states, int):
        file.reserve_states(name, states, fail)
    file.declare(name, states, fail)


def _type(reader: TokenReader, name: str) -> tuple[str, ...] | int:
    reader.skip(":", "=")
    count = reader.discrete_states(name)
    if reader.skip(";"):
        return count
    reader.mark("=", f"before the states of '{name}'")
    start = reader.mark("{", f"before the states of '{name}'").start
    states = reader.names("}", f"a state of '{name}'", f"between the states of '{name}'")
    reader.mark(";", f"after the states of '{name}'")
    if len(states) != count:
        reader.fail(start, f"'{name}' declares {count} states, but {len(states)} are listed")
    return tuple(state.text for state in states)


def _distribution(reader: TokenReader, start: int) -> Distribution:
    reader.mark("(", "after 'probability'")
    child = reader.name("the name of a node").text
    parents = []
    if reader.skip("|"):
        parents = reader.names(")", f"a parent of '{child}'", f"between the parents of '{child}'")
    else:
        reader.mark(")", f"after 'probability ({child} …'")
    distribution = Distribution([child, *(parent.text for parent in parents)], start)
    reader.mark("{", f"after 'probability ({child} …)'")
    while not reader.skip("}"):
        _entry(reader, distribution)
    return distribution


def _entry(reader: TokenReader, distribution: Distribution) -> None:
    child, first = distribution.names[0], reader.peek()
    if reader.at_word("function"):
        reader.fail(
            first.start, f"the distribution of '{child}' is a function; rows alone can be read"
        )
    if reader.at_word("default"):
        reader.next()
        reader.skip(":", "=")
        if distribution.default is not None:
            reader.fail(first.start, f"the default of '{child}' is given twice")
        distribution.default = reader.numbers(child)
        return
    states: list[Token] = []
    if reader.skip("("):
        where = f"the states in a row of '{child}'"
        states = reader.names(")", f"a state in a row of '{child}'", f"between {where}")
        reader.mark(":", f"after {where}")
    distribution.rows.append((states, reader.numbers(child), first.start))


def _factor(
    reader: TokenReader, distribution: Distribution, file: NetworkFile[Distribution]
) -> Factor:
    fail = partial(reader.fail, distribution.start)
    child, parents = file.family(distribution.names, fail)
    cardinalities = [p.cardinality for p in parents]
    in_order = _is_of_genie(distribution, cardinalities)
    rows = []
    for i, (states, numbers, start) in enumerate(distribution.rows):
        at_row = partial(reader.fail, start)
        codes = state_of(i, cardinalities) if in_order else _codes(states, parents, child, at_row)
        rows.append(ListedRow(codes, numbers, at_row))
    table, _ = file.listed(child, parents, rows, distribution.default, fail)
    return file.table(child, parents, table.ravel(), fail)


def _is_of_genie(distribution: Distribution, cardinalities: list[int]) -> bool:
    """Whether every row is numbered by zeros, one more than there are parents."""
    rows = distribution.rows
    zeros = ["0"] * (len(cardinalities) + 1)
    return (
        len(cardinalities) > 0
        and bounded_product(cardinalities, len(rows)) == len(rows)
        and all([token.text for token in states] == zeros for states, _, _ in rows)
    )


def _codes(states: list[Token], parents: list[Variable], child: Variable, fail: Fail) -> list[int]:
    if len(states) != len(parents):
        fail(
            f"expected {len(parents)} states in a row of '{child.name}', one for each parent, "
            f"found {len(states)}"
        )
    codes = []
    for parent, token in zip(parents, states, strict=True):
        digits = token.text.isascii() and token.text.isdigit() and len(token.text) < 10
        if token.kind == "word" and digits:
            code = int(token.text)
            if code >= parent.cardinality:
                fail(
                    f"in a row of '{child.name}': expected a state of '{parent.name}' below "
                    f"{parent.cardinality}, found {code}"
                )
            codes.append(code)
        elif token.text in parent.labels:
            codes.append(parent.labels.index(token.text))
        else:
            fail(
                f"in a row of '{child.name}': expected a state of '{parent.name}', found {token}"
                f"{nearest(token.text, map(str, parent.labels))}"
            )
    return codes
