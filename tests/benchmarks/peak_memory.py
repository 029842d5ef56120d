"""How much memory an assignment by TRW-S takes beyond its input, run as a program.

    python peak_memory.py UNARY.npy WEIGHT

Loads the libraries, compiles the kernels, makes the graph; then searches. Prints two numbers of
bytes: by how much the search raised the peak of the resident set, and that peak less what was
resident just before the search. Linux only: ``getrusage`` would begin with the peak of the process
that started this one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

import mmgraph as mm


def resident(field: str) -> int:
    """Bytes of a field of ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def grid_of(log_potentials: np.ndarray, weight: float) -> mm.FactorGraph:
    label = mm.Variable("label", log_potentials.shape[-1], log_potentials.shape[:-1])
    factors = [mm.UnaryFactor(label, log_potentials), mm.GridFactor(label, mm.Potts(), weight)]
    return mm.FactorGraph([label], factors)


def main(path: str, weight: float) -> None:
    torch.set_num_threads(1)
    log_potentials = np.load(path, allow_pickle=False)
    mm.map_query(grid_of(log_potentials[:16, :16], weight), method="trws")
    graph = grid_of(log_potentials, weight)
    peak, now = resident("VmHWM"), resident("VmRSS")
    found = mm.map_query(graph, method="trws", iterations=8)
    assert found.states["label"].shape == (1, *log_potentials.shape[:-1])
    print(resident("VmHWM") - peak, resident("VmHWM") - now)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
