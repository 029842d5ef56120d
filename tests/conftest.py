"""How the suite runs, and its devices: the CPU, a pretended CUDA device, and a real one if any."""

# ruff: noqa: E402 -- numbers of threads are set before the libraries that read them are loaded
from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

# One thread a process: the suite runs in a process for each core, and threads that wait for each
# other spin. Processes that tests start inherit this.
for _library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import hypothesis
import pytest
import torch

from tests.pretended_cuda import pretended_cuda

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=60)
hypothesis.settings.load_profile("suite")

HAS_CARD = torch.cuda.is_available()
_PRETENDED = pytest.param("pretended", id="pretended-cuda")
_REAL = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_CARD, reason="no CUDA device")],
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process where a file or a test is named, output is shown, or benchmarks are measured."""
    option = config.option
    single = any(argument.endswith(".py") or "::" in argument for argument in config.args)
    measured = option.benchmark_only or option.benchmark_enable
    return 0 if single or measured or option.capture == "no" else None


def _entered(kind: str) -> Iterator[str]:
    with pretended_cuda() if kind == "pretended" else contextlib.nullcontext():
        yield "cuda" if kind == "pretended" else kind


@pytest.fixture(params=["cpu", _PRETENDED, _REAL])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The device to ask for: ``"cpu"`` or ``"cuda"``, which is pretended where there is none."""
    yield from _entered(request.param)


@pytest.fixture(params=[_PRETENDED, _REAL])
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    """``"cuda"``, pretended and, where there is a card, real."""
    yield from _entered(request.param)
