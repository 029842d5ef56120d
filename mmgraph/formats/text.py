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

_COUNT = re.compile(r"[0-9]{1,18}")


def token_pattern(marks: str, line_comments: str = "//") -> re.Pattern[str]:
    """Return the pattern of the tokens of a format, ``marks`` being tokens of their own.

    ``line_comments`` is a regular expression of what begins a comment that ends with its line;
    comments between ``/*`` and ``*/`` are always known. A single ``%`` among them also ends a word.
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
    """A word, quoted name (its text without quotes and escapes) or mark, and where it begins.

    Behind the last one stands a token of the kind ``"end"``.
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
        return repr(self.text if len(self.text) <= 40 else f"{self.text[:40]}…")


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
    itself. The tokens (of :func:`token_pattern`) may be exchanged on the way.
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

    def skip(self, *marks: str) -> bool:
        """Move past one of these marks if it comes next; whether it did."""
        if found := self.at(*marks):
            self.next()
        return found

    def _expect(self, fits: bool, token: Token, what: str) -> Token:
        if not fits:
            self.fail(token.start, f"expected {what}, found {token}")
        return token

    def mark(self, mark: str, where: str) -> Token:
        """Move past a mark that must come next."""
        token = self.next()
        return self._expect(token[:2] == ("mark", mark), token, f"'{mark}' {where}")

    def word(self, word: str, where: str) -> Token:
        """Move past a keyword that must come next."""
        token = self.next()
        return self._expect(token[:2] == ("word", word), token, f"'{word}' {where}")

    def name(self, what: str) -> Token:
        """Move past a name that must come next."""
        token = self.next()
        return self._expect(token.is_name, token, what)

    def count(self, what: str) -> int:
        """Move past a whole number that must come next."""
        token = self.next()
        fits = token.kind == "word" and _COUNT.fullmatch(token.text) is not None
        return int(self._expect(fits, token, what).text)

    def number(self, what: str) -> float:
        """Move past a decimal number that must come next."""
        token = self.next()
        fits = token.kind == "word" and NUMBER.fullmatch(token.text) is not None
        return float(self._expect(fits, token, what).text)

    def names(self, close: str, what: str, between: str) -> list[Token]:
        """Move past names with commas between them, and the mark that closes the list."""
        names = []
        while not self.skip(close):
            names.append(self.name(f"{what} or '{close}'"))
            if not self.at(close):
                self.mark(",", between)
        return names

    def numbers(self, child: str) -> list[float]:
        """Move past the numbers of a distribution, commas or none between them, and ``;``."""
        numbers = []
        while not self.skip(";"):
            numbers.append(self.number(f"a number or ';' in the distribution of '{child}'"))
            self.skip(",")
        return numbers

    def discrete_states(self, name: str) -> int:
        """Move past ``discrete [ n ]``, and return how many states that are."""
        self.word("discrete", f"as the type of '{name}'")
        self.mark("[", f"after the type of '{name}'")
        count = self.count(f"the number of states of '{name}'")
        self.mark("]", "after the number of states")
        return count

    def fail(self, start: int, problem: str) -> NoReturn:
        """Raise the error that names the file and the line of a position."""
        fail(self.path, self.text, start, problem)
