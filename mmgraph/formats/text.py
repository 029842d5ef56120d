"""Reading text token by token, with errors that say where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from os import PathLike
from typing import NamedTuple, NoReturn

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import FormatError, suggestion
from mmgraph.graph.state_labels import NUMBER

Fail = Callable[[str], NoReturn]
"""Raises a FormatError with the file, the line and this problem."""

WORD = re.compile(r'[^\s{}()\[\];,|"]+')
"""A name that needs no quotes (unless a comment mark begins it)."""

BRACKETED_WORD = re.compile(r'[^\s{}();,|"]+')
"""A name as other programs write it where names are listed."""

_LONGEST_COUNT = 18


def token_pattern(marks: str, line_comments: str = "//") -> re.Pattern[str]:
    """Return the pattern of the tokens of a format, for :class:`TokenReader`.

    Parameters
    ----------
    marks : str
        The characters that are tokens of their own.
    line_comments : str
        A regular expression of what begins a comment that ends with its line; comments between
        ``/*`` and ``*/`` are always known. A single ``%`` among them also ends a word.
    """
    stops = re.escape(marks) + ("%" if "%" in line_comments else "")
    return re.compile(
        rf"""
          (?P<blank>\s++)
        | (?P<comment>(?:{line_comments})[^\n]*+ | /\*.*?\*/)
        | (?P<open>/\*)
        | (?P<quoted>"[^"\\]*+(?:\\.[^"\\]*+)*+")
        | (?P<quote>")
        | (?P<mark>[{re.escape(marks)}])
        | (?P<word>[^\s"{stops}]++)
        """,
        re.VERBOSE | re.DOTALL,
    )


BIF_TOKENS = token_pattern("{}()[];,|")
BIF_NAMES = token_pattern("{}();,|")
"""Where names are listed in a BIF file; brackets belong to them: R writes ``[0_5]``."""

_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])')


class Token(NamedTuple):
    """A piece of text.

    Attributes
    ----------
    kind : str
        ``"word"``, ``"quoted"``, ``"mark"`` or, behind the last piece, ``"end"``.
    text : str
        The word, the quoted name without quotes and escapes, or the mark.
    start : int
        Where it begins.
    """

    kind: str
    text: str
    start: int

    @property
    def is_name(self) -> bool:
        """Whether the token can name a variable or a state."""
        return self.kind in ("word", "quoted")

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        shown = self.text if len(self.text) <= 40 else f"{self.text[:40]}…"
        return f"{shown!r}"


def quoted(name: str) -> str:
    """Return a name as it must stand in a file: bare where possible, else quoted and escaped."""
    if WORD.fullmatch(name) and not name.startswith(("//", "/*")):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(text: str) -> str:
    """Return a name without the blanks, quotes and escapes around it."""
    text = text.strip()
    return _ESCAPE.sub(r"\1", text[1:-1]) if _QUOTED.fullmatch(text) else text


def decimal_numbers(text: str) -> Float64[np.ndarray, " numbers"] | None:
    """Return the finite decimal numbers that blanks separate, or None if anything else is there.

    Whatever :func:`is_number` denies is something else.
    """
    pieces = text.split()
    # float() would read other digits, and 1_000: only what can hold neither is left to it.
    if (not text.isascii() or "_" in text) and not all(map(is_number, pieces)):
        return None
    try:
        numbers = np.array(list(map(float, pieces)), dtype=np.float64)
    except ValueError:
        return None
    return numbers if bool(np.isfinite(numbers).all()) else None


def is_number(piece: str) -> bool:
    """Whether this is a decimal number in the range of a double."""
    return NUMBER.fullmatch(piece) is not None and abs(float(piece)) < float("inf")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return :func:`suggestion` at a bounded cost, whatever a file may call its variables."""
    return suggestion(name[:60], (k for k in islice(known, 5000) if len(k) <= 60))


def line_of(text: str, start: int) -> int:
    """Return the line, from 1, of a position in a text."""
    return text.count("\n", 0, start) + 1


def fail(path: str | PathLike[str], text: str, start: int, problem: str) -> NoReturn:
    """Raise the error that names the file and the line of a position in its text."""
    raise FormatError(f"{path}, line {line_of(text, start)}: {problem}")


class TokenReader:
    r"""A cursor over the tokens of a text; blanks and comments are skipped.

    A comment begins only where a token could begin, so that ``a//b`` and ``I/O`` are names.
    Inside quotes ``\"`` stands for a quote and ``\\`` for a backslash; any other backslash is
    itself.

    Parameters
    ----------
    path : path
        For the messages.
    text : str
        The whole file.
    position : int
        Where to begin.
    tokens : re.Pattern
        The tokens of the format, see :func:`token_pattern`; may be exchanged on the way.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        text: str,
        position: int = 0,
        tokens: re.Pattern[str] = BIF_TOKENS,
    ) -> None:
        self.path = path
        self.text = text
        self.position = position
        self.tokens = tokens

    def peek(self) -> Token:
        """Return the next token without moving past it."""
        token, _ = self._scan()
        return token

    def next(self) -> Token:
        """Return the next token and move past it."""
        token, self.position = self._scan()
        return token

    def _scan(self) -> tuple[Token, int]:
        while (match := self.tokens.match(self.text, self.position)) is not None:
            kind = match.lastgroup or ""
            if kind in ("blank", "comment"):
                self.position = match.end()
                continue
            if kind == "open":
                self.fail(match.start(), "the comment that begins here never ends")
            if kind == "quote":
                self.fail(match.start(), "the quoted name that begins here never ends")
            text = match.group()
            if kind == "quoted":
                text = _ESCAPE.sub(r"\1", text[1:-1])
            return Token(kind, text, match.start()), match.end()
        return Token("end", "", len(self.text)), len(self.text)

    def at(self, *marks: str) -> bool:
        """Whether the next token is one of these marks."""
        token = self.peek()
        return token.kind == "mark" and token.text in marks

    def at_word(self, *words: str) -> bool:
        """Whether the next token is one of these words, unquoted."""
        token = self.peek()
        return token.kind == "word" and token.text in words

    def mark(self, mark: str, where: str) -> Token:
        """Move past a mark that must come next."""
        token = self.next()
        if token.kind != "mark" or token.text != mark:
            self.fail(token.start, f"expected '{mark}' {where}, found {token}")
        return token

    def word(self, word: str, where: str) -> Token:
        """Move past a keyword that must come next."""
        token = self.next()
        if token.kind != "word" or token.text != word:
            self.fail(token.start, f"expected '{word}' {where}, found {token}")
        return token

    def name(self, what: str) -> Token:
        """Move past a name that must come next."""
        token = self.next()
        if not token.is_name:
            self.fail(token.start, f"expected {what}, found {token}")
        return token

    def count(self, what: str) -> int:
        """Move past a whole number that must come next."""
        token = self.next()
        digits = token.text.isascii() and token.text.isdigit()
        if token.kind != "word" or not digits or len(token.text) > _LONGEST_COUNT:
            self.fail(token.start, f"expected {what}, found {token}")
        return int(token.text)

    def number(self, what: str) -> float:
        """Move past a decimal number that must come next."""
        token = self.next()
        if token.kind != "word" or not NUMBER.fullmatch(token.text):
            self.fail(token.start, f"expected {what}, found {token}")
        return float(token.text)

    def fail(self, start: int, problem: str) -> NoReturn:
        """Raise the error that names the file and the line of a position."""
        fail(self.path, self.text, start, problem)
