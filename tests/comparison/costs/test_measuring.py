"""Memory and seconds of calls whose size is known, here and in a process of its own."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from mmgraph.comparison.costs.measuring import measured, measured_apart
from mmgraph.graph.errors import MmgraphError

MEGABYTES = 1024**2


def filled(megabytes: int) -> int:
    """Take so much memory, and give it back."""
    return len(np.ones(megabytes * MEGABYTES, np.int8))


def test_memory_that_is_given_back_counts():
    for megabytes in (96, 48):  # an earlier and higher peak is forgotten
        result, seconds, peak = measured(filled, megabytes)
        assert result == megabytes * MEGABYTES
        assert 0 <= seconds < 5
        assert peak == pytest.approx(megabytes * MEGABYTES, rel=0.1)


def test_seconds_are_of_the_processor():
    assert measured(time.sleep, 0.2).cpu_seconds < 0.1

    def busy() -> None:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    assert measured(busy).cpu_seconds >= 0.1


def test_a_process_of_its_own_answers_fails_and_dies():
    """One process each, of an interpreter without this package's imports."""
    assert measured_apart(sum, [1, 2]).result == 3
    with pytest.raises(ZeroDivisionError):
        measured_apart(divmod, 1, 0)
    with pytest.raises(MmgraphError, match="ended with exit code 7"):
        measured_apart(os._exit, 7)


def test_memory_of_a_process_of_its_own():
    peak = measured_apart(bytearray, 64 * MEGABYTES).peak_bytes
    assert peak >= 64 * MEGABYTES
