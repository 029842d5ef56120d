"""In which order messages are passed, and how much they are damped."""

from __future__ import annotations

from typing import Literal

from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.inference.messages.tensors.belief_propagation import DAMPING, check_passes

Schedule = Literal["sequential", "parallel", "residual"]
SCHEDULES: tuple[Schedule, ...] = ("sequential", "parallel", "residual")


def suited_options(
    schedule: Schedule | None, iterations: int, damping: float | None, on_tensors: bool
) -> tuple[Schedule, float]:
    """Return the schedule and the damping of a call: what is named, else what suits the messages.

    Those that are tensors are all sent at once, and damped by default, since they oscillate more.

    Raises
    ------
    MmgraphError
        If an option is out of range, or the messages are not passed in the schedule.
    """
    usual: tuple[Schedule, float] = ("parallel", DAMPING) if on_tensors else ("sequential", 0.0)
    chosen = usual[0] if schedule is None else schedule
    damped = usual[1] if damping is None else damping
    check_options(chosen, iterations, damped)
    if on_tensors and chosen != "parallel":
        raise MmgraphError(
            f"the schedule {chosen!r} runs on the CPU, and without gradients: elsewhere messages "
            "are passed in the 'parallel' schedule, which need not be named"
        )
    return chosen, damped


def check_options(schedule: str, iterations: int, damping: float) -> None:
    """Raise MmgraphError if an option of message passing is out of range."""
    if schedule not in SCHEDULES:
        hint = suggestion(schedule, SCHEDULES)
        raise MmgraphError(f"unknown schedule {schedule!r}{hint} (known: {', '.join(SCHEDULES)})")
    check_passes(iterations, damping)
