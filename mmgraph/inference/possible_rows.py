"""Rows of evidence that a model holds to be impossible, set apart so that they fail no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence

Answer = TypeVar("Answer")


def ask_possible_rows(
    evidence: Evidence, ask: Callable[[Evidence], Answer]
) -> tuple[Int64[np.ndarray, " rows"], Answer | None, ZeroProbabilityError | None]:
    """Ask about all rows, and again without the impossible ones, until there are none.

    Return the rows that are answered, the answer (None if there are no such rows), and what was
    said last of impossible ones. A method that does not say which they are has its error raised.
    """
    possible, last = np.arange(evidence.batch), None
    while len(possible):
        whole = len(possible) == evidence.batch
        try:
            return possible, ask(evidence if whole else evidence.rows(possible)), last
        except ZeroProbabilityError as error:
            if not error.rows:
                raise
            last = error
            possible = np.delete(possible, list(error.rows))
    return possible, None, last


_ROWS_SHOWN = 8


def named_rows(rows: Sequence[int] | np.ndarray) -> str:
    """Return the first few of some rows as people read them: ``"rows 1, 4"``."""
    shown = ", ".join(str(r) for r in rows[:_ROWS_SHOWN])
    more = f" and {len(rows) - _ROWS_SHOWN} more" if len(rows) > _ROWS_SHOWN else ""
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{more}"
