"""Many chains of block Gibbs sampling on the threads of a CPU.

Random numbers are counted, not carried: they depend on key, chain, sweep and element only, and the
answer is the same on any number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt32

from mmgraph.inference.sampling.gibbs_kernels import BLOCK, gibbs_sweeps
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram
from mmgraph.inference.sampling.two_state_grid import TwoStateGrid, two_state_grid
from mmgraph.inference.sampling.two_state_kernels import board_sweeps

_LARGE = 1 << 15
"""Elements from which on threads share a chain; smaller ones get whole chains."""

Task = Callable[[], None]


@dataclass(frozen=True)
class Schedule:
    """How long chains run and what is kept of them.

    Attributes
    ----------
    chains : int
        How many.
    draws : int
        Sweeps recorded of each.
    burn_in : int
        Sweeps before the first.
    thinning : int
        One sweep in so many is recorded.
    interval : int
        The states of one draw in so many are kept.
    threads : int
        Of the CPU.
    """

    chains: int
    draws: int
    burn_in: int
    thinning: int = 1
    interval: int = 1
    threads: int = 1

    @property
    def sweeps(self) -> int:
        """All sweeps of a chain."""
        return self.burn_in + self.draws * self.thinning

    @property
    def kept(self) -> int:
        """The draws whose states are kept."""
        return -(-self.draws // self.interval)


class ChainRecord(NamedTuple):
    """What is kept of the chains.

    Attributes
    ----------
    nodes : ndarray, shape (free,)
        The elements that had a choice, in the order of the trace.
    trace : ndarray of int, shape (kept, chains, free)
        Their states.
    probabilities : ndarray, shape (states,)
        The mean of the conditional distributions drawn from (Gelfand and Smith 1990, section 2.4);
        zero for elements without a choice.
    """

    nodes: Int[np.ndarray, " free"]
    trace: Int[np.ndarray, "kept chains free"]
    probabilities: Float[np.ndarray, " states"]


def run_chains(
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "chains nodes"],
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
) -> ChainRecord:
    """Run chains from ``states``, which they overwrite with their last states."""
    grid = two_state_grid(conditioned.program)
    with ThreadPoolExecutor(schedule.threads) as pool:

        def together(tasks: list[Task]) -> None:
            if len(tasks) == 1:
                tasks[0]()
            else:
                for done in [pool.submit(task) for task in tasks]:
                    done.result()

        if grid is not None:
            return _run_grid(conditioned, grid, states, key, schedule, together)
        return _run_program(conditioned, states, key, schedule, together)


def _run_program(
    conditioned: ConditionedProgram,
    states: np.ndarray,
    key: np.ndarray,
    schedule: Schedule,
    together: Callable[[list[Task]], None],
) -> ChainRecord:
    program = conditioned.program
    free, chains, sweeps = len(conditioned.order), schedule.chains, schedule.sweeps
    shared = free >= _LARGE
    sums = np.zeros((1 if shared else chains, int(program.pairwise.offsets[-1])))
    trace = np.zeros((schedule.kept, chains, free), states.dtype)
    ones, never = np.ones(chains), np.full(chains, np.inf)

    def task(begin: int, end: int, chain: int, last: int, sweep: int, stop: int) -> Task:
        return lambda: gibbs_sweeps(
            conditioned.order, begin, end, chain, last, sweep, stop, states,
            program.pairwise.offsets, conditioned.values, program.interactions, ones, never,
            max(program.pairwise.largest, 1), key, schedule.burn_in, schedule.thinning,
            schedule.interval, sums, trace,
        )  # fmt: skip

    if shared:
        for sweep in range(sweeps):
            for a, b in itertools.pairwise(conditioned.bounds.tolist()):
                parts = cuts(a, b, schedule.threads, BLOCK)
                together([task(i, j, 0, chains, sweep, sweep + 1) for i, j in parts])
    else:
        parts = cuts(0, chains, schedule.threads, 1)
        together([task(0, free, i, j, 0, sweeps) for i, j in parts])
    probabilities = sums.sum(0) / (chains * schedule.draws)
    return ChainRecord(conditioned.order, trace, probabilities)


def _run_grid(
    conditioned: ConditionedProgram,
    grid: TwoStateGrid,
    states: np.ndarray,
    key: np.ndarray,
    schedule: Schedule,
    together: Callable[[list[Task]], None],
) -> ChainRecord:
    chains, sweeps = schedule.chains, schedule.sweeps
    _, height, half = grid.boards
    boards = np.zeros((chains, 2, height + 2, half + 2), np.uint8)
    inside = np.zeros((chains, 2, height, half), np.uint8)
    inside.reshape(chains, -1)[:, grid.place] = states
    boards[:, :, 1:-1, 1:-1] = inside
    odds = grid.odds(conditioned.unary.astype(np.float64).reshape(-1, 2))
    shared = height * half * 2 >= _LARGE
    # In double precision: a sum in single would round the same way in every one of many sweeps.
    sums = np.zeros((1 if shared else chains, *grid.boards))
    trace = np.zeros((schedule.kept, chains, *grid.boards), np.uint8)

    def task(
        board: int, stop: int, row: int, end: int, chain: int, last: int, sweep: int, until: int
    ) -> Task:
        return lambda: board_sweeps(
            board, stop, row, end, chain, last, sweep, until, boards, odds, grid.uniform,
            grid.across, grid.down, grid.weights, key, schedule.burn_in, schedule.thinning,
            schedule.interval, sums, trace,
        )  # fmt: skip

    if shared:
        bands = cuts(0, height, schedule.threads, 1)
        for sweep in range(sweeps):
            for board in (0, 1):
                together(
                    [task(board, board + 1, i, j, 0, chains, sweep, sweep + 1) for i, j in bands]
                )
    else:
        parts = cuts(0, chains, schedule.threads, 1)
        together([task(0, 2, 0, height, i, j, 0, sweeps) for i, j in parts])
    states[:] = boards[:, :, 1:-1, 1:-1].reshape(chains, -1)[:, grid.place]
    one = sums.sum(0).reshape(-1)[grid.place] / (chains * schedule.draws)
    # The trace stays in the order of the boards; only columns without a choice are left out.
    element = np.full(2 * height * half, -1)
    element[grid.place[conditioned.order]] = conditioned.order
    free = element >= 0
    flat = trace.reshape(schedule.kept, chains, -1)
    return ChainRecord(
        element[free],
        flat if free.all() else flat[:, :, free],
        np.stack([1 - one, one], 1).reshape(-1),
    )


def cuts(begin: int, end: int, parts: int, step: int) -> list[tuple[int, int]]:
    """Cut a range into at most so many parts, at multiples of a step."""
    if end <= begin:
        return []
    marks = {begin, end}
    for part in range(1, parts):
        cut = round((begin + (end - begin) * part / parts) / step) * step
        if begin < cut < end:
            marks.add(cut)
    return list(itertools.pairwise(sorted(marks)))
