"""The devices that tests run on: the CPU, a pretended CUDA device, and a real one if there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import torch

from tests.pretended_cuda import pretended_cuda

HAS_CARD = torch.cuda.is_available()
_PRETENDED = pytest.param("pretended", id="pretended-cuda")
_REAL = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_CARD, reason="no CUDA device")],
)


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
