"""Many chains of block Gibbs sampling on the threads of a CPU.

Random numbers are counted, not carried: they depend on key, chain, sweep and element only, and the
answer is the same on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, UInt32
from torch import Tensor

from mmgraph.inference.numerics.threads import cuts, run_together
from mmgraph.inference.sampling.gibbs_kernels import BLOCK, gibbs_sweeps
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, Tempering
from mmgraph.inference.sampling.schedule import Part, Schedule
from mmgraph.inference.sampling.two_state_grid import TwoStateGrid, two_state_grid
from mmgraph.inference.sampling.two_state_kernels import board_sweeps

_LARGE = 1 << 15
"""Elements from which on threads share a chain; smaller ones get whole chains."""

_WORTH_THREADS = 1 << 13
"""Elements in all chains from which on threads share a single sweep."""


class ChainRecord(NamedTuple):
    """What compiled chains of one row of evidence leave."""

    nodes: Int[np.ndarray, " free"]  # the elements that had a choice, in the order of the trace
    trace: Int[np.ndarray, "traced chains free"]  # their states
    # The mean of the conditional distributions drawn from (Gelfand and Smith 1990, section 2.4);
    # zero for elements without a choice.
    probabilities: Float[np.ndarray, " states"]
    # Of tempering, the share of swaps accepted between each temperature and the next.
    swap_rates: Float64[Tensor, "1 replicas-1"] | None = None


def run_chains(
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "chains nodes"],
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
    tempering: Tempering | None = None,
    after_sweep: Callable[[int], None] | None = None,
) -> ChainRecord:
    """Run chains from ``states``, which they overwrite with their last states.

    Under ``tempering`` there may be more chains than the schedule has: the first are recorded.
    ``after_sweep`` is called with the number of each sweep after it.
    """
    grid = two_state_grid(conditioned.program) if tempering is None else None
    if grid is not None:
        return _run_grid(conditioned, grid, states, key, schedule)
    arrays = conditioned.arrays
    model = Tempering.even(schedule.chains) if tempering is None else tempering

    def sweep(part: Part, sums: np.ndarray, trace: np.ndarray) -> None:
        gibbs_sweeps(part, arrays, states, model, key, schedule, sums, trace)

    size, free = int(arrays.offsets[-1]), np.empty(len(arrays.order), states.dtype)
    work = _Work(sweep, conditioned.colours, BLOCK, (size,), free)
    means, trace = _run(work, len(states), schedule, after_sweep)
    return ChainRecord(arrays.order, trace, means)


def _run_grid(
    conditioned: ConditionedProgram,
    grid: TwoStateGrid,
    states: Int[np.ndarray, "chains nodes"],
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
) -> ChainRecord:
    chains = schedule.chains
    _, height, half = grid.boards
    boards = np.zeros((chains, 2, height + 2, half + 2), np.uint8)
    inside = np.zeros((chains, *grid.boards), np.uint8)
    inside.reshape(chains, -1)[:, grid.place] = states
    boards[:, :, 1:-1, 1:-1] = inside
    odds = grid.odds(conditioned.unary.astype(np.float64).reshape(-1, 2))

    def sweep(part: Part, sums: np.ndarray, trace: np.ndarray) -> None:
        board_sweeps(part, boards, odds, key, schedule, sums, trace)

    colours = [(0, height), (height, 2 * height)]
    work = _Work(sweep, colours, 1, grid.boards, inside[0])
    means, trace = _run(work, chains, schedule)
    states[:] = boards[:, :, 1:-1, 1:-1].reshape(chains, -1)[:, grid.place]
    one = means.reshape(-1)[grid.place]
    # The trace stays in the order of the boards; only columns without a choice are left out.
    element = np.full(means.size, -1)
    element[grid.place[conditioned.order]] = conditioned.order
    free = element >= 0
    flat = trace.reshape(schedule.traced, chains, -1)
    return ChainRecord(
        element[free],
        flat if free.all() else flat[:, :, free],
        np.stack([1 - one, one], 1).reshape(-1),
    )


class _Work(NamedTuple):
    """What sweeps are made of: a kernel that draws parts, and what it draws."""

    sweep: Callable[[Part, np.ndarray, np.ndarray], None]  # adds to sums, and writes to a trace
    colours: Sequence[tuple[int, int]]  # ranges drawn together, in the order of a sweep
    block: int  # threads share a range at multiples of it
    shape: tuple[int, ...]  # of the probabilities
    like: Int[np.ndarray, "..."]  # as the states of a draw


def _run(
    work: _Work,
    replicas: int,
    schedule: Schedule,
    after_sweep: Callable[[int], None] | None = None,
) -> tuple[Float64[np.ndarray, "..."], Int[np.ndarray, "traced chains ..."]]:
    """Run all sweeps on the threads of a schedule; return mean probabilities and the trace."""
    chains, threads, size = schedule.chains, schedule.threads, work.like.size
    shared = size >= _LARGE and after_sweep is None
    # In double precision: a sum in single would round the same way in every one of many sweeps.
    sums = np.zeros((1 if shared else chains, *work.shape))
    trace = np.zeros((schedule.traced, chains, *work.like.shape), work.like.dtype)
    if shared:
        bands = [cuts(*colour, threads, work.block) for colour in work.colours]
        rounds = [[(*band, 0, chains) for band in colour] for colour in bands]
    else:
        if after_sweep is not None and size * replicas < _WORTH_THREADS:
            threads = 1
        begin, end = (work.colours[0][0], work.colours[-1][1]) if work.colours else (0, 0)
        rounds = [[(begin, end, *part) for part in cuts(0, replicas, threads)]]
    step = 1 if shared or after_sweep is not None else schedule.sweeps
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, schedule.sweeps, step):
            for parts in rounds:
                run_together(
                    pool,
                    lambda part: work.sweep(part, sums, trace),
                    [Part(*part, first, first + step) for part in parts],
                )
            if after_sweep is not None:
                after_sweep(first)
    return sums.sum(0) / (chains * schedule.draws), trace
