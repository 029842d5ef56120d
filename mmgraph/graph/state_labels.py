"""What a single cell means: which state a label, a number, a truth value or a text names."""

from __future__ import annotations

import math
import numbers
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mmgraph.graph.errors import EvidenceError, UnknownStateError, suggestion

MISSING = -1
"""The state index that stands for "not observed"."""

Label = str | int | bool | float

NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
"""A decimal number; neither ``nan`` nor ``inf`` is one."""

_PLAIN_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?")
_STARTS_WITH_DIGIT = re.compile(r"[\s(\[<>=≤≥~+._-]*[0-9]")
_INTERVAL = re.compile(r"([(\[])\s*([^\s,]+)\s*,\s*([^\s,]+)\s*([)\]])")
_TRUTH = {"true": True, "false": False}
_OFTEN_MISSING = frozenset(("", "-", ".", "?", "n/a", "na", "nan", "nil", "none", "null", "<na>"))
_HUGE = 1e300
_MOST_REMEMBERED = 10_000
PLAIN_CELLS = (str, int, float, bool, np.generic)
"""What :meth:`StateLabels.read` remembers."""


@dataclass(frozen=True)
class Index:
    """State indices, said outright so that they are not looked up among the labels."""

    codes: Any

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Index:
        return Index(self.codes[rows])


def index(codes: object) -> Index:
    """Mark state indices as such: ``mm.index(0)`` is the first state, whatever its label.

    Parameters
    ----------
    codes : int or array-like of int
        One index, or one a row; -1 is a missing cell.
    """
    return Index(codes)


class _Interval(NamedTuple):
    low: float
    high: float
    low_closed: bool
    high_closed: bool

    def __contains__(self, number: object) -> bool:
        assert isinstance(number, float)
        above = self.low <= number if self.low_closed else self.low < number
        return above and (number <= self.high if self.high_closed else number < self.high)


class StateLabels:
    """The labels of a variable's states, and the one rule by which a cell names a state.

    A label wins over an index. In this order:

    1. An :class:`Index` is an index; ``None``, NaN and pandas' NA are missing.
    2. A truth value is the label that spells it (``true``, ``FALSE`` …); it is never a number.
    3. A number is the label that equals it, spells it (``"1"``, ``"1.0"``) or is an interval that
       holds it (``"[20, 35)"``); else -1 is missing (unless labels are intervals); else, where no
       label could be meant since none begins with a digit, it is an index. Beside labels that
       spell truth values, 0 and 1 are indices only where these are the same states.
    4. A text is the label that is spelled like it; else what it spells is a truth value or a
       number, which it is only if it spells back to itself (``"01"``, ``"1_0"``, ``"1E2"`` do not).

    Parameters
    ----------
    name : str
        The variable's, for messages.
    labels : range or sequence of labels
        A range stands for states that are only counted.
    counts_truth : bool
        Whether the two states of counted labels are false and true (a Bernoulli variable).

    Attributes
    ----------
    memo : dict
        Plain cells already read, as ``(type, cell)``; only :meth:`read` writes here.
    """

    __slots__ = (
        "_exact",
        "_numbers",
        "_texts",
        "_truths",
        "intervals",
        "labels",
        "memo",
        "name",
        "numeric",
        "takes_indices",
    )

    def __init__(self, name: str, labels: Sequence[Label], counts_truth: bool = False) -> None:
        self.name, self.labels = name, labels
        self.memo: dict[tuple[type, Any], int] = {}
        self._exact: dict[tuple[type, Label], int] = {}
        self._texts: dict[str, int] = {}
        self._numbers: dict[float, list[int]] = {}
        self._truths: dict[bool, list[int]] = {False: [], True: []}
        self.intervals: dict[int, _Interval] = {}
        self.numeric = not isinstance(labels, range)
        if isinstance(labels, range):
            if counts_truth and len(labels) == 2:
                self._truths = {False: [0], True: [1]}
            self.takes_indices = True
            return
        for code, label in enumerate(labels):
            self._take(label, code)
        self.numeric = bool(self._numbers or self.intervals) or any(
            isinstance(label, str) and _STARTS_WITH_DIGIT.match(label) for label in labels
        )
        # Whether a number can only be an index.
        self.takes_indices = not self.numeric and all(
            codes in ([], [int(truth)]) for truth, codes in self._truths.items()
        )

    def _take(self, label: Label, code: int) -> None:
        self._exact[type(label), label] = code
        if isinstance(label, str):
            self._texts[label] = code
            if (truth := _TRUTH.get(label.casefold())) is not None:
                self._truths[truth].append(code)
            elif (number := number_spelled(label)) is not None:
                self._numbers.setdefault(number, []).append(code)
            elif (interval := _interval(label)) is not None:
                self.intervals[code] = interval
            return
        if isinstance(label, bool):
            self._truths[label].append(code)
        elif not math.isfinite(label):
            self._texts.setdefault(str(label), code)
        self._numbers.setdefault(label, []).append(code)

    def read(self, cell: object) -> int:
        """Return the state index that a cell stands for, ``MISSING`` where it says nothing.

        Raises
        ------
        UnknownStateError
            If no state, or more than one, could be meant; lists the labels, and the nearest.
        EvidenceError
            If the cell is no single value.
        """
        if is_missing(cell):
            return MISSING
        plain = isinstance(cell, PLAIN_CELLS)
        if plain and (code := self.memo.get((type(cell), cell))) is not None:
            return code
        code = self._read(cell)
        if plain and code != MISSING and len(self.memo) < _MOST_REMEMBERED:
            self.memo[type(cell), cell] = code
        return code

    def _read(self, cell: Any) -> int:
        if isinstance(cell, Index):
            return self.checked_index(cell.codes)
        if isinstance(cell, str | int | float) and (type(cell), cell) in self._exact:
            return self._exact[type(cell), cell]
        if hasattr(cell, "item") and getattr(cell, "ndim", 0) == 0:
            return self.read(plain_cell(cell))
        if isinstance(cell, bool):
            return self._only(self._truths[cell], cell)
        if isinstance(cell, numbers.Real):
            return self._of_number(cell, cell)
        if isinstance(cell, set | frozenset | dict | list | np.ndarray) or hasattr(cell, "shape"):
            raise EvidenceError(
                f"evidence for '{self.name}' holds {cell!r}, which is no single state"
            )
        if isinstance(cell, bytes):
            cell = cell.decode(errors="replace")
        # A member of an enumeration of texts is that text, and not its name.
        return self._of_text(str.__str__(cell) if isinstance(cell, str) else str(cell))

    def _of_number(self, number: Any, cell: object) -> int:
        if isinstance(self.labels, range):
            return self.checked_index(number)
        codes = self._numbers.get(number, [])
        if not codes and self.intervals and abs(number) < _HUGE:
            codes = self._intervals_around(float(number))
        if len(codes) > 1 and (code := self._texts.get(str(cell))) is not None:
            return code  # "1" and "1.0" are both labels
        if codes:
            return self._only(codes, cell)
        if number == MISSING and not self.intervals:
            return MISSING
        if self.numeric:
            raise self._unknown(cell)
        position = self.checked_index(number)
        if position in (0, 1) and position not in (
            meant := self._truths[bool(position)] or [position]
        ):
            self._only([*meant, position], cell)  # refuses it
        return position

    def _of_text(self, text: str) -> int:
        code = self._texts.get(text)
        if code is not None:
            return code
        if (truth := _TRUTH.get(text.casefold())) is not None and self._truths[truth]:
            return self._only(self._truths[truth], text)
        if (number := number_spelled(text)) is not None:
            return self._of_number(number, text)
        if self.intervals and _PLAIN_DECIMAL.fullmatch(text):
            return self._only(self._intervals_around(float(text)), text)
        raise self._unknown(text)

    def _intervals_around(self, number: float) -> list[int]:
        return [code for code, interval in self.intervals.items() if number in interval]

    def checked_index(self, number: Any) -> int:
        """Return an index as it is; -1 is missing.

        Raises
        ------
        UnknownStateError
            If it is no whole number, or there are not so many states.
        """
        is_number = isinstance(number, numbers.Real) and not isinstance(number, bool)
        if not is_number or number != number // 1:
            raise self._unknown(number)
        if not MISSING <= number < len(self.labels):
            raise UnknownStateError(
                f"variable '{self.name}' has {len(self.labels)} states; index {number} is out of "
                "range"
            )
        return int(number)

    def _only(self, codes: Sequence[int], cell: object) -> int:
        if len(codes) == 1:
            return codes[0]
        if not codes:
            raise self._unknown(cell)
        meant = " or ".join(repr(self.labels[c]) for c in codes)
        raise UnknownStateError(
            f"variable '{self.name}': {cell!r} could mean {meant}; write the label, or mm.index(…)"
        )

    def _unknown(self, cell: object) -> UnknownStateError:
        shown = ", ".join(repr(label) for label in self.labels[:8])
        more = ", …" if len(self.labels) > 8 else ""
        hint = suggestion(cell, self.labels[:5000]) if len(str(cell)) <= 100 else ""
        advice = ""
        if isinstance(cell, float) and 0 < cell < 1:
            advice = "; probabilities of the states are written mm.soft(probabilities=…)"
        elif str(cell).casefold() in _OFTEN_MISSING:
            advice = (
                f"; where that stands for a missing cell, say missing=[{cell!r}] to what reads the "
                "table, such as mm.open_table or mm.Evidence.of; at the command line --read "
                f"{shlex.quote(f'missing={cell}')}"
            )
        text = repr(cell) if len(str(cell)) <= 100 else f"{str(cell)[:100]!r}…"
        return UnknownStateError(
            f"variable '{self.name}' has no state {text}{hint} (its states: {shown}{more}){advice}"
        )


def is_missing(cell: object) -> bool:
    """Whether a cell is None, NaN, NumPy's ``masked``, or pandas' NA, equal to nothing."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    return isinstance(cell, float | np.floating) and bool(cell != cell)


def plain_cell(cell: Any) -> Any:
    """Return a NumPy scalar or a tensor of one number as the Python value that it is spelled like.

    In single precision 0.1 is another number than in double; it is the label 0.1 all the same.
    """
    if isinstance(cell, np.floating) and not isinstance(cell, float):
        return float(str(cell))
    if isinstance(cell, np.generic) or not hasattr(cell, "numpy"):
        return cell.item() if hasattr(cell, "item") else cell
    if str(cell.dtype) == "torch.bfloat16":  # which NumPy lacks
        cell = cell.float()
    return plain_cell(cell.detach().cpu().numpy()[()])


def number_spelled(text: str) -> float | None:
    """Return the number that a text spells, or None unless the number spells back to the text.

    ``"1"``, ``"-3"``, ``"1.0"`` and ``"0.25"`` are numbers; ``"02139"``, ``"1_0"``, ``"1E2"``,
    ``"1.50"`` and ``" 1"`` are names.
    """
    if not NUMBER.fullmatch(text) or len(text) > 400:
        return None
    if text.lstrip("-").isdigit():
        return int(text) if str(int(text)) == text else None
    number = float(text)
    return number if repr(number) == text else None


def _interval(label: str) -> _Interval | None:
    """The interval that a label such as ``[20, 35)`` or ``(65, inf]`` describes."""
    match = _INTERVAL.fullmatch(label)
    if match is None:
        return None
    ends = [_end(match[2]), _end(match[3])]
    if None in ends:
        return None
    low, high = ends
    assert low is not None
    assert high is not None
    return _Interval(low, high, match[1] == "[", match[4] == "]")


def _end(text: str) -> float | None:
    if text.lstrip("+-") in ("inf", "∞"):
        return -math.inf if text.startswith("-") else math.inf
    return float(text) if NUMBER.fullmatch(text) else None
