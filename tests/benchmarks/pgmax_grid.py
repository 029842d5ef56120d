"""Message passing on a Potts grid by PGMax, run as a program by an interpreter that has it.

    python pgmax_grid.py UNARY.npy WEIGHT NEIGHBOURS TEMPERATURE SWEEPS

The file holds log-potentials, ``(height, width, states)``. At temperature 0 the messages are those
of max-product, at 1 those of sum-product. A sweep sends every message once. Prints the seconds of a
sweep that one processor spends: those of the fastest of a few runs, without building the graph and
without compilation.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np

RUNS = 3
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
FORWARD = {4: [(0, 1), (1, 0)], 8: [(0, 1), (1, 0), (1, 1), (1, -1)]}


def main(path: str, weight: float, neighbours: int, temperature: float, sweeps: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = ONE_THREAD  # read when jax is imported
    import jax
    from pgmax import fgraph, fgroup, infer, vgroup

    evidence = np.load(path)
    height, width, states = evidence.shape
    pixels = vgroup.NDVarArray(num_states=states, shape=(height, width))
    pairs = [
        [pixels[i, j], pixels[i + down, j + right]]
        for down, right in FORWARD[neighbours]
        for i in range(height - down)
        for j in range(max(0, -right), width - max(0, right))
    ]
    graph = fgraph.FactorGraph(variable_groups=pixels)
    potts = weight * np.eye(states)
    graph.add_factors(fgroup.PairwiseFactorGroup(pairs, log_potential_matrix=potts))
    propagation = infer.build_inferer(graph.bp_state, backend="bp")
    start = propagation.init(evidence_updates={pixels: evidence})

    # Two sweeps at least: PGMax does not compile a single one as a whole.
    @jax.jit
    def run(arrays):
        return propagation.run(arrays, num_iters=sweeps, damping=0.0, temperature=temperature)

    jax.block_until_ready(run(start))
    seconds = []
    for _ in range(RUNS):
        begin = time.process_time()
        jax.block_until_ready(run(start))
        seconds.append(time.process_time() - begin)
    print(min(seconds) / sweeps)


if __name__ == "__main__":
    file, strength, kind, heat, count = sys.argv[1:]
    main(file, float(strength), int(kind), float(heat), int(count))
