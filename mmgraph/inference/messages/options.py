"""The options of message passing, checked in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from mmgraph.graph.errors import MmgraphError, suggestion

Schedule = Literal["sequential", "parallel", "residual"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

Progress = Callable[[int, float, float], None]
"""Called with the iteration, the energy and the bound."""


@dataclass(frozen=True)
class MessageOptions:
    """How messages are passed, and on what: the options of :func:`belief_propagation`.

    Raises
    ------
    MmgraphError
        If an option is out of range.
    """

    schedule: Schedule | None = None
    iterations: int = 200
    tolerance: float = 1e-6
    damping: float | None = None
    device: str = "auto"
    dtype: torch.dtype | None = None
    memory_budget: int | None = None

    def __post_init__(self) -> None:
        if self.schedule not in (None, *SCHEDULES):
            hint, names = suggestion(self.schedule, SCHEDULES), ", ".join(SCHEDULES)
            raise MmgraphError(f"unknown schedule {self.schedule!r}{hint} (known: {names})")
        if not 0 <= (self.damping or 0.0) < 1:
            raise MmgraphError(f"damping must lie in [0, 1), not {self.damping}")
        if self.iterations < 1:
            raise MmgraphError(f"iterations must be at least 1, not {self.iterations}")


@dataclass(frozen=True)
class SearchOptions:
    """What :func:`trws` and :func:`trws_and_moves` have in common."""

    iterations: int = 100
    tolerance: float = 1e-7
    time_limit: float | None = None
    dtype: torch.dtype | None = None
    memory_budget: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class TrwsOptions(SearchOptions):
    """Options of :func:`trws`."""

    device: str = "auto"

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise MmgraphError(f"iterations must be at least 1, not {self.iterations}")
