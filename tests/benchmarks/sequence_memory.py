"""What expected counts of one long sequence take beyond their input, as a program.

    python sequence_memory.py STEPS STATES

Prints bytes by which the peak of the resident set rose while counts were expected, the seconds of
that, and the seconds where all of the forward pass is stored instead of run again. Linux only.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from mmgraph.inference.exact.chain import forward_backward
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.hidden_chain import HiddenChain


def resident(field: str) -> int:
    """Bytes of a field of ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def drawn(steps: int, states: int, features: int = 4) -> tuple[HiddenChain, np.ndarray]:
    """A chain with normal emissions, and rows about the means of random states."""
    generator = np.random.default_rng(0)
    means = 2 * generator.standard_normal((states, features))
    rows = generator.standard_normal((steps, features))
    rows += means[generator.integers(states, size=steps)]
    emission = GaussianEmission(means, np.ones((states, features)))
    transition = generator.dirichlet(np.ones(states), states)
    return HiddenChain(np.full(states, 1 / states), transition, emission), rows


def seconds(chain: HiddenChain, rows: np.ndarray) -> float:
    """Seconds of the processor that expected counts and statistics take."""
    began = time.process_time()
    chain.expected(rows, [len(rows)])
    return time.process_time() - began


def main(steps: int, states: int) -> None:
    chain, rows = drawn(steps, states)
    seconds(chain, rows[:1000])  # compiled; what it frees is little
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    again = seconds(chain, rows)
    rise = resident("VmHWM") - before
    again = min(again, seconds(chain, rows))
    forward_backward._STORED_BYTES = sys.maxsize
    stored = min(seconds(chain, rows) for _ in range(2))
    print(rise, again, stored)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
