"""Ising block Gibbs sampling by thrml, run as a program by an interpreter that has it.

Prints the spin updates a second of the fastest of a few runs.
"""

from __future__ import annotations

import sys
import time


def main(side: int, sweeps: int) -> None:
    import jax
    import jax.numpy as jnp
    from thrml import Block, SamplingSchedule, SpinNode, sample_states
    from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init

    grid = [[SpinNode() for _ in range(side)] for _ in range(side)]
    nodes = [node for row in grid for node in row]
    edges = [(row[j], row[j + 1]) for row in grid for j in range(side - 1)]
    edges += [(grid[i][j], grid[i + 1][j]) for i in range(side - 1) for j in range(side)]
    model = IsingEBM(nodes, edges, jnp.zeros(len(nodes)), jnp.full(len(edges), 0.4), jnp.array(1.0))
    blocks = [
        Block([grid[i][j] for i in range(side) for j in range(side) if (i + j) % 2 == parity])
        for parity in (0, 1)
    ]
    program = IsingSamplingProgram(model, blocks, [])
    start = hinton_init(jax.random.key(0), model, blocks, ())
    # One state is kept, after all sweeps.
    schedule = SamplingSchedule(sweeps, 1, 1)

    @jax.jit
    def run(key):
        return sample_states(key, program, schedule, start, [], [Block([grid[0][0]])])

    jax.block_until_ready(run(jax.random.key(0)))
    seconds = []
    for seed in range(3):
        begin = time.perf_counter()
        jax.block_until_ready(run(jax.random.key(seed)))
        seconds.append(time.perf_counter() - begin)
    print(side * side * sweeps / min(seconds))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
