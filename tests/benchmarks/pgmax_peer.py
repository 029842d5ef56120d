"""How long PGMax takes for a sweep on a Potts grid, in a process of its own.

PGMax 0.6.1 asks for a JAX and a NumPy that mmgraph does not work with: the environment variable
``MMGRAPH_PGMAX_PYTHON`` names an interpreter that has ``pgmax==0.6.1 jax==0.4.30 jaxlib==0.4.30
numpy<2``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.benchmarks.pictures import Costs

TEMPERATURE = {"max-product": 0, "sum-product": 1}


def pgmax_seconds_a_sweep(
    costs: Costs,
    weight: float,
    semiring: Literal["max-product", "sum-product"],
    folder: Path,
    neighbours: int = 4,
    sweeps: int = 3,
) -> float:
    """Seconds of a processor for one sweep, which sends every message once; skips without PGMax."""
    interpreter = os.environ.get("MMGRAPH_PGMAX_PYTHON")
    if not interpreter:
        pytest.skip("MMGRAPH_PGMAX_PYTHON names no interpreter that has PGMax")
    path = folder / "log_potentials.npy"
    np.save(path, -costs)
    program = Path(__file__).with_name("pgmax_grid.py")
    numbers = (weight, neighbours, TEMPERATURE[semiring], sweeps)
    done = subprocess.run(
        [interpreter, str(program), str(path), *map(str, numbers)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])
