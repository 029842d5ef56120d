"""How long chains run, what is recorded of them, and how threads share their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.numerics.diagnostics import LEAST_DRAWS, R_HAT_LIMIT

TRACE_BUDGET = 1 << 27
"""Bytes of states that diagnostics look at by default."""


class Schedule(NamedTuple):
    """How long chains run and what is recorded of them; kernels take it as one argument."""

    chains: int
    draws: int  # sweeps recorded of each chain
    burn_in: int  # sweeps before the first
    thinning: int = 1  # one sweep in so many is recorded
    interval: int = 1  # the trace holds the states of one draw in so many
    threads: int = 1

    @property
    def sweeps(self) -> int:
        """All sweeps of a chain."""
        return self.burn_in + self.draws * self.thinning

    @property
    def traced(self) -> int:
        """The draws whose states are in the trace."""
        return -(-self.draws // self.interval)

    def within(self, budget: int, bytes_of_a_chain: int) -> Schedule:
        """Return the schedule whose trace fits a budget, or has the fewest draws that R-hat takes.

        A draw of one chain takes ``bytes_of_a_chain``.
        """
        fitting = max(budget // max(1, bytes_of_a_chain * self.chains), LEAST_DRAWS)
        interval = max(1, -(-self.draws // fitting))
        if self.draws // interval < LEAST_DRAWS:
            interval = max(1, self.draws // LEAST_DRAWS)
        return self._replace(interval=interval)


class Part(NamedTuple):
    """What one call of a kernel draws; every range is without its end."""

    begin: int  # an element in the order of a program, or a row of two boards counted through
    end: int
    first_chain: int
    last_chain: int
    first_sweep: int
    last_sweep: int


@compiled
def draw_number(sweep: int, schedule: Schedule) -> int:
    """Return which draw a sweep is, or -1 if it is not recorded."""
    after = sweep - schedule.burn_in + 1
    if after > 0 and after % schedule.thinning == 0:
        return after // schedule.thinning - 1
    return -1


def check_least(lowest: int = 1, **numbers: int) -> None:
    """Raise MmgraphError naming the first number that is too low."""
    for name, number in numbers.items():
        if number < lowest:
            raise MmgraphError(f"{name} must be at least {lowest}, not {number}")


@dataclass(frozen=True)
class ChainOptions:
    """Options of samplers that run several chains, see :func:`mmgraph.inference.sampling.gibbs`."""

    draws: int = 1000
    burn_in: int | None = None
    chains: int = 4
    generator: torch.Generator | None = None
    r_hat_limit: float = R_HAT_LIMIT
    trace_budget: int = TRACE_BUDGET
    threads: int | None = None
    device: str = "auto"

    def schedule(self, thinning: int = 1) -> Schedule:
        """Return the schedule asked for, or raise MmgraphError naming the number that is wrong."""
        burn_in = self.draws * thinning // 2 if self.burn_in is None else self.burn_in
        threads = torch.get_num_threads() if self.threads is None else self.threads
        check_least(draws=self.draws, chains=self.chains, thinning=thinning, threads=threads)
        if burn_in < 0:
            raise MmgraphError(f"burn_in must not be negative, not {burn_in}")
        return Schedule(self.chains, self.draws, burn_in, thinning, 1, threads)
