"""The blocks of a NET file: what they say, not yet what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.notes import NOTE
from mmgraph.formats.text import TokenReader, decimal_numbers, is_number, token_pattern, unquoted

NET_TOKENS = token_pattern("{}()=;|,:", line_comments="%|//")
STATE_TOKENS = token_pattern("(),", line_comments="%|//")
"""In a list of states, where aGrUM leaves the quotes of ``[0;0.5[`` out."""

# Some programs leave the quotes of free text out, too: what counts is the semicolon.
_DATA = re.compile(r"(?:[^;%/\"{}]++|%[^\n]*+|//[^\n]*+|/\*.*?\*/|/(?![/*]))*+;", re.DOTALL)
_COMMENT = re.compile(r"%[^\n]*+|//[^\n]*+|/\*.*?\*/", re.DOTALL)
_VISIBLE = re.compile(r"[^\n]")
_MARKS = str.maketrans("(),", "   ")
_PARENTHESES = re.compile(r"[()]++")
_PIECE = re.compile(r"[^\s(),]++")
_KEPT = ("subtype", "state_values", "modality", NOTE)
_SUBTYPES = {
    "interval": "interval",
    "labeled": "label",
    "labelled": "label",
    "numbered": "number",
    "boolean": "boolean",
}
"""What the words that may stand before ``node`` say of it, by the names of the attribute."""
_PREFIXES = ("discrete", "continuous", *_SUBTYPES)
_REFUSED = {
    "continuous": "a continuous (conditional Gaussian) node",
    "decision": "a decision",
    "utility": "a utility",
    "function": "a function node",
    "instance": "an instance of another network",
}


class Node(NamedTuple):
    """A discrete chance node: its labels or their number, where given, and its position.

    The properties are its subtype, by attribute or by a word before ``node``, and what this package
    writes beside its name.
    """

    name: str
    states: tuple[str, ...] | int | None
    properties: dict[str, str]
    start: int


class Potential(NamedTuple):
    """The distribution of a node, the child moving fastest in its data where those are given.

    ``row`` is how many numbers each innermost pair of parentheses holds, if there are several;
    with ``has_model`` expressions take the place of numbers.
    """

    child: str
    parents: tuple[str, ...]
    data: Float64[np.ndarray, " numbers"] | None
    row: int | None
    has_model: bool
    start: int


@dataclass
class Document:
    """The blocks of a file, in order."""

    nodes: list[Node] = field(default_factory=list)
    potentials: list[Potential] = field(default_factory=list)


def parse(path: str | PathLike[str], text: str) -> Document:
    """Take a file apart into blocks, all of a network of discrete random variables."""
    reader = TokenReader(path, text, tokens=NET_TOKENS)
    document = Document()
    networks = 0
    while (token := reader.peek()).kind != "end":
        if reader.at_word("net", "class"):
            networks += 1
            if networks > 1:
                reader.fail(token.start, f"expected one network, found another {token}")
            _network(reader, document)
        else:
            _block(reader, document)
    return document


def _network(reader: TokenReader, document: Document) -> None:
    keyword = reader.next()
    while reader.peek().is_name:  # a class has a name, and some programs name a net
        reader.next()
    reader.mark("{", f"after '{keyword.text}'")
    while not reader.skip("}"):
        start = reader.position
        key = reader.next()
        if reader.at("="):
            _skipped_value(reader, key.text)
        else:
            reader.position = start
            _block(reader, document)


def _block(reader: TokenReader, document: Document) -> None:
    """Read one node or potential."""
    token = first = reader.next()
    words = []
    while token.kind == "word" and token.text in _PREFIXES:
        words.append(token.text)
        token = reader.next()
    words.append(token.text)
    if token.kind == "word" and token.text == "potential" and len(words) == 1:
        document.potentials.append(_potential(reader, first.start))
        return
    if token.kind != "word" or token.text not in ("node", *_REFUSED):
        reader.fail(token.start, f"expected a block 'node' or 'potential', found {token}")
    name = reader.name(f"a name after '{' '.join(words)}'").text
    for word in words:
        if word in _REFUSED:
            reader.fail(
                first.start,
                f"'{name}' is {_REFUSED[word]}; networks of discrete random variables alone can "
                "be read",
            )
    node = _node(reader, name, first.start)
    for subtype in (_SUBTYPES[word] for word in words if word in _SUBTYPES):
        if node.properties.setdefault("subtype", subtype) != subtype:
            other = node.properties["subtype"][:40]
            reader.fail(first.start, f"'{name}' is both of subtype '{subtype}' and '{other}'")
    document.nodes.append(node)


def _node(reader: TokenReader, name: str, start: int) -> Node:
    reader.mark("{", f"after the name of the node '{name}'")
    states: tuple[str, ...] | int | None = None
    properties: dict[str, str] = {}
    while not reader.skip("}"):
        key = reader.name(f"an attribute of '{name}' or '}}'")
        if key.text == "states":
            if states is not None:
                reader.fail(key.start, f"the states of '{name}' are given twice")
            states = _states(reader, name)
            continue
        value = _skipped_value(reader, key.text)
        if key.text in _KEPT:
            if key.text in properties:
                reader.fail(key.start, f"'{key.text}' of '{name}' is given twice")
            text = unquoted(value)
            properties[key.text] = _SUBTYPES.get(text, text) if key.text == "subtype" else text
    return Node(name, states, properties, start)


def _skipped_value(reader: TokenReader, key: str) -> str:
    """Move past ``= value ;`` and return the text of the value."""
    reader.mark("=", f"after '{key}'")
    start, depth = reader.position, 0
    while True:
        token = reader.next()
        if token.kind == "end" or (token.kind == "mark" and token.text in "{}"):
            reader.fail(token.start, f"expected ';' after the value of '{key}', found {token}")
        if token.kind == "mark":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == ";" and depth <= 0:
                return reader.text[start : token.start]


def _states(reader: TokenReader, name: str) -> tuple[str, ...] | int:
    reader.mark("=", "after 'states'")
    if not reader.skip("("):
        count = reader.count(f"the states of '{name}'")
        reader.mark(";", f"after the states of '{name}'")
        return count
    reader.tokens = STATE_TOKENS
    states = []
    while not reader.skip(")"):
        if not reader.skip(","):
            states.append(reader.name(f"a state of '{name}' or ')'").text)
    reader.tokens = NET_TOKENS
    reader.mark(";", f"after the states of '{name}'")
    return tuple(states)


def _potential(reader: TokenReader, start: int) -> Potential:
    reader.mark("(", "after 'potential'")
    sides: list[list[str]] = [[]]
    while not reader.skip(")"):
        if reader.at("|"):
            bar = reader.next()
            sides.append([])
            if len(sides) > 2:
                reader.fail(bar.start, "expected ')' after the parents, found another '|'")
        elif not reader.skip(","):
            sides[-1].append(reader.name("the name of a node, '|' or ')'").text)
    if len(sides[0]) != 1:
        found = " ".join(sides[0])[:60] or "none"
        reader.fail(start, f"expected one node before '|' in 'potential (…)', found {found}")
    child, parents = sides[0][0], tuple(sides[1]) if len(sides) > 1 else ()
    reader.mark("{", f"after 'potential ({child} …)'")
    data: Float64[np.ndarray, " numbers"] | None = None
    row = None
    has_model = False
    while not reader.skip("}"):
        key = reader.name(f"'data' or '}}' in the potential of '{child}'")
        if key.text == "data":
            if data is not None:
                reader.fail(key.start, f"the data of '{child}' are given twice")
            data, row = _data(reader, child)
        else:
            has_model |= key.text == "model_data"
            _skipped_value(reader, key.text)
    return Potential(child, parents, data, row, has_model, start)


def _data(reader: TokenReader, child: str) -> tuple[Float64[np.ndarray, " numbers"], int | None]:
    reader.mark("=", "after 'data'")
    match = _DATA.match(reader.text, reader.position)
    if match is None:
        reader.fail(reader.position, f"expected numbers and ';' as the data of '{child}'")
    # Comments become blanks of the same length: positions stay what they are.
    plain = _COMMENT.sub(lambda m: _VISIBLE.sub(" ", m.group()), match.group()[:-1])
    numbers = decimal_numbers(plain.translate(_MARKS))
    if numbers is None:
        wrong = next(p for p in _PIECE.finditer(plain) if not is_number(p.group()))
        shown = wrong.group()[:40]
        place = reader.position + wrong.start()
        reader.fail(place, f"expected a number in the data of '{child}', found {shown!r}")
    if plain.count("(") != plain.count(")"):
        reader.fail(reader.position, f"the parentheses in the data of '{child}' do not match")
    sizes = {len(g.split()) for g in _PARENTHESES.split(plain.replace(",", " ")) if not g.isspace()}
    sizes.discard(0)
    if len(sizes) > 1:
        reader.fail(
            reader.position, f"the rows in the data of '{child}' hold {min(sizes)} to {max(sizes)}"
        )
    reader.position = match.end()
    row = sizes.pop() if sizes else None
    return numbers, row if row is not None and row < len(numbers) else None
