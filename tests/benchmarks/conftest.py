"""Benchmarks run when they are asked for; fixtures they share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks import measuring
from tests.benchmarks.networks import one_pyagrum_thread

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    measuring.is_measured = option.benchmark_only or option.benchmark_enable


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what uses the benchmark fixture, unless an option speaks of benchmarks.

    ``--benchmark-only`` (or ``--benchmark-enable``) measures; ``--benchmark-disable`` runs each
    once, untimed.
    """
    option = config.option
    if option.benchmark_only or option.benchmark_disable or option.benchmark_enable:
        return
    left_out = [
        item
        for item in items
        if HERE in item.path.parents and "benchmark" in getattr(item, "fixturenames", ())
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(left_out)
        items[:] = [item for item in items if item not in dropped]


@pytest.fixture
def pyagrum() -> Iterator[ModuleType]:
    """pyAgrum, on one thread; the test is skipped where it is not installed."""
    module = pytest.importorskip("pyagrum")
    with one_pyagrum_thread():
        yield module
