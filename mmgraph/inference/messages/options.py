"""The options of message passing, checked and completed in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from mmgraph.graph.errors import MmgraphError, suggestion

Schedule = Literal["sequential", "parallel", "residual"]
SCHEDULES: tuple[Schedule, ...] = ("sequential", "parallel", "residual")

TENSOR_DAMPING = 0.3
"""How much of its old value a message keeps by default: sent all at once, messages oscillate."""


@dataclass(frozen=True)
class MessageOptions:
    """How messages are passed, and on what; the parameters of :func:`belief_propagation`.

    Attributes
    ----------
    on_tensors : bool
        Whether messages are tensors: away from the CPU, and where gradients are asked for.

    Raises
    ------
    MmgraphError
        If an option is out of range, or tensors are not passed in the schedule.
    """

    schedule: Schedule = "sequential"
    iterations: int = 200
    tolerance: float = 1e-6
    damping: float = 0.0
    device: str = "auto"
    dtype: torch.dtype | None = None
    memory_budget: int | None = None
    on_tensors: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            hint, known = suggestion(self.schedule, SCHEDULES), ", ".join(SCHEDULES)
            raise MmgraphError(f"unknown schedule {self.schedule!r}{hint} (known: {known})")
        if not 0 <= self.damping < 1:
            raise MmgraphError(f"damping must lie in [0, 1), not {self.damping}")
        if self.iterations < 1:
            raise MmgraphError(f"iterations must be at least 1, not {self.iterations}")
        if self.on_tensors and self.schedule != "parallel":
            raise MmgraphError(
                f"the schedule {self.schedule!r} runs on the CPU, and without gradients: elsewhere "
                "messages are passed in the 'parallel' schedule, which need not be named"
            )

    @classmethod
    def suited(
        cls,
        on_tensors: bool,
        schedule: Schedule | None,
        iterations: int,
        tolerance: float,
        damping: float | None,
        device: str,
        dtype: torch.dtype | None,
        memory_budget: int | None,
    ) -> MessageOptions:
        """Return options whose schedule and damping suit the messages where they are None."""
        if schedule is None:
            schedule = "parallel" if on_tensors else "sequential"
        if damping is None:
            damping = TENSOR_DAMPING if on_tensors else 0.0
        return cls(
            schedule, iterations, tolerance, damping, device, dtype, memory_budget, on_tensors
        )
