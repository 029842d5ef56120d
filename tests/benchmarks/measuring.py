"""How large benchmarks are: whole where they are measured, small where they only have to run."""

from __future__ import annotations

from typing import TypeVar

Size = TypeVar("Size")
is_measured = False
"""True under ``--benchmark-only`` and ``--benchmark-enable``; set by conftest.py at the start."""


def size(whole: Size, small: Size) -> Size:
    """Return what a measured run works on, or what is enough to see that a benchmark runs."""
    return whole if is_measured else small
