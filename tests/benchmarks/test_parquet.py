"""Parameters of alarm from Parquet files: time in proportion to rows, memory that does not grow.

MMGRAPH_PARQUET_ROWS=10000000 pytest tests/benchmarks/test_parquet.py --benchmark-only -s
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from tests.benchmarks.measuring import size

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("pgmpy")

ROWS = int(os.environ.get("MMGRAPH_PARQUET_ROWS", size("400000", "40000")))
PIECE = 1_000_000
MOST_BYTES = 2 << 30
PROGRAM = Path(__file__).with_name("learning_memory.py")


def write_rows(network: mm.BayesianNetwork, path: Path, rows: int) -> None:
    """Sample a file piece by piece, states by their labels."""
    columns = {n: list(map(str, v.labels)) for n, v in network.variables.items()}
    schema = pa.schema([(n, pa.dictionary(pa.int8(), pa.string())) for n in columns])
    generator = torch.Generator().manual_seed(0)
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, PIECE):
            count = min(PIECE, rows - begin)
            codes = mm.sample(network, count, generator=generator).codes
            arrays = [
                pa.DictionaryArray.from_arrays(codes[n].numpy().astype(np.int8), labels)
                for n, labels in columns.items()
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def measured(path: Path) -> tuple[float, int]:
    """Seconds, and the peak of the resident set in bytes."""
    command = [sys.executable, str(PROGRAM), "alarm", str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(output[0]), int(output[1])


def test_alarm_from_parquet(benchmark, tmp_path):
    network = mm.read("alarm")
    seconds, peaks = {}, {}
    for rows in (ROWS // 4, ROWS):
        path = tmp_path / f"{rows}.parquet"
        write_rows(network, path, rows)
        if rows == ROWS:
            seconds[rows], peaks[rows] = benchmark.pedantic(measured, (path,), rounds=1)
        else:
            seconds[rows], peaks[rows] = measured(path)
        print(f"\n{rows:,} rows: {seconds[rows]:.2f} s, {peaks[rows] / 2**20:,.0f} MiB")
    assert peaks[ROWS] <= MOST_BYTES
    assert seconds[ROWS] <= 2 * 4 * seconds[ROWS // 4]
