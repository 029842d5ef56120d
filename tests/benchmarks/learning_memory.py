"""How long parameters take to learn from a Parquet file, and in how much memory, as a program.

    python learning_memory.py NETWORK FILE.parquet

Prints seconds (of a second pass, with everything compiled and loaded before) and the peak of the
resident set in bytes. Linux only.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

import mmgraph as mm
from mmgraph.data.tables import open_table


def resident_peak() -> int:
    """Bytes of the largest resident set that this process has had."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main(network: str, path: str) -> None:
    torch.set_num_threads(1)
    graph = mm.read(network)
    few = next(iter(open_table(path).chunks(1000)))
    mm.learn_parameters(graph, few)
    start = time.perf_counter()
    mm.learn_parameters(graph, path)
    print(time.perf_counter() - start, resident_peak())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
