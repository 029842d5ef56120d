"""The options of learning a structure, sorted and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np

from mmgraph.data.encoding import READING, checked_reading
from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.structure.constraints import Edge
from mmgraph.learning.structure.reading import MISSING_CELLS

_KINDS = ("states", "modalities", "variables", "bins", "continuous", "groups", "weights")
_CONSTRAINTS = ("max_parents", "roots", "leaves")


@dataclass(frozen=True)
class SearchOptions:
    """The options of :func:`learn_structure` that say how to search; see there."""

    confidence: str = "bootstrap"
    restarts: int | None = None
    strength: float = 1.0
    held_out: float = 0.3
    missing: str = "raise"
    alpha: float = 0.05
    test: str = "auto"
    start: Sequence[Edge] = ()
    threshold: float | None = None
    threads: int | None = None
    checkpoint: str | PathLike[str] | None = None
    progress: Callable[[int, int], object] | None = None

    def check(self) -> None:
        """Refuse what the options cannot be."""
        check_choice("missing", self.missing, MISSING_CELLS, LearningError)
        check_choice("confidence", self.confidence, ("bootstrap", "orders"), LearningError)
        if not (_is_number(self.strength) and 0 < self.strength < math.inf):
            raise LearningError(f"the strength of a score is positive, not {self.strength!r}")
        if not (_is_number(self.held_out) and 0 < self.held_out < 1):
            raise LearningError(f"held_out is a share of the rows, not {self.held_out!r}")
        if self.threshold is not None and not (
            _is_number(self.threshold) and 0 < self.threshold <= 1
        ):
            raise LearningError(f"a threshold is above 0 and at most 1, not {self.threshold!r}")
        for what in ("restarts", "threads"):
            check_count(what, getattr(self, what), none=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_count(what: str, value: object, none: bool = False) -> None:
    """Refuse what is no whole number from 0 on, or None where that is allowed."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
    if not (whole or (none and value is None)):
        raise LearningError(f"{what} is a whole number from 0 on, not {value!r}")


def sorted_options(
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], SearchOptions]:
    """Options of reading, of kinds of columns, of constraints and of the search."""
    of_search = [f.name for f in fields(SearchOptions)]
    names = {"missing_cells": "missing"} | {n: n for n in READING if n not in ("missing", "extra")}
    allowed = (*names, *_KINDS, *_CONSTRAINTS, *of_search)
    checked_reading(options, allowed)
    search = SearchOptions(**{n: v for n, v in options.items() if n in of_search})
    search.check()
    return (
        {names[n]: v for n, v in options.items() if n in names},
        {n: v for n, v in options.items() if n in _KINDS},
        {n: v for n, v in options.items() if n in _CONSTRAINTS},
        search,
    )
