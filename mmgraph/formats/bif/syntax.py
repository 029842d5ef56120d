"""The blocks of a BIF file: what they say, not yet what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal, NamedTuple

from mmgraph.formats.text import BIF_NAMES, BIF_TOKENS, BRACKETED_WORD, WORD, TokenReader, unquoted

Groups = tuple[tuple[str, ...], ...]
"""Names as commas group them."""


class Declaration(NamedTuple):
    """A ``variable`` block, its properties of the form ``key = value``, and its position."""

    name: str
    states: tuple[str, ...]
    properties: dict[str, str]
    start: int


class Entry(NamedTuple):
    """One statement of a ``probability`` block: of a row, with its parents' states."""

    kind: Literal["row", "table", "default"]
    states: Groups
    numbers: list[float]
    start: int


class Distribution(NamedTuple):
    """A ``probability`` block of a child and then its parents.

    Its body is taken apart into entries, or kept as text where that holds neither quotes, nor
    comments, nor properties.
    """

    names: tuple[str, ...]
    entries: list[Entry] | None
    body: str
    start: int


@dataclass
class Document:
    """The blocks of a file, in order."""

    declarations: list[Declaration] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)


# Blocks as nearly every program writes them, matched in one go. All repetitions are possessive, and
# none reads further than the careful reader would, so that the time is linear in the text.
_PLAIN_VARIABLE = re.compile(
    r"\s*+(?P<block>variable)\s++(?P<name>[^\s{}()\[\];,|\"]++)\s*+\{"
    r"\s*+type\s++discrete\s*+\[\s*+(?P<count>[0-9]++)\s*+\]"
    r"\s*+\{(?P<states>[^{}\"]*+)\}\s*+;\s*+\}"
)
_PLAIN_PROBABILITY = re.compile(
    r"\s*+(?P<block>probability)\s*+\((?P<names>[^(){}\"]*+)\)\s*+\{(?P<body>[^{}\"]*+)\}"
)
_HEADER_MARKS = re.compile(r"[\s,|]++")
_PROPERTY = re.compile(r'(?P<text>(?:[^;"]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")*+);')
_PLAIN_PROPERTY = re.compile(r"(?P<text>[^;]*+);")


def parse(path: str | PathLike[str], text: str) -> Document:
    """Take a file apart into blocks."""
    document = Document()
    reader = TokenReader(path, text)
    networks = 0
    while True:
        if (block := _plain_variable(text, reader.position)) is not None:
            declaration, reader.position = block
            document.declarations.append(declaration)
        elif (plain := _plain_distribution(text, reader.position)) is not None:
            distribution, reader.position = plain
            document.distributions.append(distribution)
        else:
            token = reader.peek()
            if token.kind == "end":
                return document
            if reader.at_word("variable"):
                document.declarations.append(_variable(reader))
            elif reader.at_word("probability"):
                document.distributions.append(parse_distribution(reader))
            elif reader.at_word("network") and not networks:
                networks += 1
                _network(reader)
            else:
                reader.fail(
                    token.start, f"expected a block 'variable' or 'probability', found {token}"
                )


def _plain_variable(text: str, position: int) -> tuple[Declaration, int] | None:
    match = _PLAIN_VARIABLE.match(text, position)
    if match is None or _has_comment(match.group()):
        return None
    states = tuple(s.strip() for s in match["states"].split(","))
    if str(len(states)) != match["count"] or not all(map(BRACKETED_WORD.fullmatch, states)):
        return None
    return Declaration(match["name"], states, {}, match.start("block")), match.end()


def _plain_distribution(text: str, position: int) -> tuple[Distribution, int] | None:
    match = _PLAIN_PROBABILITY.match(text, position)
    if match is None or _has_comment(match.group()) or "property" in match["body"]:
        return None
    names = tuple(name for name in _HEADER_MARKS.split(match["names"]) if name)
    if not names or not all(map(WORD.fullmatch, names)):
        return None
    return Distribution(names, None, match["body"], match.start("block")), match.end()


def _has_comment(text: str) -> bool:
    return "//" in text or "/*" in text


def _network(reader: TokenReader) -> None:
    reader.next()
    while reader.peek().is_name:
        reader.next()
    reader.mark("{", "after the network's name")
    while reader.at_word("property"):
        _property(reader)
    reader.mark("}", "at the end of the network block")


def _variable(reader: TokenReader) -> Declaration:
    start = reader.next().start
    name = reader.name("the variable's name").text
    reader.mark("{", f"after the name of the variable '{name}'")
    states: tuple[str, ...] | None = None
    properties: dict[str, str] = {}
    while not reader.at("}"):
        if reader.at_word("property"):
            key, _, value = unquoted(_property(reader)).partition("=")
            properties[key.strip()] = unquoted(value)
            continue
        token = reader.word("type", f"or 'property' in the block of '{name}'")
        if states is not None:
            reader.fail(token.start, f"the type of '{name}' is given twice")
        states = _states(reader, name)
    end = reader.next()
    if states is None:
        reader.fail(end.start, f"expected the type of '{name}', found the end of its block")
    return Declaration(name, states, properties, start)


def _states(reader: TokenReader, name: str) -> tuple[str, ...]:
    count = reader.discrete_states(name)
    start = reader.mark("{", f"before the states of '{name}'").start
    groups = _groups(reader, "}", f"a state of '{name}' or '}}'")
    reader.mark(";", f"after the states of '{name}'")
    states = names_in(groups, count)
    if states is None:
        found = sum(map(len, groups))
        reader.fail(start, f"'{name}' declares {count} states, but {found} are listed")
    return states


def _groups(reader: TokenReader, close: str, what: str) -> Groups:
    """Read names up to a closing mark, grouped by commas (which are optional)."""
    groups: list[tuple[str, ...]] = []
    group: list[str] = []
    reader.tokens = BIF_NAMES
    while True:
        token = reader.next()
        if token.is_name:
            group.append(token.text)
            continue
        if token.kind != "mark" or token.text not in (",", "|", close):
            reader.fail(token.start, f"expected {what}, found {token}")
        if group:
            groups.append(tuple(group))
            group = []
        if token.text == close:
            reader.tokens = BIF_TOKENS
            return tuple(groups)


def names_in(groups: Groups, count: int) -> tuple[str, ...] | None:
    """Return that many names: one a token or, where names hold blanks, one between two commas."""
    names = tuple(name for group in groups for name in group)
    if len(names) != count:
        names = tuple(" ".join(group) for group in groups)
    return names if len(names) == count else None


def _property(reader: TokenReader) -> str:
    """Move past a property, which is free text up to a semicolon outside quotes."""
    keyword = reader.next()
    for pattern in (_PROPERTY, _PLAIN_PROPERTY):
        if (match := pattern.match(reader.text, reader.position)) is not None:
            reader.position = match.end()
            return match["text"]
    reader.fail(keyword.start, "expected ';' after this property, found the end of the file")


def parse_distribution(reader: TokenReader) -> Distribution:
    """Read a ``probability`` block token by token."""
    start = reader.next().start
    reader.mark("(", "after 'probability'")
    groups = _groups(reader, ")", "the name of a variable or ')'")
    names = tuple(name for group in groups for name in group)
    if not names:
        reader.fail(start, "expected the name of a variable in 'probability (…)', found none")
    reader.mark("{", f"after 'probability ({names[0]} …)'")
    entries: list[Entry] = []
    while not reader.skip("}"):
        if reader.at_word("property"):
            _property(reader)
        else:
            entries.append(_entry(reader, names[0]))
    return Distribution(names, entries, "", start)


def _entry(reader: TokenReader, child: str) -> Entry:
    token = reader.next()
    states: Groups = ()
    kind: Literal["row", "table", "default"] = "row"
    if token[:2] == ("mark", "("):
        states = _groups(reader, ")", "a parent's state or ')'")
    elif token[:2] == ("word", "table"):
        kind = "table"
    elif token[:2] == ("word", "default"):
        kind = "default"
    else:
        reader.fail(
            token.start,
            f"expected a row '(…)', 'table', 'default' or '}}' in the distribution of '{child}', "
            f"found {token}",
        )
    return Entry(kind, states, reader.numbers(child), token.start)
